"""Access control of UDP."""

from __future__ import annotations

from fixtures.cast import Actors, Server
from fixtures.policy import ALL_HTTP, Policy, tcp, udp
from smi_conformance.plugin import requirement


@requirement("TA-012")
def test_datagrams_need_a_grant(server: Server, policy: Policy, clients: Actors) -> None:
    """UDP datagrams reach a workload only from listed sources on ports of a UDPRoute that is granted for it."""
    granted, other = server.at.udp(9000), server.at.udp(9001)
    clients.a.cannot(granted)
    policy.allow(clients.a, server, udp(9000))

    admitted = clients.a.can(granted)
    clients.z.cannot(granted, beside=admitted)
    clients.a.cannot(other, beside=admitted)


@requirement("TA-104")
def test_tcp_and_udp_ports_are_apart(server: Server, policy: Policy, clients: Actors) -> None:
    """TCPRoute and UDPRoute grants are separate per protocol, also where the numbers of ports are the same."""
    policy.allow(clients.a, server, tcp(7000, 7001, 7002), udp(7001, 7002))
    over_tcp, over_udp = ([at(port) for port in (7000, 7001, 7002, 7003)] for at in (server.at.tcp, server.at.udp))

    by_tcp, by_udp = clients.a.can(*over_tcp[:3]), clients.a.can(*over_udp[1:3])
    clients.a.cannot(over_tcp[3], beside=by_tcp)
    clients.a.cannot(over_udp[0], beside=by_udp)
    clients.z.cannot(*over_tcp, beside=by_tcp)
    clients.z.cannot(*over_udp[:3], beside=by_udp)


@requirement("TA-109")
def test_http_routes_admit_no_udp(server: Server, policy: Policy, clients: Actors) -> None:
    """A TrafficTarget whose rules are HTTP routes only does not admit UDP traffic to the destination."""
    policy.allow(clients.a, server, ALL_HTTP)
    admitted = clients.a.can(server.at.get("/"))
    clients.a.cannot(*(server.at.udp(port) for port in (9000, 9001)), beside=admitted)

    policy.allow(clients.a, server, udp(9000))
    clients.a.can(server.at.udp(9000))


@requirement("TA-114")
def test_udp_route_opens_no_tcp_port(server: Server, policy: Policy, clients: Actors) -> None:
    """A UDPRoute grant opens no TCP port."""
    policy.allow(clients.a, server, tcp(7001), udp(7002))

    admitted = clients.a.can(server.at.tcp(7001))
    clients.a.cannot(server.at.tcp(7002), beside=admitted)
