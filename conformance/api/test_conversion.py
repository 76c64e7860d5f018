"""The API surface: one object, written at one served version and read or used at another."""

from __future__ import annotations

from dataclasses import replace

from fixtures.api import Api
from fixtures.cast import TCP, Actors, Server
from fixtures.policy import Policy, header, http
from fixtures.splitter import Splitter
from smi_conformance.model.objects import TcpRoute, TrafficTarget
from smi_conformance.plugin import requirement

EVERY = ("v1", "v2", "v3", "v4")
WITH_HEADERS = ("v1alpha2", "v1alpha3", "v1alpha4")


def without_port(target: TrafficTarget) -> TrafficTarget:
    """A TrafficTarget but for its port, which not every version can tell."""
    return replace(target, port=None)


@requirement("API-050")
def test_target_has_the_same_effect_at_every_version(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A TrafficTarget has the same effect whichever version it was written with and never grants more elsewhere."""
    granted, barred = server.at.get("/data"), (server.at.get("/other"), server.at.on(8081).get("/data"))
    target = api.object(policy.allow(clients.x, server, http("/data", "GET"), port=8080))
    clients.x.cannot(*barred, beside=clients.x.can(granted))

    for version in api.other_versions("access"):
        target.agrees(without_port, version=version)
        clients.x.cannot(*barred, beside=clients.x.can(granted))
        target.rewritten(version)
        policy.allow(clients.b, server, http(f"/{version}", "GET"))
        clients.b.can(server.at.get(f"/{version}"))
        clients.x.cannot(*barred, beside=clients.x.can(granted))


@requirement("API-051", versions=("v1alpha1",))
def test_group_keeps_its_paths_at_every_version(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A route group keeps its matches when it is written at one served version and used or read at another."""
    group = policy.group(server, http("/data", "GET"), http("/more", "POST"))
    for version in api.users():
        api.object(group).agrees(version=version)
        target = policy.target(clients.a, server, group)
        admitted = clients.a.can(server.at.get("/data"), server.at.call("POST", "/more"))
        clients.a.cannot(server.at.get("/other"), server.at.get("/more"), beside=admitted)
        target.withdraw()
        clients.a.cannot(server.at.get("/data"), server.at.call("POST", "/more"))  # so that the next one opens it


@requirement("API-051", versions=WITH_HEADERS)
def test_group_keeps_its_headers_at_every_version(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A route group keeps its matches, headers too, when it is written at one version and used or read at another."""
    group, fitting = policy.group(server, http("/data", "GET"), header("x-release", "v[0-9]+")), [("x-release", "v1")]
    for version in api.users(among=WITH_HEADERS):
        api.object(group).agrees(version=version)
        target = policy.target(clients.a, server, group)
        admitted = clients.a.can(server.at.get("/data"), server.at.get("/", fitting))
        clients.a.cannot(server.at.get("/"), server.at.get("/other", [("x-release", "none")]), beside=admitted)
        target.withdraw()
        clients.a.cannot(server.at.get("/data"))


@requirement("API-051", versions=("v1alpha4",))
def test_route_keeps_its_ports_at_every_version(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A TCPRoute keeps its ports when it is written at v1alpha4 and used or read at another version."""
    route = policy.route(server, TcpRoute((7000,)))
    for version in api.users():
        api.object(route).read(version)
        target = policy.target(clients.a, server, route)
        admitted = clients.a.can(server.at.tcp(7000))
        clients.a.cannot(*(server.at.tcp(port) for port in TCP if port != 7000), beside=admitted)
        target.withdraw()
        clients.a.cannot(server.at.tcp(7000))


@requirement("API-052", versions=("v1alpha1",))
def test_quantities_keep_their_proportions(split: Splitter, clients: Actors, api: Api) -> None:
    """A split keeps the proportions of its weights when it is written as quantities and read as whole numbers."""
    root = split.across(("1", "500m"))
    stored = api.object(root.ref)
    for version in ("v1alpha1", *api.other_versions("split")):
        stored.has_weights_like(2, 1, version=version)
    clients.a.follows(root)


@requirement("API-052", versions=("v1alpha2", "v1alpha3", "v1alpha4"))
def test_whole_numbers_keep_their_proportions(split: Splitter, clients: Actors, api: Api) -> None:
    """A split keeps the proportions of its weights when it is written as whole numbers and read at another version."""
    root = split.across((1000, 500))
    stored = api.object(root.ref)
    for version in (root.ref.api_version.split("/")[1], *api.other_versions("split")):
        stored.has_weights_like(2, 1, version=version)
    clients.a.follows(root)


@requirement("API-053")
def test_split_keeps_its_matches(split: Splitter, clients: Actors, api: Api) -> None:
    """A split keeps its route group references when it is written at one version and read at the other."""
    groups = [split.group(http(path, "GET")) for path in ("/one", "/two")]
    root = split.onto(matches=groups, v1=1)
    stored = api.object(root.ref)
    for version in api.other_versions("split", among=("v1alpha3", "v1alpha4")):
        stored.agrees(version=version)
        stored.rewritten(version)
        clients.a.follows(split.across((90, 10)), rough=True)
        clients.a.finds(root.asked(path="/one"), "v1")
        clients.a.finds(root.asked(path="/two"), "v1")
        clients.a.finds(root, *EVERY)
