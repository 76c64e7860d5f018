"""Access control: what is not granted is denied."""

from __future__ import annotations

from fixtures.cast import Actors, Server
from fixtures.policy import ALL_HTTP, Policy, tcp
from smi_conformance.plugin import requirement


@requirement("TA-010")
def test_http_is_denied_without_a_target(server: Server, policy: Policy, clients: Actors) -> None:
    """HTTP requests to a workload in the mesh are denied as long as no TrafficTarget names its identity."""
    call = server.at.get("/")
    every_way = [call, call.kept(), call.http2(), call.http2().kept()]
    clients.a.cannot(*every_way)
    clients.x.cannot(call)

    grant = policy.allow(clients.a, server, ALL_HTTP)
    clients.a.can(call, call.http2())
    grant.withdraw()
    clients.a.cannot(*every_way)
    clients.x.cannot(call)

    server.restart()
    clients.a.cannot(server.at.get("/"))


@requirement("TA-011")
def test_tcp_carries_no_data_without_a_target(server: Server, policy: Policy, clients: Actors) -> None:
    """Raw TCP connections to a workload in the mesh carry no data to it as long as no TrafficTarget names it."""
    clients.a.cannot(*(server.at.tcp(port) for port in (7000, 7001, 7002)))

    policy.allow(clients.a, server, tcp(7000))
    clients.a.can(server.at.tcp(7000))
