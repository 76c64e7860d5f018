"""Access control: kinds that a version does not define."""

from __future__ import annotations

from dataclasses import replace

from fixtures.cast import Actors, Lease, Server
from fixtures.policy import Policy, Routes, http, match
from fixtures.traffic import Client
from smi_conformance.model.objects import Rule, TrafficTarget
from smi_conformance.plugin import requirement

UNDEFINED = {"source": "Group", "destination": "Service", "rule": "SCTPRoute"}
OLD = ("v1alpha1", "v1alpha2")


def strangers(policy: Policy, client: Client, server: Server, group: Routes) -> list[TrafficTarget]:
    """TrafficTargets that would grant the group if it were not for one kind: of source, destination, rule."""
    good = policy.draft(client, server, group)
    source = replace(good.sources[0], kind=UNDEFINED["source"])
    destination = replace(good.destination, kind=UNDEFINED["destination"])
    rule = Rule(UNDEFINED["rule"], group.ref.name)
    return [replace(good, sources=(source,)), replace(good, destination=destination), replace(good, rules=(rule,))]


@requirement("TA-066")
def test_undefined_kinds_grant_nothing(lease: Lease, policy: Policy, clients: Actors) -> None:
    """A destination, source or rule of a kind the version does not define grants nothing."""
    server, other = lease.servers(2)
    group, second = (policy.group(place, match("one", "/one", "GET")) for place in (server, other))
    for draft in strangers(policy, clients.a, server, group):
        policy.offered(draft, server.account[1])
    unknown = Rule(UNDEFINED["rule"], "absent")
    policy.offered(policy.draft(clients.a, other, unknown, second), other.account[1])
    clients.a.cannot(server.at.get("/one"), server.at.get("/two"))
    clients.a.cannot(other.at.get("/two"))

    policy.target(clients.a, server, group)
    admitted = clients.a.can(server.at.get("/one"))
    clients.a.cannot(server.at.get("/two"), beside=admitted)


@requirement("TA-066", versions=OLD)
def test_udp_routes_are_undefined_at_first(lease: Lease, policy: Policy, clients: Actors) -> None:
    """Before v1alpha3 a rule of kind UDPRoute grants nothing, and widens no other rule."""
    server, other = lease.servers(2)
    second = policy.group(other, match("one", "/one", "GET"))
    alone = {"kind": "UDPRoute", "name": "absent"}
    beside = {"kind": "HTTPRouteGroup", "name": second.ref.name}
    policy.offered(policy.draft(clients.a, server), server.account[1], rules=[alone])
    policy.offered(policy.draft(clients.a, other), other.account[1], rules=[alone, beside])
    clients.a.cannot(server.at.get("/one"), server.at.tcp(7000))
    clients.a.cannot(other.at.get("/two"))

    policy.target(clients.a, server, policy.group(server, match("one", "/one", "GET")))
    clients.a.can(server.at.get("/one"))


@requirement("TA-067")
def test_undefined_kinds_do_not_disturb_others(server: Server, policy: Policy, clients: Actors) -> None:
    """A TrafficTarget with a kind the version does not define does not disturb others for the same destination."""
    one, two, unknown = server.at.get("/one"), server.at.get("/two"), {"kind": UNDEFINED["rule"], "name": "absent"}
    first, later = policy.group(server, http("/one", "GET")), policy.group(server, http("/two", "GET"))
    valid = policy.target(clients.b, server, first)
    admitted = clients.b.can(one)

    with clients.b.throughout(one):
        made = [policy.offered(draft, server.account[1]) for draft in strangers(policy, clients.a, server, first)]
        valid.with_rules(first, later)
        clients.b.can(one, two)
        for stranger in made:
            stranger.offers(rules=[{"kind": "HTTPRouteGroup", "name": later.ref.name}, unknown])
        clients.b.can(one, two)
        for stranger in made:
            stranger.withdraw()
        clients.b.can(one, two)
        clients.z.cannot(one, two, beside=admitted)
