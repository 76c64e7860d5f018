"""Access control of raw TCP."""

from __future__ import annotations

from fixtures.cast import Actors, Server
from fixtures.policy import ALL_HTTP, Policy, http, tcp
from fixtures.readings import Readings
from smi_conformance.plugin import requirement


@requirement("TA-103")
def test_http_routes_admit_no_raw_tcp(server: Server, policy: Policy, clients: Actors) -> None:
    """A TrafficTarget whose rules are HTTP routes only does not admit raw TCP traffic to the destination."""
    policy.allow(clients.a, server, ALL_HTTP)
    admitted = clients.a.can(server.at.get("/"))
    clients.a.cannot(server.at.raw(8080), beside=admitted)
    clients.a.cannot(server.at.tcp(7000), server.at.tcp(7001))

    policy.allow(clients.a, server, tcp(7000))
    admitted = clients.a.can(server.at.tcp(7000))
    clients.a.cannot(server.at.tcp(7001), beside=admitted)


@requirement("TA-106")
def test_only_listed_sources_open_connections(server: Server, policy: Policy, clients: Actors) -> None:
    """For raw TCP too, only the listed sources are admitted; a server that speaks first is not heard by others."""
    raw, banner = server.at.tcp(7000), server.at.tcp(7100).greeted()
    by_address = server.at.at(server.at.pods[0]).tcp(7000)
    policy.allow(clients.a, server, tcp(7000, 7100))

    admitted = clients.a.can(raw, banner)
    clients.z.cannot(raw, beside=admitted)
    clients.z.hears_nothing(banner, beside=admitted)
    clients.outsider.cannot(raw, by_address, beside=admitted)
    clients.outsider.hears_nothing(banner, beside=admitted)


@requirement("TA-108")
def test_tcp_route_without_ports(server: Server, policy: Policy, clients: Actors) -> None:
    """Up to v1alpha2 a rule of kind TCPRoute admits raw TCP traffic to the destination within destination.port."""
    first, second = server.at.tcp(7000), server.at.tcp(7001)
    policy.target(clients.a, server, policy.route(server, tcp()), port=7000)
    admitted = clients.a.can(first)
    clients.a.cannot(second, beside=admitted)
    clients.z.cannot(first, second, beside=admitted)

    policy.target(clients.a, server, policy.route(server, tcp()))
    clients.z.cannot(first, second, beside=clients.a.can(first, second))


@requirement("TA-111")
def test_tcp_route_beside_a_group(server: Server, policy: Policy, clients: Actors, readings: Readings) -> None:
    """Up to v1alpha2 a TrafficTarget that mixes a TCPRoute and an HTTPRouteGroup may combine them in either way."""
    policy.target(clients.a, server, policy.route(server, tcp()), policy.group(server, http("/metrics", "GET")))
    policy.allow(clients.b, server, http("/marker", "GET"))
    clients.b.can(server.at.get("/marker"))

    met = tuple(clients.a.meets(call) for call in (server.at.get("/metrics"), server.at.get("/"), server.at.tcp(7000)))
    named = {
        ("admitted", "admitted", "admitted"): "alternatives",
        ("admitted", "denied", "denied"): "both-needed",
        ("admitted", "denied", "admitted"): "per-protocol",
        ("denied", "denied", "denied"): "void",
    }
    readings.of(met, named, f"route, other path, raw TCP: {', '.join(met)}")


@requirement("TA-127")
def test_open_connection_after_withdrawal(server: Server, policy: Policy, clients: Actors, readings: Readings) -> None:
    """A raw TCP connection that is open when its grant is withdrawn may live on or be closed."""
    call = server.at.tcp(7000)
    grant = policy.allow(clients.a, server, tcp(7000))
    clients.a.can(call, call.held())
    grant.withdraw()
    clients.a.cannot(call)

    connection = clients.a.send([call.held()], 1)
    readings.of(bool(connection.delivered()), {True: "lives-on", False: "closed"})
