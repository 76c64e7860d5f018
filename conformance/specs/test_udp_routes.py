"""UDPRoute: ports."""

from __future__ import annotations

from fixtures.cast import Actors, Server
from fixtures.policy import Policy, udp
from smi_conformance.plugin import requirement


@requirement("TS-072")
def test_udp_route_stands_for_its_ports(server: Server, policy: Policy, clients: Actors) -> None:
    """A UDPRoute with ports stands for UDP traffic to exactly those ports."""
    policy.allow(clients.a, server, udp(9000))
    policy.allow(clients.b, server, udp(9000, 9002))

    admitted = clients.a.can(server.at.udp(9000))
    clients.b.can(server.at.udp(9000), server.at.udp(9002))
    clients.a.cannot(server.at.udp(9001), server.at.udp(9002), beside=admitted)
    clients.z.cannot(server.at.udp(9000), server.at.udp(9001), beside=admitted)


@requirement("TS-074")
def test_empty_list_stands_for_every_udp_port(server: Server, policy: Policy, clients: Actors) -> None:
    """A UDPRoute whose ports list is empty stands for every UDP port of the destination's Service."""
    policy.allow(clients.a, server, udp())

    calls = [server.at.udp(port) for port in (7000, 9000, 9001)]
    admitted = clients.a.can(*calls)
    clients.z.cannot(*calls, beside=admitted)
    clients.a.cannot(server.at.tcp(7000), server.at.tcp(7001), beside=admitted)
