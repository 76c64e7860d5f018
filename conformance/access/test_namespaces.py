"""Access control: names of one namespace are not those of another."""

from __future__ import annotations

from fixtures.cast import Actors, Lease, Server
from fixtures.policy import ALL_HTTP, Policy, http, match, nowhere, tcp
from fixtures.readings import Readings
from fixtures.traffic import Client
from smi_conformance.plugin import requirement

Twins = tuple[Server, Server]


@requirement("TA-032")
def test_namespace_is_part_of_an_identity(lease: Lease, policy: Policy, clients: Actors, namesake: Client) -> None:
    """A source in another namespace is admitted when listed with it; an account of that name elsewhere is not."""
    one, other = lease.servers(2)
    policy.target([clients.x, namesake], one, policy.group(one, ALL_HTTP))
    policy.target([clients.b, clients.a], other, policy.group(other, ALL_HTTP))

    listed = namesake.can(one.at.get("/"))
    clients.a.cannot(one.at.get("/"), beside=listed)
    mirrored = clients.a.can(other.at.get("/"))
    namesake.cannot(other.at.get("/"), beside=mirrored)


@requirement("TA-055")
def test_same_names_in_two_namespaces(twins: Twins, policy: Policy, clients: Actors) -> None:
    """TrafficTargets with the same name in different namespaces are independent of each other."""
    here, elsewhere = twins
    name = policy.scene.fresh("tt")
    policy.target(clients.a, here, policy.group(here, ALL_HTTP), name=name)
    other = policy.target(clients.b, elsewhere, policy.group(elsewhere, ALL_HTTP), name=name)
    admitted = clients.a.can(here.at.get("/"))
    clients.b.can(elsewhere.at.get("/"))
    clients.b.cannot(here.at.get("/"), beside=admitted)

    other.withdraw()
    clients.b.cannot(elsewhere.at.get("/"))
    clients.a.can(here.at.get("/"))


@requirement("TA-062")
def test_source_without_namespace_is_no_wildcard(
    server: Server, policy: Policy, clients: Actors, namesake: Client
) -> None:
    """A source without a namespace is never read as the account of that name in every namespace."""
    group = policy.group(server, ALL_HTTP)
    policy.offered(policy.draft(nowhere(clients.a), server, group), server.account[1])
    namesake.cannot(server.at.get("/"))

    policy.target(clients.a, server, group)
    admitted = clients.a.can(server.at.get("/"))
    namesake.cannot(server.at.get("/"), beside=admitted)


@requirement("TA-065")
def test_source_without_namespace(server: Server, policy: Policy, clients: Actors, readings: Readings) -> None:
    """A source without a namespace may be refused, match nobody, or mean the account in its own namespace."""
    group = policy.group(server, ALL_HTTP)
    target = policy.offered(policy.draft(nowhere(clients.a), server, group), server.account[1])
    policy.allow(clients.b, server, http("/marker", "GET"))
    clients.b.can(server.at.get("/marker"))

    named = {(True, "denied"): "matches-nobody", (True, "admitted"): "own-namespace", (False, "denied"): "refused"}
    readings.of((target.stands, clients.a.meets(server.at.get("/"))), named)


@requirement("TA-070")
def test_target_in_another_namespace(lease: Lease, policy: Policy, clients: Actors, readings: Readings) -> None:
    """A TrafficTarget that stands in another namespace than its destination may be refused, ignored or honoured."""
    first, second = lease.servers(2)
    policy.allow(clients.b, first, ALL_HTTP)
    group, route = policy.group(clients.x, ALL_HTTP), policy.route(clients.x, tcp())
    drafts = [policy.draft(clients.x, server, group) for server in (first, second)]
    drafts += [policy.draft(clients.x, server, route) for server in (first, second)]
    stands = {policy.offered(draft, clients.x.account[1]).stands for draft in drafts}
    policy.allow(clients.b, second, ALL_HTTP)
    clients.b.can(first.at.get("/"), second.at.get("/"))

    met = clients.x.meets(*(call for server in (first, second) for call in (server.at.get("/"), server.at.tcp(7000))))
    named = {("denied", True): "ignored", ("admitted", True): "honoured", ("denied", False): "refused"}
    readings.of((met, stands == {True}), named | {("varies", True): "varies", ("varies", False): "varies"})


@requirement("TA-071")
def test_destination_without_namespace_is_the_own_one(twins: Twins, policy: Policy, clients: Actors) -> None:
    """A destination without a namespace means the account in the namespace of the TrafficTarget."""
    here, _ = twins
    group = policy.group(here, http("/one", "GET"))
    policy.offered(policy.draft(clients.a, nowhere(here), group), here.account[1])
    admitted = clients.a.can(here.at.get("/one"))
    clients.z.cannot(here.at.get("/one"), beside=admitted)

    policy.allow(clients.a, here, http("/two", "GET"))
    admitted = clients.a.can(here.at.get("/two"))
    clients.z.cannot(here.at.get("/two"), beside=admitted)


@requirement("TA-072")
def test_destination_without_namespace_opens_no_other(twins: Twins, policy: Policy, clients: Actors) -> None:
    """A destination without a namespace never opens the account of that name in another namespace."""
    here, elsewhere = twins
    policy.offered(policy.draft(clients.a, nowhere(here), policy.group(here, ALL_HTTP)), here.account[1])
    clients.a.cannot(elsewhere.at.get("/"))

    policy.allow(clients.b, elsewhere, ALL_HTTP)
    admitted = clients.b.can(elsewhere.at.get("/"))
    clients.a.cannot(elsewhere.at.get("/"), beside=admitted)
    policy.allow(clients.a, elsewhere, ALL_HTTP)
    clients.a.can(elsewhere.at.get("/"))


@requirement("TA-094")
def test_routes_are_those_of_the_targets_namespace(twins: Twins, policy: Policy, clients: Actors) -> None:
    """Rules refer to route objects in the namespace of the TrafficTarget."""
    here, elsewhere = twins
    name = policy.scene.fresh("rt")
    policy.group(elsewhere, match("all", ".*", "*"), name=name)
    own = policy.group(here, match("one", "/one", "GET"), name=name)
    policy.target(clients.a, here, own)
    policy.allow(clients.b, here, http("/marker", "GET"))
    witness = clients.b.can(here.at.get("/marker"))
    clients.a.can(here.at.get("/one"))
    clients.a.cannot(here.at.get("/two"), beside=witness)

    own.withdraw()
    clients.a.cannot(here.at.get("/one"), here.at.get("/two"), beside=witness)
