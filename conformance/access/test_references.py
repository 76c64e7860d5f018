"""Access control: rules refer to route objects, which come, change and go."""

from __future__ import annotations

from fixtures.cast import Actors, Lease, Server
from fixtures.policy import ALL_HTTP, NO_GROUP, NO_TCP_ROUTE, Policy, http, match, tcp
from fixtures.readings import Readings
from smi_conformance.plugin import requirement

ONE, TWO = match("one", "/one", "GET"), match("two", "/two", "GET")


@requirement("TA-093")
def test_dangling_rules_grant_nothing(server: Server, policy: Policy, clients: Actors) -> None:
    """A rule whose route group, L4 route or match name does not exist grants nothing."""
    one, raw = server.at.get("/one"), server.at.tcp(7000)
    policy.target(clients.a, server, NO_GROUP)
    policy.target(clients.a, server, policy.group(server, ONE).rule("absent"))
    policy.target(clients.a, server, NO_TCP_ROUTE)
    policy.allow(clients.b, server, http("/intact", "GET"))

    admitted = clients.b.can(server.at.get("/intact"))
    clients.a.cannot(one, server.at.get("/intact"), beside=admitted)
    clients.a.cannot(raw)


@requirement("TA-097")
def test_edited_group_changes_the_grant(lease: Lease, policy: Policy, clients: Actors) -> None:
    """Editing or deleting a route group that TrafficTargets refer to changes the grants without a change to them."""
    server, other = lease.servers(2)
    group = policy.group(server, match("m", "/one", "GET"))
    policy.target(clients.a, server, group)
    policy.target(clients.b, other, group)
    a, b = ([place.at.get(path) for path in ("/one", "/two")] for place in (server, other))
    clients.a.can(a[0])
    clients.b.can(b[0])

    group.with_matches(match("m", "/two", "GET"))
    clients.a.cannot(a[0], beside=clients.a.can(a[1]), at_once=True)
    clients.b.cannot(b[0], beside=clients.b.can(b[1]), at_once=True)
    group.withdraw()
    clients.a.cannot(*a)
    clients.b.cannot(*b)
    group.returns()
    clients.a.can(a[1])
    clients.b.can(b[1])


@requirement("TA-099")
def test_late_routes_are_picked_up(lease: Lease, policy: Policy, clients: Actors) -> None:
    """A rule starts to grant once its missing route object or match appears."""
    server, other = lease.servers(2)
    late, group = policy.absent_group(server.account[1], ONE), policy.group(other, ONE)
    policy.target(clients.a, server, late)
    policy.target(clients.a, other, group.rule("two"))
    clients.a.cannot(server.at.get("/one"))
    clients.a.cannot(other.at.get("/two"))

    late.returns()
    group.with_matches(ONE, TWO)
    clients.a.cannot(server.at.get("/two"), beside=clients.a.can(server.at.get("/one")))
    clients.a.cannot(other.at.get("/one"), beside=clients.a.can(other.at.get("/two")))


@requirement("TA-099")
def test_recreated_group_is_picked_up(server: Server, policy: Policy, clients: Actors) -> None:
    """A rule grants again once its route group has been deleted and created anew."""
    one, group = server.at.get("/one"), policy.group(server, ONE)
    policy.target(clients.a, server, group)
    clients.a.can(one)
    group.withdraw()
    clients.a.cannot(one)

    group.returns()
    clients.a.can(one)


@requirement("TA-105")
def test_intact_rules_beside_dangling_ones(lease: Lease, policy: Policy, clients: Actors, readings: Readings) -> None:
    """The intact rules of a TrafficTarget that also refers to something missing may hold or not."""
    servers = lease.servers(3)
    groups = [policy.group(server, ALL_HTTP) for server in servers]
    missing = [NO_GROUP, policy.group(servers[1], TWO).rule("absent"), NO_TCP_ROUTE]
    for server, group, rule in zip(servers, groups, missing, strict=True):
        policy.target(clients.a, server, group, rule)
        policy.allow(clients.b, server, http("/marker", "GET"))
        clients.b.can(server.at.get("/marker"))

    met = {rule.kind + "".join(rule.matches): clients.a.meets(server.at.get("/"))
           for server, rule in zip(servers, missing, strict=True)}  # fmt: skip
    named = {("admitted",): "intact-rules-hold", ("denied",): "whole-object-void"}
    told = ", ".join(f"{what}: {outcome}" for what, outcome in met.items())
    readings.of(tuple(sorted(set(met.values()))), named | {("admitted", "denied"): "depends-on-kind"}, told)


@requirement("TA-113")
def test_edited_tcp_route_changes_the_grant(server: Server, policy: Policy, clients: Actors) -> None:
    """Editing or deleting a TCPRoute that a TrafficTarget refers to changes the grant without a change to that."""
    first, second, third = (server.at.tcp(port) for port in (7000, 7001, 7002))
    route = policy.route(server, tcp(7000))
    policy.target(clients.a, server, route)
    admitted = clients.a.can(first)
    clients.z.cannot(first, second, beside=admitted)

    route.with_ports(7001)
    clients.a.cannot(first, beside=clients.a.can(second))
    clients.z.cannot(first, second)
    route.withdraw()
    clients.a.cannot(first, second, third)
    route.returns()
    admitted = clients.a.can(second)
    clients.a.cannot(first, beside=admitted)
    clients.z.cannot(first, second, beside=admitted)
