"""What counts as certain: no reading of the specification may ever contradict it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.cases import Case, PolicySet, Probe
from fuzz.drawing import Menu, cases
from fuzz.expectation import MISS, expect, needed
from fuzz.latitude import admission, routings
from fuzz.scenery import Scenery
from smi_conformance.model.objects import (
    Backend,
    HttpMatch,
    RouteGroup,
    Rule,
    ServiceAccountRef,
    Split,
    TcpRoute,
    TrafficTarget,
)
from smi_conformance.model.oracle import Oracle, Request
from smi_conformance.model.readings import Readings
from smi_conformance.model.world import Pod, World

KINDS = get_type_hints(Readings)
readings = st.builds(
    Readings,
    **{
        one.name: st.sampled_from(get_args(KINDS[one.name]) or (False, True))
        for one in fields(Readings)
        if one.name not in ("policy_port", "cluster_ip")  # ports are equal here, and nobody calls an address
    },
)
quiet = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
ANY = HttpMatch("m1", path_regex=".*", methods=("*",))


def target(*rules: Rule) -> TrafficTarget:
    return TrafficTarget(ServiceAccountRef("sa-s2", "a"), (ServiceAccountRef("sa-a", "a"),), rules)


def under(scenery: Scenery, policies: PolicySet, probe: Probe) -> tuple[World, Request]:
    """The world of a policy set, and a request in it."""
    world = scenery.world(policies.objects())
    return world, scenery.request(world, probe)


def ends(world: World, request: Request) -> Iterator[tuple[Pod, int]]:
    """Every server pod, with the port that is called."""
    for pod in world.pods:
        if pod.labels.get("family") == "pool":
            yield pod, request.port


@quiet
@given(case=cases(Menu()), chosen=readings)
def test_no_reading_contradicts_what_is_certain(scenery: Scenery, case: Case, chosen: Readings) -> None:
    """Neither of admission nor of routing, and all drawn requests can be judged."""
    world, oracle = scenery.world(case.policies.objects()), Oracle(chosen)
    for probe in case.probes:
        request = scenery.request(world, probe)
        assert expect(world, request).count <= 60
        for pod, port in ends(world, request):
            told = admission(world, request, pod, port)
            assert told in ("open", "grants" if oracle.admits(world, request, pod, port) else "denies"), probe
        if request.client.meshed:
            assert oracle.choices(world, request) in routings(world, request)


@pytest.mark.parametrize(
    ("rules", "groups", "routes", "probe", "told"),
    [
        ([Rule("HTTPRouteGroup", "g1")], [ANY], [], Probe("c-a", "s2", 8080), "grants"),
        ([Rule("HTTPRouteGroup", "g1")], [ANY], [], Probe("c-b", "s2", 8080), "denies"),
        ([Rule("HTTPRouteGroup", "g1")], [ANY], [], Probe("c-ax", "s2", 8080), "denies"),
        ([Rule("HTTPRouteGroup", "g1")], [ANY], [], Probe("outsider", "s2", 8080), "denies"),
        ([Rule("HTTPRouteGroup", "g1")], [ANY], [], Probe("c-a", "s2", 8081), "open"),
        ([Rule("HTTPRouteGroup", "g1")], [ANY], [], Probe("c-a", "s2", 7000, protocol="tcp"), "denies"),
        ([Rule("TCPRoute", "p1")], [], [7000], Probe("c-a", "s2", 7000, protocol="tcp"), "grants"),
        ([Rule("TCPRoute", "p1")], [], [7000], Probe("c-a", "s2", 7001, protocol="tcp"), "denies"),
        ([Rule("TCPRoute", "p1")], [], [8080], Probe("c-a", "s2", 8080), "open"),
        ([Rule("TCPRoute", "p1")], [], [7000], Probe("c-a", "s2", 8080), "denies"),
        ([Rule("TCPRoute", "p1"), Rule("HTTPRouteGroup", "g1")], [ANY], [8080], Probe("c-a", "s2", 8080), "grants"),
        ([Rule("TCPRoute", "p1"), Rule("HTTPRouteGroup", "g1")], [ANY], [7000], Probe("c-a", "s2", 8080), "open"),
        (
            [Rule("TCPRoute", "p1"), Rule("HTTPRouteGroup", "g1")],
            [ANY],
            [7000],
            Probe("c-a", "s2", 7000, protocol="tcp"),
            "open",
        ),
        (
            [Rule("HTTPRouteGroup", "g1")],
            [replace(ANY, path_regex="/a")],
            [],
            Probe("c-a", "s2", 8080, path="/a/x"),
            "open",
        ),
        (
            [Rule("HTTPRouteGroup", "g1")],
            [replace(ANY, headers=(("x-a", "1"),))],
            [],
            Probe("c-a", "s2", 8080, headers=(("x-a", "21"),)),
            "open",
        ),
    ],
)
def test_rulings(
    scenery: Scenery, rules: list[Rule], groups: list[HttpMatch], routes: list[int], probe: Probe, told: str
) -> None:
    """What is settled is certain, and what the register calls tentative is open."""
    group = (RouteGroup(tuple(groups)),) if groups else ()
    policies = PolicySet(group, tuple(TcpRoute((port,)) for port in routes), (target(*rules),))
    world, request = under(scenery, policies, probe)
    pod = next(pod for pod in world.pods if pod.account.name == "sa-s2")

    assert admission(world, request, pod, probe.port) == told


def test_path_and_method_of_a_split_are_open(scenery: Scenery) -> None:
    """A mesh may go by the headers alone (SP-075); by them it has to go."""
    match = HttpMatch("m1", path_regex="/a$", methods=("GET",), headers=(("x-a", "1"),))
    policies = PolicySet((RouteGroup((match,)),), split=Split("shop", (Backend("s2", 1),), ("g1",)))

    def ways(path: str, value: str) -> set[str]:
        probe = Probe("c-a", "shop", 8080, path=path, headers=(("x-a", value),))
        found = routings(*under(scenery, policies, probe))
        return {choice.service.name for route in found for choice in route}

    assert ways("/a", "1") == {"s2"}
    assert ways("/b", "1") == {"s2", "shop"}
    assert ways("/a", "2") == {"shop"}


@pytest.mark.parametrize(("weights", "due", "count"), [((1, 1), 2, 30), ((1, 50), 1, 8), ((1, 0), 1, 8), ((1,), 1, 8)])
def test_reach_is_judged_where_a_miss_is_improbable(
    scenery: Scenery, weights: tuple[int, ...], due: int, count: int
) -> None:
    """A backend of two equal ones is found by 30 requests, one of 51 parts by too many; one without weight never."""
    servers = ("s2", "s3")[: len(weights)]
    backends = tuple(Backend(server, weight) for server, weight in zip(servers, weights, strict=True))
    open_targets = tuple(
        replace(target(Rule("HTTPRouteGroup", "g1")), destination=ServiceAccountRef(f"sa-{server}", "a"))
        for server in servers
    )
    policies = PolicySet((RouteGroup((ANY,)),), (), open_targets, Split("shop", backends))

    found = expect(*under(scenery, policies, Probe("c-a", "shop", 8080)))

    assert (len(found.due), found.count) == (due, count)
    assert not found.may_vanish
    assert len(found.places) == sum(weight > 0 for weight in weights)


def test_number_of_requests_bounds_a_miss() -> None:
    """As few as suffice, and no fewer."""
    for share in (0.5, 0.25, 0.1):
        assert (1 - share) ** needed(share) < MISS <= (1 - share) ** (needed(share) - 1)
