"""Access control: several TrafficTargets for one destination."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors, Server
from fixtures.policy import ALL_HTTP, Policy, http
from smi_conformance.plugin import requirement


@requirement("TA-050")
def test_targets_add_up(server: Server, policy: Policy, clients: Actors) -> None:
    """Several TrafficTargets for one destination add up: what any one of them grants is granted."""
    policy.allow(clients.a, server, http("/one", "GET"))
    policy.allow(clients.b, server, http("/two", "GET"))
    policy.allow(clients.a, server, http("/three", "GET"))

    a = clients.a.can(server.at.get("/one"), server.at.get("/three"))
    b = clients.b.can(server.at.get("/two"))
    clients.a.cannot(server.at.get("/two"), beside=a)
    clients.b.cannot(server.at.get("/one"), server.at.get("/three"), beside=b)


@requirement("TA-051")
@pytest.mark.parametrize("wide_first", [True, False], ids=["wide first", "narrow first"])
@pytest.mark.parametrize("letters", ["az", "za"], ids=["wide sorts first", "narrow sorts first"])
def test_overlapping_routes_do_not_shadow(
    server: Server, policy: Policy, clients: Actors, wide_first: bool, letters: str
) -> None:
    """Overlapping routes of different TrafficTargets do not shadow each other: each source keeps its grant."""
    wide, narrow = (policy.scene.fresh(letter) for letter in letters)
    granted = [(clients.a, ALL_HTTP, wide), (clients.b, http(".*", "GET"), narrow)]
    for client, match, name in granted if wide_first else reversed(granted):
        policy.target(client, server, policy.group(server, match), name=name)
    policy.allow(clients.x, server, http("/one", "GET"))

    clients.x.can(server.at.get("/one"))
    clients.a.can(server.at.get("/one"), server.at.get("/two"), server.at.call("DELETE", "/one"))
    b = clients.b.can(server.at.get("/one"), server.at.get("/two"))
    clients.b.cannot(server.at.call("DELETE", "/one"), beside=b)


@requirement("TA-052")
@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")], ids=["a first", "b first"])
def test_sources_and_routes_stay_together(
    server: Server, policy: Policy, clients: Actors, order: tuple[str, str]
) -> None:
    """Sources and routes are combined only inside one TrafficTarget, never across two."""
    one, two = server.at.get("/one"), server.at.get("/two")
    paths = {"a": "/one", "b": "/two"}
    groups = {letter: policy.group(server, http(paths[letter], "GET")) for letter in order}
    targets = {letter: policy.target(getattr(clients, letter), server, groups[letter]) for letter in order}
    clients.a.cannot(two, beside=clients.a.can(one))
    clients.b.cannot(one, beside=clients.b.can(two))

    more = policy.group(server, http("/more", "GET"))
    targets["a"].with_rules(groups["a"], more)
    clients.b.cannot(one, server.at.get("/more"), beside=clients.b.can(two))
    clients.a.cannot(two, beside=clients.a.can(one, server.at.get("/more")))


@requirement("TA-054")
def test_narrow_target_takes_nothing_away(server: Server, policy: Policy, clients: Actors) -> None:
    """A TrafficTarget can only add access, so creating a narrow one removes nothing."""
    wide = policy.allow(clients.a, server, ALL_HTTP)
    elsewhere, same = server.at.call("DELETE", "/x"), server.at.call("DELETE", "/one")
    clients.a.can(elsewhere, same)

    with clients.a.throughout(elsewhere, same):
        policy.open([server.account], [clients.a.account, clients.b.account], http("/one", "GET"))
        clients.b.can(server.at.get("/one"))
        clients.a.can(elsewhere, same, server.at.get("/one"))
    wide.withdraw()
    clients.a.cannot(elsewhere, same, beside=clients.b.can(server.at.get("/one")))
    clients.a.can(server.at.get("/one"))


@requirement("TA-056")
def test_deletion_leaves_other_grants(server: Server, policy: Policy, clients: Actors) -> None:
    """Deleting one TrafficTarget leaves what another still grants."""
    one, other = server.at.get("/one"), server.at.call("DELETE", "/x")
    narrow = policy.group(server, http("/one", "GET"))
    policy.target(clients.a, server, policy.group(server, ALL_HTTP), narrow)
    second = policy.target([clients.a, clients.b], server, narrow)
    clients.a.can(one, other)
    clients.b.can(one)

    with clients.a.throughout(one, other):
        second.withdraw()
        clients.b.cannot(one)  # the other grant is what is judged here, and so no witness
        clients.a.can(one, other)
