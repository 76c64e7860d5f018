"""The API surface: the shape of TrafficTargets and IdentityBindings."""

from __future__ import annotations

import pytest

from fixtures.api import Api
from fixtures.cast import Actors, Server
from fixtures.policy import HasAccount, Policy, http, subject
from smi_conformance.model.objects import IdentityBinding, Rule, ServiceAccountRef, TrafficTarget
from smi_conformance.plugin import requirement

SOMEBODY = ServiceAccountRef("somebody", "somewhere")
TARGET = TrafficTarget(ServiceAccountRef("nobody", "nowhere"), (SOMEBODY,), (Rule("HTTPRouteGroup", "nothing"),))
BOUND = ServiceAccountRef("bound", "nowhere", "IdentityBinding")
GROUP = "access.smi-spec.io"


def bound(policy: Policy, actor: HasAccount) -> ServiceAccountRef:
    """A reference to an actor by an IdentityBinding for its account."""
    return policy.binding(actor, service_account=actor.account[0]).subject


@requirement("API-041")
def test_unknown_scheme_is_not_stored(api: Api) -> None:
    """An IdentityBinding scheme that the version does not define is refused or pruned, and never stored."""
    known = IdentityBinding(service_account="one")
    api.draft(known).is_taken().shows("schemes", {"serviceAccount": "one"})

    strange = api.draft(known).having("schemes.invented", {"a": "b"}).is_offered()
    strange.never_keeps("schemes.invented").shows("schemes.serviceAccount", "one")


@requirement("API-060")
@pytest.mark.parametrize("field", ["destination", "rules", "sources"])
def test_incomplete_target_is_refused(api: Api, field: str) -> None:
    """The API refuses at creation a TrafficTarget that lacks a destination, has no rules field, or no sources field."""
    api.draft(TARGET).without(field).is_refused(naming=field)
    api.draft(TARGET).is_taken()


@requirement("API-061")
def test_target_is_read_in_the_layout_of_its_version(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A TrafficTarget is read from the places where its version has destination, rules (specs) and sources."""
    group = policy.group(server, http("/data", "GET"))
    granted = policy.target(clients.a, server, group)
    api.object(granted).means(granted.thing, version=policy.scene.versions["access"])
    clients.a.cannot(server.at.get("/other"), beside=clients.a.can(server.at.get("/data")))

    api.draft(policy.draft(clients.b, server, group)).in_another_layout().is_offered()
    policy.allow(clients.b, server, http("/later", "GET"))
    clients.b.cannot(server.at.get("/data"), beside=clients.b.can(server.at.get("/later")))
    clients.z.cannot(server.at.get("/data"), beside=clients.a.can(server.at.get("/data")))


@requirement("API-062")
@pytest.mark.parametrize("field", ["rules", "sources"])
def test_empty_list_is_refused(api: Api, field: str) -> None:
    """The API refuses a TrafficTarget whose rules list or sources list is empty, at creation and when patched away."""
    api.draft(TARGET).having(field, []).is_refused()
    api.draft(TARGET).is_taken().refuses(field, [])


@requirement("API-063")
@pytest.mark.parametrize("destination", ["account", "binding"])
@pytest.mark.parametrize("source", ["account", "binding"])
def test_both_kinds_of_subject_are_enforced(
    server: Server, policy: Policy, clients: Actors, api: Api, source: str, destination: str
) -> None:
    """In v1alpha4 a destination or source may name an IdentityBinding or a ServiceAccount, and both are enforced."""
    client, group = clients.a, policy.group(server, http("/data", "GET"))
    caller = {"account": subject(client), "binding": bound(policy, client)}[source]
    called = {"account": subject(server), "binding": bound(policy, server)}[destination]
    api.draft(policy.draft(caller, called, group)).is_taken()

    admitted = clients.a.can(server.at.get("/data"))
    clients.a.cannot(server.at.get("/other"), beside=admitted)
    clients.z.cannot(server.at.get("/data"), beside=admitted)


@requirement("API-064")
def test_subject_keeps_its_group(api: Api) -> None:
    """A v1alpha4 subject keeps the group it was written with."""
    stored = api.draft(TrafficTarget(BOUND, (BOUND,), TARGET.rules)).is_taken()
    for side in ("destination", "sources.0"):
        stored.shows(f"{side}.group", GROUP).shows(f"{side}.kind", "IdentityBinding").shows(f"{side}.name", "bound")
