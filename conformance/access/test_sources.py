"""Access control: who may call."""

from __future__ import annotations

from fixtures.cast import Actors, Cast, Lease, Server
from fixtures.policy import Policy, http
from smi_conformance.plugin import requirement


@requirement("TA-020")
def test_listed_source_is_admitted(lease: Lease, policy: Policy, clients: Actors) -> None:
    """A pod whose identity is among the sources may call the destination on a route of the TrafficTarget."""
    server = lease.pair()
    policy.allow(clients.a, server, http("/data", "GET"))

    call = server.at.get("/data")
    admitted = clients.a.can(call, call.http2(), on_every_pod=True)
    clients.z.cannot(call, call.http2(), beside=admitted)


@requirement("TA-021")
def test_unlisted_source_is_denied(server: Server, policy: Policy, clients: Actors) -> None:
    """A pod whose identity is not among the sources is denied on every route, also on those that others may use."""
    policy.allow(clients.a, server, http("/data", "GET"), http("/more", "GET"))

    admitted = clients.a.can(server.at.get("/data"), server.at.get("/more"))
    paths = [server.at.get(path) for path in ("/data", "/more", "/other")]
    clients.z.cannot(*paths, *(path.kept() for path in paths), beside=admitted)
    clients.outsider.cannot(*paths, beside=admitted)  # nothing on the client's side stops this one


@requirement("TA-030")
def test_identity_is_the_service_account(server: Server, policy: Policy, clients: Actors) -> None:
    """Access is decided by the ServiceAccount of the client pod and not by its labels, name, image or owner."""
    policy.allow(clients.a, server, http("/data", "GET"))

    admitted = clients.a.can(server.at.get("/data"))
    clients.second_a.can(server.at.get("/data"))
    clients.z.cannot(server.at.get("/data"), beside=admitted)


@requirement("TA-040")
def test_denied_requests_never_reach_the_server(server: Server, policy: Policy, clients: Actors) -> None:
    """The decision is enforced at the destination: a denied request never reaches the application container."""
    policy.allow(clients.a, server, http("/data", "GET", "POST"))

    small, large = server.at.get("/data"), server.at.call("POST", "/data", body=262_144)
    admitted = clients.a.can(small, large)
    clients.z.cannot(small, large, beside=admitted)
    clients.outsider.cannot(small, large, beside=admitted)


@requirement("TA-041")
def test_client_outside_the_mesh_is_denied(server: Server, policy: Policy, clients: Actors, cast: Cast) -> None:
    """A client outside the mesh, without proven identity, is denied by a destination that admits listed sources."""
    policy.allow(clients.a, server, http("/data", "GET"))

    admitted = clients.a.can(server.at.get("/data"))
    clients.outsider.can(cast.destination("outsider").get("/data"))
    by_name, by_address = server.at.get("/data"), server.at.at(server.at.pods[0]).get("/data")
    clients.outsider.cannot(by_name, by_address, by_name.http2(), by_address.http2(), beside=admitted)
