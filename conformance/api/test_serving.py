"""The API surface: kinds, versions and verbs."""

from __future__ import annotations

import pytest

from fixtures.api import LIBRARY, NONE, OTHER, Api
from fixtures.cast import Actors
from fixtures.readings import Readings
from fixtures.splitter import Splitter
from smi_conformance.model.objects import (
    Backend,
    HttpMatch,
    IdentityBinding,
    RouteGroup,
    Rule,
    ServiceAccountRef,
    Split,
    TcpRoute,
    TrafficTarget,
    UdpRoute,
)
from smi_conformance.plugin import requirement

SOMEBODY = ServiceAccountRef("somebody", "somewhere")
TARGET = TrafficTarget(ServiceAccountRef("nobody", "nowhere"), (SOMEBODY,), (Rule("HTTPRouteGroup", "nothing"),))
GROUP = RouteGroup((HttpMatch("m", "/nothing", ("GET",)),))
SPLIT = Split("nothing", (Backend("nobody", 1),))


@requirement("API-010")
def test_traffic_target_is_served(api: Api) -> None:
    """TrafficTarget is a namespaced resource of access.smi-spec.io at the claimed version, with the ordinary verbs."""
    targets = api.kind("TrafficTarget")
    targets.is_discovered()
    targets.takes_every_verb(TARGET)
    targets.is_unknown()


@requirement("API-012")
def test_names_of_the_kinds(api: Api, readings: Readings) -> None:
    """The kinds may be known by the singular and short names of the project's library, by others, or by none."""
    found, names = api.short_names()
    readings.of(found, {name: name for name in (LIBRARY, OTHER, NONE)}, names)


@requirement("API-020")
@pytest.mark.parametrize(
    ("kind", "minimal"), [("HTTPRouteGroup", GROUP), ("TCPRoute", TcpRoute())], ids=["group", "tcp"]
)
def test_routes_are_served(api: Api, kind: str, minimal: RouteGroup | TcpRoute) -> None:
    """HTTPRouteGroup and TCPRoute are namespaced resources of specs.smi-spec.io at the claimed version."""
    routes = api.kind(kind)
    routes.is_discovered()
    routes.takes_every_verb(minimal)
    routes.is_unknown(plural="smtproutes")


@requirement("API-021")
def test_udp_route_is_served(api: Api) -> None:
    """UDPRoute is a namespaced resource of specs.smi-spec.io at v1alpha4, where the mesh claims UDP."""
    routes = api.kind("UDPRoute")
    routes.is_discovered()
    routes.takes_every_verb(UdpRoute())
    routes.is_unknown(version="v1alpha3")
    api.draft(UdpRoute(ports=(9000, 9001))).is_taken().shows("matches.ports", [9000, 9001])


@requirement("API-030")
def test_traffic_split_is_served(api: Api, split: Splitter, clients: Actors) -> None:
    """TrafficSplit is a namespaced resource of split.smi-spec.io at the claimed version, and acts."""
    splits = api.kind("TrafficSplit")
    splits.is_discovered()
    splits.takes_every_verb(SPLIT)
    splits.is_unknown()

    root = split.across((90, 10))
    clients.a.converges_on(root)
    clients.a.sample(root, rough=True).follows()


@requirement("API-040")
@pytest.mark.parametrize(
    ("binding", "schemes"),
    [
        (
            IdentityBinding(pod_labels=(("app", "web"), ("tier", "front"))),
            {"podLabelSelector": {"matchLabels": {"app": "web", "tier": "front"}}},
        ),
        (
            IdentityBinding(spiffe_ids=("cluster.local/ns/x/sa/one", "cluster.local/ns/x/sa/two")),
            {"spiffeIdentities": ["cluster.local/ns/x/sa/one", "cluster.local/ns/x/sa/two"]},
        ),
        (IdentityBinding(service_account="one"), {"serviceAccount": "one"}),
    ],
    ids=["podLabelSelector", "spiffeIdentities", "serviceAccount"],
)
def test_identity_binding_is_served(api: Api, binding: IdentityBinding, schemes: dict[str, object]) -> None:
    """IdentityBinding is served at access v1alpha4, and its schemes are stored as they were written."""
    api.kind("IdentityBinding").is_discovered()
    api.draft(binding).is_taken().shows("schemes", schemes)
