"""TCPRoute: ports."""

from __future__ import annotations

import pytest

from fixtures.api import Api
from fixtures.cast import TCP, Actors, Server
from fixtures.policy import Policy, tcp
from fixtures.readings import Readings
from smi_conformance.model.objects import TcpRoute
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


@requirement("TS-071")
def test_empty_list_stands_for_every_port(server: Server, policy: Policy, clients: Actors) -> None:
    """A TCPRoute whose ports list is empty stands for every port of the destination's Service."""
    policy.allow(clients.a, server, tcp())

    calls = [server.at.tcp(port) for port in TCP]
    admitted = clients.a.can(*calls)
    clients.z.cannot(*calls, beside=admitted)


@requirement("TS-073")
@pytest.mark.parametrize("missing", ["matches.ports", "matches"])
def test_missing_list_stands_for_every_port(
    server: Server, policy: Policy, clients: Actors, api: Api, missing: str
) -> None:
    """A TCPRoute that leaves ports or matches out stands for every port of the destination's Service."""
    route = api.draft(TcpRoute()).without(missing).is_taken()
    policy.target(clients.a, server, route.rule())

    calls = [server.at.tcp(port) for port in TCP]
    admitted = clients.a.can(*calls)
    clients.z.cannot(*calls, beside=admitted)


@requirement("TS-075")
def test_whether_all_ports_are_more_than_those_of_services(
    server: Server, policy: Policy, clients: Actors, readings: Readings
) -> None:
    """A TCPRoute for all ports may or may not cover ports that a pod listens on and no Service exposes."""
    policy.allow(clients.a, server, tcp())

    pod = server.at.at(server.at.pods[0])
    clients.a.can(server.at.tcp(7000))
    readings.of(clients.a.meets(pod.tcp(7009)), {"denied": "service-ports-only", "admitted": "every-port"})
