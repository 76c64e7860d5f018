"""HTTPRouteGroup over HTTP/2 and gRPC."""

from __future__ import annotations

from fixtures.cast import Actors, Server
from fixtures.policy import Policy, header, http
from smi_conformance.plugin import requirement


@requirement("TS-050")
def test_paths_and_methods_hold_over_http2(server: Server, policy: Policy, clients: Actors) -> None:
    """Path and method of a match apply in the same way to HTTP/1.1 and to HTTP/2 requests."""
    policy.allow(clients.a, server, http("/data.*", "GET"))
    granted, barred = server.at.get("/data"), (server.at.get("/other"), server.at.call("POST", "/data"))

    admitted = clients.a.can(granted, granted.http2(), granted.http2().kept())
    clients.a.cannot(*barred, *(call.http2() for call in barred), beside=admitted)
    clients.a.alternates(granted.http2(), *(call.http2() for call in barred))
    clients.z.cannot(granted.http2(), beside=admitted)


@requirement("TS-050", versions=("v1alpha2", "v1alpha3", "v1alpha4"))
def test_headers_hold_over_http2(server: Server, policy: Policy, clients: Actors) -> None:
    """Header filters of a match apply in the same way to HTTP/1.1 and to HTTP/2 requests."""
    policy.allow(clients.a, server, header("x-release", "v[0-9]+"))
    granted = server.at.get("/", [("x-release", "v1")])
    barred = server.at.get("/", [("x-release", "none")]), server.at.get("/")

    admitted = clients.a.can(granted, granted.http2())
    clients.a.cannot(*barred, *(call.http2() for call in barred), beside=admitted)
    clients.a.alternates(granted.http2(), *(call.http2() for call in barred))


@requirement("TS-051")
def test_grpc_is_granted_by_its_path(server: Server, policy: Policy, clients: Actors) -> None:
    """gRPC calls can be granted by a route group as POST on the path of the method."""
    policy.allow(clients.a, server, http("/pkg.Svc/Get", "POST"))

    admitted = clients.a.can(server.at.grpc("pkg.Svc", "Get"))
    clients.a.cannot(server.at.grpc("pkg.Svc", "List"), server.at.grpc("pkg.Other", "Get"), beside=admitted)
