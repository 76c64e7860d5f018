"""TrafficSplit: splits that are limited to the requests of route groups."""

from __future__ import annotations

from fixtures.calls import user_agents
from fixtures.cast import Actors
from fixtures.policy import header, http
from fixtures.split import ALL, Splitter
from smi_conformance.model.objects import HttpMatch
from smi_conformance.plugin import requirement

FIREFOX = header("user-agent", ".*Firefox.*")
CHROME = header("user-agent", ".*Chrome.*")
CANARY = header("x-canary", "on.*")
CHROME_WITH_COOKIE = HttpMatch("m", headers=(("user-agent", ".*Chrome.*"), ("cookie", ".*beta.*")))
BETA = http("/beta.*", "GET")
BETA_IN_FIREFOX = HttpMatch("m", path_regex="/beta.*", methods=("GET",), headers=FIREFOX.headers)
AS_FIREFOX, AS_CHROME = user_agents("Mozilla Firefox/1"), user_agents("Chrome/1")
AS_CANARY, COOKIE = [("x-canary", "on-1")], [("cookie", "beta=1")]


@requirement("SP-070")
def test_matched_requests_are_split(split: Splitter, clients: Actors) -> None:
    """With matches, requests that satisfy the referenced route group go to the backends by weight."""
    root = split.onto(v1=0, v2=100, matches=[split.group(FIREFOX, CANARY)])
    clients.a.follows(root.asked(headers=AS_FIREFOX))
    clients.a.follows(root.asked(headers=AS_CANARY))
    clients.a.finds(root.asked(headers=AS_CHROME), *ALL)

    root = root.reweighted((70, 30)).asked(headers=AS_FIREFOX)
    clients.a.follows(root, within=0.1)
    clients.a.follows(root.kept(), rough=True)


@requirement("SP-071")
def test_unmatched_requests_are_not_split(split: Splitter, clients: Actors) -> None:
    """With matches, requests that do not satisfy the route group are served by the root service's own selection."""
    root = split.onto(split.service("odd"), v1=0, v2=100, matches=[split.group(FIREFOX)])
    clients.a.follows(root.asked(headers=AS_FIREFOX))

    clients.a.finds(root.asked(headers=AS_CHROME), "v1", "v3")
    clients.a.finds(root, "v1", "v3")


@requirement("SP-073")
def test_route_groups_are_alternatives(split: Splitter, clients: Actors) -> None:
    """Several route groups in matches act as one group of alternatives."""
    groups = [split.group(FIREFOX, CHROME_WITH_COOKIE), split.group(CANARY)]
    root = split.onto(v1=30, v2=70, matches=groups)
    matched = [AS_FIREFOX, AS_CANARY, AS_FIREFOX + AS_CANARY, AS_CHROME + COOKIE]
    others = [AS_CHROME, COOKIE, []]

    for headers in matched:
        clients.a.finds(root.asked(headers=headers), "v1", "v2")
    for headers in others:
        clients.a.finds(root.asked(headers=headers), *ALL)


@requirement("SP-075")
def test_paths_and_methods_count(split: Splitter, clients: Actors) -> None:
    """Path and method conditions of a route group count in a split as well as its header filters."""
    root = split.onto(v1=30, v2=70, matches=[split.group(BETA)])
    clients.a.finds(root.asked(path="/beta"), "v1", "v2")
    clients.a.finds(root.asked(path="/beta", method="POST"), *ALL)
    clients.a.finds(root.asked(path="/x"), *ALL)

    root = split.onto(v1=30, v2=70, matches=[split.group(BETA_IN_FIREFOX)])
    clients.a.finds(root.asked(path="/beta", headers=AS_FIREFOX), "v1", "v2")
    clients.a.finds(root.asked(path="/beta", headers=AS_CHROME), *ALL)
    clients.a.finds(root.asked(path="/x", headers=AS_FIREFOX), *ALL)


@requirement("SP-076")
def test_missing_route_group_steers_nothing(split: Splitter, clients: Actors) -> None:
    """A split whose route group does not exist steers nothing."""
    missing = split.absent_group(FIREFOX)
    alone = split.onto(split.service("odd"), v2=100, matches=[missing])
    clients.a.finds(alone.asked(headers=AS_FIREFOX), "v1", "v3")
    clients.a.finds(alone, "v1", "v3")

    beside = split.onto(split.service("odd"), v2=100, matches=[split.group(CANARY), missing])
    clients.a.finds(beside.asked(headers=AS_CHROME), "v1", "v3")
    missing.returns()
    clients.a.finds(alone.asked(headers=AS_FIREFOX), "v2")


@requirement("SP-077")
def test_split_follows_its_route_group(split: Splitter, clients: Actors) -> None:
    """A split follows the creation, edits and deletion of its route group."""
    group = split.absent_group(FIREFOX)
    root = split.onto(split.service("odd"), v2=100, matches=[group])
    firefox, chrome = root.asked(headers=AS_FIREFOX), root.asked(headers=AS_CHROME)
    clients.a.finds(firefox, "v1", "v3")

    group.returns()
    clients.a.finds(firefox, "v2")
    clients.a.finds(root, "v1", "v3")
    group.with_matches(CHROME)
    clients.a.finds(chrome, "v2")
    clients.a.finds(firefox, "v1", "v3")
    group.withdraw()
    clients.a.finds(chrome, "v1", "v3")
    clients.a.finds(root, "v1", "v3")


@requirement("SP-078")
def test_without_matches_everything_is_split(split: Splitter, clients: Actors) -> None:
    """Without matches all requests to the root are split."""
    split.onto(v3=100, matches=[split.group(FIREFOX)])
    root = split.across((80, 20))

    clients.a.follows(root.asked(headers=AS_CHROME))
    clients.a.follows(root.asked(headers=AS_FIREFOX))


@requirement("SP-079")
def test_route_groups_are_of_the_own_namespace(split: Splitter, clients: Actors) -> None:
    """A split uses route groups of its own namespace only."""
    missing = split.absent_group(CHROME)
    split.group(FIREFOX, name=missing.ref.name, place="b")
    root = split.onto(split.service("odd"), v2=100, matches=[missing])
    firefox, chrome = root.asked(headers=AS_FIREFOX), root.asked(headers=AS_CHROME)
    clients.a.finds(firefox, "v1", "v3")

    missing.returns()
    clients.a.finds(chrome, "v2")
    clients.a.finds(firefox, "v1", "v3")


@requirement("SP-080")
def test_matches_may_come_and_go(split: Splitter, clients: Actors) -> None:
    """Adding matches to a split or removing them switches between splitting a segment and splitting all requests."""
    root = split.onto(v1=80, v2=20)
    clients.a.follows(root.asked(headers=AS_CHROME), rough=True)
    clients.a.follows(root.asked(headers=AS_FIREFOX), rough=True)

    root = root.matching(split.group(FIREFOX))
    clients.a.finds(root.asked(headers=AS_CHROME), *ALL)
    clients.a.follows(root.asked(headers=AS_FIREFOX), rough=True)

    root = root.unmatched()
    clients.a.follows(root.asked(headers=AS_CHROME), rough=True)
    clients.a.follows(root.asked(headers=AS_FIREFOX), rough=True)


@requirement("SP-081")
def test_empty_matches_split_everything(split: Splitter, clients: Actors) -> None:
    """A split with an empty matches list acts as one without the field."""
    root = split.onto(v1=80, v2=20, matches=[])

    clients.a.follows(root.asked(headers=AS_CHROME), within=0.1)
    clients.a.follows(root.asked(headers=AS_FIREFOX), within=0.1)
