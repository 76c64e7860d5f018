"""TCPRoute: ports."""

from __future__ import annotations

import pytest

from fixtures.cast import TCP, Actors, Server
from fixtures.policy import Policy, tcp
from smi_conformance.plugin import requirement


@requirement("TS-070")
@pytest.mark.parametrize("routes", [[(7000, 7001)], [(7000,), (7002,)], [(7000, 7001, 7003)]], ids=str)
def test_tcp_route_stands_for_its_ports(
    server: Server, policy: Policy, clients: Actors, routes: list[tuple[int, ...]]
) -> None:
    """A TCPRoute with ports stands for TCP traffic to exactly those ports; several routes add up."""
    policy.allow(clients.a, server, *(tcp(*ports) for ports in routes))
    named = {port for ports in routes for port in ports}

    admitted = clients.a.can(*(server.at.tcp(port) for port in sorted(named)))
    clients.a.cannot(*(server.at.tcp(port) for port in TCP if port not in named), beside=admitted)
