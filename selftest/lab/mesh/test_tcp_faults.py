"""The switches for raw TCP, for the ports that TCPRoutes name, and for TCP splits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from selftest.lab.mesh.objects_for_tests import (
    account,
    http_rule,
    representative,
    split,
    state,
    target,
    tcp_route,
    tcp_rule,
)
from selftest.lab.mesh.objects_for_tests import named as name_of
from smi_conformance.lab.mesh import policy, splits
from smi_conformance.lab.mesh.faults import Switches
from smi_conformance.lab.mesh.generator import of_one
from smi_conformance.lab.mesh.model import ANYONE, Json, State
from smi_conformance.lab.mesh.policy import Inbound

A, Z = account("a").spiffe, account("z").spiffe
EVERY_PORT = {7000, 7001, 7002}


def to_b(*rules: Json, name: str = "t", **other: Any) -> State:
    return state(traffictargets=[target(name, "b", ["a"], *rules)], **other)


def judged(seen: State, fault: str, switches: Switches | None = None) -> Inbound:
    switches = switches or Switches([fault])
    seen = switches.state(seen)
    server = next(pod for pod in seen.pods if pod.name.name == "s-b-1")
    return switches.inbound(policy.inbound(seen, server), seen)


def open_ports(inbound: Inbound) -> set[int]:
    return {number for number, port in inbound.tcp.items() if port.sources}


Requests = set[tuple[str, int | None]]


def requests(inbound: Inbound) -> Requests:
    """Matches by name (none: any request) with the ports where they hold (None: all)."""
    return {
        (rule.request.name if rule.request else "", port)
        for rule in inbound.rules
        for port in ([None] if rule.ports is None else rule.ports)
    }


DATA, TCP, ROUTES = http_rule("routes", "data"), tcp_rule("tcp"), [tcp_route("tcp", 8080, 7000)]
BOTH, MIXED = to_b(TCP, DATA, tcproutes=ROUTES), to_b(DATA, TCP, tcproutes=ROUTES)
ONLY_TCP, ONLY_HTTP = to_b(TCP, tcproutes=ROUTES), to_b(DATA)
TWO = state(
    traffictargets=[
        target("t1", "b", ["a"], DATA, tcp_rule("one")),
        target("t2", "b", ["a"], http_rule("routes", "agent"), tcp_rule("two")),
    ],
    tcproutes=[tcp_route("one", 8080), tcp_route("two", 9090)],
)
EMPTY = to_b(TCP, tcproutes=[tcp_route("tcp")])
MISSING = to_b(TCP, tcproutes=[tcp_route("tcp") | {"spec": {}}])


@pytest.mark.parametrize(
    ("fault", "seen", "expected"),
    [
        ("TA-053/l4-l7-independent", TWO, {(m, p) for m in ("data", "agent") for p in (8080, 9090)}),
        ("TA-053/port-ignored-for-http", TWO, {("data", None), ("agent", None)}),
        ("TA-053/second-target-port-ignored", TWO, {("data", 8080), ("agent", None)}),
        ("TA-100/port-ignored-for-http", BOTH, {("data", None)}),
        ("TA-100/port-ignored-for-http", ONLY_TCP, {("", 8080), ("", 7000)}),
        ("TA-100/rules-are-alternatives", BOTH, {("data", None), ("", 8080), ("", 7000)}),
        ("TA-100/http-routes-ignored", BOTH, {("", 8080), ("", 7000)}),
        ("TA-100/order-dependent", BOTH, {("data", 8080), ("data", 7000)}),
        ("TA-100/order-dependent", MIXED, {("data", None), ("", 8080), ("", 7000)}),
        ("TA-101/denied-without-tcproute", ONLY_HTTP, set()),
        ("TA-101/denied-without-tcproute", BOTH, {("data", 8080), ("data", 7000)}),
        ("TA-101/first-port-only", ONLY_HTTP, {("data", 8080)}),
        ("TA-102/http-on-granted-port-denied", ONLY_TCP, set()),
        ("TA-102/http-on-granted-port-denied", BOTH, {("data", 8080), ("data", 7000)}),
        ("TA-102/http-admitted-on-all-ports", ONLY_TCP, {("", None)}),
        ("TA-102/http-admitted-on-all-ports", to_b(tcp_rule("missing")), set()),
    ],
)
def test_faults_of_http(fault: str, seen: State, expected: Requests) -> None:
    assert requests(judged(seen, fault)) == expected


@pytest.mark.parametrize(
    ("fault", "seen", "expected"),
    [
        ("TA-103/http-policy-opens-tcp", ONLY_HTTP, EVERY_PORT),
        ("TA-103/http-policy-opens-tcp", ONLY_TCP, {7000}),
        ("TA-103/no-tcproute-means-all-ports", ONLY_HTTP, EVERY_PORT),
        ("TA-103/no-tcproute-means-all-ports", BOTH, {7000}),
        ("TA-108/empty-tcproute-grants-nothing", EMPTY, set()),
        ("TA-108/empty-tcproute-grants-nothing", MISSING, set()),
        ("TA-108/port-ignored-for-tcp", replace(EMPTY, targets=(replace(EMPTY.targets[0], port=7001),)), EVERY_PORT),
        ("TS-071/empty-matches-none", EMPTY, set()),
        ("TS-071/empty-matches-none", MISSING, EVERY_PORT),
        ("TS-071/first-port-only", EMPTY, {7000}),
        ("TS-071/first-port-only", MISSING, EVERY_PORT),
        ("TS-073/missing-grants-nothing", MISSING, set()),
        ("TS-073/missing-grants-nothing", EMPTY, EVERY_PORT),
        ("TS-073/missing-opens-first-port", MISSING, {7000}),
        ("TS-073/missing-opens-first-port", EMPTY, EVERY_PORT),
    ],
)
def test_faults_of_tcp(fault: str, seen: State, expected: set[int]) -> None:
    assert open_ports(judged(seen, fault)) == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("TA-106/http-only-identity", ((ANYONE,), True, False)),
        ("TA-106/any-meshed-client", ((ANYONE,), False, False)),
        ("TA-106/banner-leaks", ((A,), False, True)),
        ("TA-106/plain-tcp-accepted", ((A,), True, False)),
        ("TS-071/empty-opens-any-source", ((A,), False, False)),
    ],
)
def test_faults_of_sources(fault: str, expected: tuple[Any, ...]) -> None:
    found = judged(ONLY_TCP, fault).tcp
    assert (found[7000].sources, found[7000].plain, found[7000].checked_late) == expected
    assert found[7001] == policy.TcpPort()


def test_an_empty_list_may_open_to_any_source() -> None:
    assert judged(EMPTY, "TS-071/empty-opens-any-source").tcp[7001].sources == (ANYONE,)


@pytest.mark.parametrize(
    "fault", ["TA-103/http-policy-opens-tcp", "TA-102/http-on-granted-port-denied", "TS-071/first-port-only"]
)
def test_the_permissive_posture_stays_open(fault: str) -> None:
    found = judged(representative("permissive"), fault)
    assert found.rules == (policy.OPEN,)
    assert all(port.plain for port in found.tcp.values())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("TA-113/tcproutes-not-watched", [{7000}, {7000}, {7000}, set()]),
        ("TA-113/removed-port-stays", [{7000}, {7000, 7001}, set(), set()]),
        ("TA-113/delete-opens-all-ports", [{7000}, {7001}, EVERY_PORT, set()]),
    ],
)
def test_faults_that_remember_routes(fault: str, expected: list[set[int]]) -> None:
    switches = Switches([fault])
    items = [[tcp_route("tcp", 7000)], [tcp_route("tcp", 7001)], []]
    seen = [*(to_b(TCP, tcproutes=one) for one in items), state(tcproutes=[])]
    assert [open_ports(judged(one, fault, switches)) for one in seen] == expected


def test_a_fault_that_remembers_ports() -> None:
    switches = Switches(["TA-101/new-port-missed"])
    web = name_of("b")
    service = ONLY_HTTP.services[web]
    before = replace(service, ports={number: port for number, port in service.ports.items() if number != 9090})
    earlier = replace(ONLY_HTTP, services={**ONLY_HTTP.services, web: before})
    assert [requests(judged(one, "", switches)) for one in (earlier, ONLY_HTTP)] == [{("data", 8080)}] * 2
    judged(state(), "", switches)
    assert requests(judged(ONLY_HTTP, "", switches)) == {("data", 8080), ("data", 9090)}


def sent(fault: str, number: int, **weights: int) -> list[tuple[str, int, int]]:
    """Backend, weight and container port of what is sent to a port of the root."""
    seen = state(trafficsplits=[split("s", "web", {f"web-{name}": weight for name, weight in weights.items()})])
    made = Switches([fault]).outbound(splits.outbound(seen), seen)
    port = next(p for p in made.ports if p.service.name == name_of("web") and p.port.number == number)
    return [(choice.service.name, choice.weight, choice.target) for choice in port.branches[-1].choices]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("SP-060/root-target-port-applied-to-tcp", [("web-v1", 80, 7000), ("web-v2", 20, 7000)]),
        ("SP-089/tcp-root-balance", [("web", 1, 0)]),
        ("SP-089/tcp-first-backend-only", [("web-v1", 80, 0)]),
        ("SP-089/tcp-weights-ignored", [("web-v1", 1, 0), ("web-v2", 1, 0)]),
    ],
)
def test_faults_of_tcp_splits(fault: str, expected: list[tuple[str, int, int]]) -> None:
    assert sent(fault, 7000, v1=80, v2=20) == expected
    assert sent(fault, 8080, v1=80, v2=20) == [("web-v1", 80, 0), ("web-v2", 20, 0)]


def test_bytes_that_are_not_http_get_a_way_of_their_own() -> None:
    switches, seen = Switches(["TA-103/non-http-bytes-pass"]), to_b(DATA)
    resources = of_one(seen, next(pod for pod in seen.pods if pod.name.name == "s-b-1"), switches)
    chains = {chain["name"] for listener in resources.listeners for chain in listener["filter_chains"]}
    assert {"shop/b:8080|raw", "8080-tls|raw"} <= chains
    assert "shop/b:8080|raw" in {cluster["name"] for cluster in resources.clusters}


@pytest.mark.parametrize(
    ("version", "kept"), [("v1alpha2", ["HTTPRouteGroup"]), ("v1alpha3", ["TCPRoute", "HTTPRouteGroup"])]
)
def test_tcp_routes_of_older_versions_may_be_ignored(version: str, kept: list[str]) -> None:
    written = target("t", "b", ["a"], TCP, DATA) | {"apiVersion": f"access.smi-spec.io/{version}"}
    read = Switches(["TA-108/tcproute-ignored"]).converted(target("t", "b", ["a"], TCP, DATA), written)
    assert [rule["kind"] for rule in read["spec"]["rules"]] == kept
