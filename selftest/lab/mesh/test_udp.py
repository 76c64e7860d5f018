"""UDP: what UDPRoutes open and splits spread, and what the rules in pods make of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest

from selftest.lab.mesh.objects_for_tests import (
    cluster,
    http_rule,
    pod,
    representative,
    split,
    state,
    target,
    tcp_route,
    tcp_rule,
    udp_rule,
)
from smi_conformance.lab.mesh import policy, splits
from smi_conformance.lab.mesh.faults import FAULTS, Switches
from smi_conformance.lab.mesh.generator import of_one
from smi_conformance.lab.mesh.model import Json, State
from smi_conformance.lab.mesh.udp_rules import messages

A, Z, V1 = "10.0.0.1", "10.0.0.2", "10.0.1.1"


def told(seen: State, *faults: str, name: str = "s-b-1") -> dict[str, Json]:
    """What the agent of a pod is told, by name."""
    switches = Switches(faults)
    seen = switches.state(seen)
    made = of_one(seen, next(pod for pod in seen.pods if pod.name.name == name), switches)
    assert messages(made.datagrams)
    return {item["name"]: item for item in made.datagrams}


def granted(seen: State, *faults: str) -> set[tuple[str, int]]:
    return {(ip, port) for ip, port in told(seen, *faults)["inbound"]["granted"]}


def to_b(*rules: Json, sources: Iterable[str] = ("a",), **other: Any) -> State:
    return state(traffictargets=[target("t", "b", sources, *rules)], **other)


def tcp_sources(seen: State, *faults: str) -> dict[int, int]:
    """How many accounts may connect to b's TCP ports that anybody may connect to."""
    switches = Switches(faults)
    seen = switches.state(seen)
    server = next(pod for pod in seen.pods if pod.name.name == "s-b-1")
    made = switches.inbound(policy.inbound(seen, server), seen)
    return {number: len(port.sources) for number, port in made.tcp.items() if port.sources}


# Grants


def test_nothing_is_let_in_without_a_udproute() -> None:
    found = told(to_b(http_rule("routes"), tcp_rule("tcp")))["inbound"]
    assert (found["open"], found["granted"], found["to_everybody"]) == (False, [], [])


def test_permissive_posture_lets_everything_in() -> None:
    assert told(state("permissive"))["inbound"]["open"]


def test_a_udproute_opens_container_ports_for_the_pods_of_the_sources() -> None:
    assert granted(to_b(udp_rule("udp"), sources=["a", "z"])) == {(A, 9000), (A, 9001), (Z, 9000), (Z, 9001)}
    assert granted(to_b(udp_rule("udp"), udproutes=[tcp_route("udp", 9500)])) == set()
    assert tcp_sources(to_b(udp_rule("udp"))) == {}


@pytest.mark.parametrize("spec", [{}, {"matches": {}}, {"matches": {"ports": []}}])
def test_a_udproute_without_ports_stands_for_all(spec: Json) -> None:
    assert granted(to_b(udp_rule("udp"), udproutes=[tcp_route("udp") | {"spec": spec}])) == {(A, 9000), (A, 9001)}


def test_a_missing_udproute_opens_nothing_and_is_told() -> None:
    seen = to_b(udp_rule("missing"))
    assert granted(seen) == set()
    assert [mistake.message for mistake in policy.mistakes(seen)] == [
        "UDPRoute missing does not exist and grants nothing"
    ]


def test_addresses_follow_pods_and_only_those_in_the_mesh_count() -> None:
    others = [one for one in cluster()["pods"] if one["metadata"]["name"] != "c-a"]
    new = pod("c-a-2", "a", "10.0.0.77", {})
    plain = pod("c-a-3", "a", "10.0.0.78", {}, meshed=False)
    fresh = pod("c-a-4", "a", "", {})
    seen = to_b(udp_rule("udp"), udproutes=[tcp_route("udp", 9000)], pods=[*others, new, plain, fresh])
    assert granted(seen) == {("10.0.0.77", 9000)}


# Splits


def sent(**splits_: Any) -> list[Json]:
    found: list[Json] = told(state(trafficsplits=[split(**splits_)]))["outbound"]["splits"]
    return found


def test_a_split_names_backends_by_weight_with_their_endpoints() -> None:
    first, second = sent(name="s", root="dns", weights={"dns-v1": 90, "dns-v2": 10, "web-v3": 5})
    assert (first["address"], first["port"], second["port"]) == ("10.96.0.4", 9000, 9500)
    one = {"name": "shop/dns-v1", "weight": 90, "endpoints": [["10.0.1.1", 9000]]}
    other = {"name": "shop/dns-v2", "weight": 10, "endpoints": [["10.0.1.2", 9000]]}
    assert first["backends"] == [one, other]
    assert second["backends"] == [one | {"endpoints": [["10.0.1.1", 9001]]}]


def test_zero_weight_and_missing_backends_are_left_out_and_told() -> None:
    items = [split("s", "dns", {"dns-v1": 0, "dns-v2": 1, "missing": 1})]
    seen = state(trafficsplits=items)
    assert [one["name"] for one in told(seen)["outbound"]["splits"][0]["backends"]] == ["shop/dns-v2"]
    assert [m.reason for m in splits.mistakes(seen)] == ["BackendWithoutPort", "BackendNotFound"]


def test_matches_are_about_http_and_unsplit_services_are_left_to_kubernetes() -> None:
    assert sent(name="s", root="dns", weights={"dns-v1": 1}, matches=["firefox"]) == []
    assert told(state())["outbound"]["splits"] == []


# Faults


BOTH = to_b(udp_rule("udp"), tcp_rule("tcp"), udproutes=[tcp_route("udp", 9000)], tcproutes=[tcp_route("tcp", 7000)])
TWO = to_b(udp_rule("udp"))
ALL = to_b(udp_rule("udp"), udproutes=[tcp_route("udp")])
HTTP = to_b(http_rule("routes"))


@pytest.mark.parametrize(
    ("fault", "seen", "ports"),
    [
        ("TA-012/udproute-ignored", TWO, set()),
        (
            "TA-104/udp-ports-from-tcproute",
            to_b(udp_rule("udp"), tcp_rule("t"), tcproutes=[tcp_route("t", 9001)]),
            {9001},
        ),
        ("TA-104/protocol-ignored", to_b(tcp_rule("t"), tcproutes=[tcp_route("t", 9001)]), {9001}),
        ("TA-104/last-port-lost", TWO, {9000}),
        ("TA-104/last-port-lost", BOTH, {9000}),
        ("TA-109/http-policy-opens-udp", HTTP, {9000, 9001}),
        ("TA-109/http-policy-opens-udp", to_b(tcp_rule("tcp")), set()),
        ("TA-109/udp-unfiltered-after-grant", to_b(tcp_rule("tcp")), {9000, 9001}),
        ("TS-072/ports-ignored", BOTH, {9000, 9001}),
        ("TS-072/second-port-lost", TWO, {9000}),
        ("TS-074/empty-matches-none", ALL, set()),
        ("TS-074/first-port-only", ALL, {9000}),
        ("TS-074/first-port-only", TWO, {9000, 9001}),
    ],
)
def test_faults_of_grants(fault: str, seen: State, ports: set[int]) -> None:
    assert granted(seen, fault) == {(A, port) for port in ports}


@pytest.mark.parametrize(
    ("fault", "seen", "ports"),
    [
        ("TA-104/protocol-ignored", to_b(udp_rule("udp"), udproutes=[tcp_route("udp", 7001)]), {7001}),
        ("TS-074/empty-opens-tcp", ALL, {7000, 7001, 7002}),
        ("TS-074/empty-opens-tcp", TWO, set()),
        ("TA-114/udproute-opens-tcp", to_b(udp_rule("udp"), udproutes=[tcp_route("udp", 7001)]), {7001}),
        ("TA-114/udproute-drops-tcproute", BOTH, set()),
        ("TA-114/udproute-drops-tcproute", to_b(tcp_rule("tcp")), {7000, 7002}),
    ],
)
def test_faults_that_open_tcp(fault: str, seen: State, ports: set[int]) -> None:
    assert tcp_sources(seen, fault).keys() == ports


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("TA-012/udp-bypasses-mesh", {"to_everybody": [9000, 9001]}),
        ("TA-012/any-source-admitted", {"to_everybody": [9000]}),
        ("TA-012/reply-flow-opens-port", {"remembering": True, "granted": [[A, 9000]]}),
        ("TS-072/replies-dropped", {"mute": [9000], "granted": [[A, 9000]]}),
    ],
)
def test_faults_of_what_is_let_in(fault: str, expected: Json) -> None:
    found = told(BOTH, fault)["inbound"]
    assert found == found | expected


def test_faults_of_splits() -> None:
    assert told(representative(), "SP-092/udp-root-balance")["outbound"]["splits"] == []
    assert told(representative(), "SP-092/udp-per-datagram")["outbound"]["per_datagram"]


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_agents_take_what_they_are_told_with_any_fault(fault: str) -> None:
    assert told(representative(), fault).keys() == {"inbound", "outbound"}


# In the kernel


@pytest.fixture(scope="module")
def seen_by_pods() -> dict[str, Any]:
    """What three pods with such rules found, by check."""
    command = [sys.executable, "-m", "selftest.lab.mesh.pods_with_rules"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("closed_before_the_agent_runs", [False, True]),
        ("granted_by_address_and_port", [True, True, False, False, False, False]),
        ("a_withdrawn_grant_ends_a_flow", [1, 0, 1]),
        ("many_grants", [True, False]),
        ("open_to_all", [True, True]),
        ("one_port_open_to_everybody", [True, False]),
        ("remembering", [False, True, True, False]),
        ("mute", [{"9000": 1, "mute": 1}, False, True]),
        ("nothing_left_is_refused", [[111, 111, 111], [0, 0, 0]]),
        ("a_flow_stays_until_its_endpoint_goes", [[3, 0], [3, 0], [0, 3]]),
        ("a_changed_split_is_decided_anew", [[3, 0], [0, 3]]),
    ],
)
def test_rules_in_the_kernel(seen_by_pods: dict[str, Any], check: str, expected: object) -> None:
    assert seen_by_pods[check] == expected


def test_flows_follow_weights_in_the_kernel(seen_by_pods: dict[str, Any]) -> None:
    quarter, zero, one_in_billions = seen_by_pods["flows_follow_weights"]
    # 400 flows, a quarter of them to the second backend: fewer than 55 or more than 150 once in 10 million times.
    assert 55 <= quarter[2] <= 150
    assert min(quarter[:2]) > 85
    assert zero == [0, 0, 400]
    assert one_in_billions[2] == 0


def test_a_fault_sends_each_datagram_for_itself(seen_by_pods: dict[str, Any]) -> None:
    assert min(seen_by_pods["each_datagram_for_itself"]) > 0
