"""Who may do what, as the generator reads TrafficTargets and routes."""

from __future__ import annotations

import pytest

from selftest.lab.mesh.objects_for_tests import (
    account,
    group,
    http_rule,
    representative,
    state,
    target,
    tcp_route,
    tcp_rule,
)
from smi_conformance.lab.mesh import expressions, objects, policy
from smi_conformance.lab.mesh.model import Json, State
from smi_conformance.lab.mesh.policy import Inbound

A, Z = account("a").spiffe, account("z").spiffe


def server(seen: State, name: str = "s-b-1") -> Inbound:
    return policy.inbound(seen, next(pod for pod in seen.pods if pod.name.name == name))


def with_targets(*targets: Json, **other: list[Json]) -> Inbound:
    return server(state("deny", traffictargets=list(targets), **other))


def test_nothing_is_open_without_a_target() -> None:
    found = server(state())
    assert found.rules == ()
    assert found.plain is None
    assert all(not port.sources for port in found.tcp.values())


def test_permissive_posture_opens_everything_whatever_targets_say() -> None:
    found = server(representative(posture="permissive"))
    assert found.rules == (policy.OPEN,)
    assert found.plain == (policy.OPEN,)
    assert all(port.plain for port in found.tcp.values())


def test_ports_come_from_the_services_that_select_the_pod() -> None:
    found = server(state())
    assert found.http_ports == {8080, 9090}
    assert set(found.tcp) == {7000, 7001, 7002}


def test_routes_alone_open_http_on_every_port_and_no_tcp() -> None:
    found = with_targets(target("t", "b", ["a"], http_rule("routes", "data")))
    assert [(rule.sources, rule.ports) for rule in found.rules] == [((A,), None)]
    assert not any(port.sources for port in found.tcp.values())


def test_tcproute_alone_opens_its_ports_to_tcp_and_http() -> None:
    routes = [tcp_route("tcp", 7000, 8080)]
    found = with_targets(target("t", "b", ["a"], tcp_rule("tcp")), tcproutes=routes)
    assert [(rule.ports, rule.request) for rule in found.rules] == [(frozenset({7000, 8080}), None)]
    assert {number for number, port in found.tcp.items() if port.sources == (A,)} == {7000}


def test_tcproute_beside_routes_limits_them_to_its_ports() -> None:
    found = with_targets(target("t", "b", ["a"], http_rule("routes", "data"), tcp_rule("tcp")))
    assert [rule.ports for rule in found.rules] == [frozenset({7000, 7002})]


def test_empty_ports_stand_for_all() -> None:
    found = with_targets(target("t", "b", ["a"], tcp_rule("tcp")), tcproutes=[tcp_route("tcp")])
    assert all(port.sources == (A,) for port in found.tcp.values())


def test_targets_add_up_without_mixing() -> None:
    one = target("one", "b", ["a"], http_rule("routes", "data"))
    two = target("two", "b", ["z"], http_rule("firefox"))
    found = [(rule.sources, rule.request.name if rule.request else "") for rule in with_targets(one, two).rules]
    assert found == [((A,), "data"), ((Z,), "agent")]


@pytest.mark.parametrize("rules", [[http_rule("missing")], [http_rule("routes", "missing")], [tcp_rule("missing")], []])
def test_missing_references_grant_nothing(rules: list[Json]) -> None:
    found = with_targets(target("t", "b", ["a"], *rules))
    assert all(rule.ports == frozenset() for rule in found.rules)
    assert not any(port.sources for port in found.tcp.values())


@pytest.mark.parametrize("field", ["kind", "namespace"])
def test_sources_without_kind_or_namespace_are_nobody(field: str) -> None:
    item = target("t", "b", ["a"], http_rule("routes"))
    del item["spec"]["sources"][0][field]
    assert with_targets(item).rules == ()


def test_destination_in_another_namespace_is_ignored_and_told() -> None:
    item = target("t", "b", ["a"], http_rule("routes"), namespace="elsewhere")
    seen = state(traffictargets=[item])
    assert server(seen).rules == ()
    assert [mistake.reason for mistake in policy.mistakes(seen)] == ["InvalidDestination", "RouteNotFound"]


@pytest.mark.parametrize("headers", [{"X-A": "1", "X-B": "2"}, [{"X-A": "1"}, {"X-B": "2"}]])
def test_both_shapes_of_headers(headers: object) -> None:
    seen = state(httproutegroups=[group("g", {"name": "m", "headers": headers})])
    (match,) = next(iter(seen.groups.values()))
    assert [(header.name, header.expression) for header in match.headers] == [("x-a", "1"), ("x-b", "2")]


def test_match_that_does_not_compile_leaves_the_others() -> None:
    items = [group("g", {"name": "bad", "pathRegex": "/a("}, {"name": "good", "pathRegex": "/b"})]
    seen = state(httproutegroups=items)
    assert [match.name for match in next(iter(seen.groups.values()))] == ["good"]
    assert [mistake.reason for mistake in seen.mistakes] == ["InvalidExpression"]


@pytest.mark.parametrize(
    "expression", [r"(?=a)", r"(a)\1", r"a\Z", r"a{2000}", r"(a{100}){100}", r"a++", "(?>a)", r"\u0041", "[", None]
)
def test_what_re2_refuses_does_not_compile(expression: str | None) -> None:
    assert not expressions.compiles(expression)


@pytest.mark.parametrize("expression", ["", ".*", "/a|/b", r"^/v[12]/\d+$", r"^(.*?;)?(type=insider)(;.*)?$", "(?i:x)"])
def test_common_expressions_compile(expression: str) -> None:
    assert expressions.compiles(expression)


def test_branches_and_literals_of_expressions() -> None:
    assert expressions.branches(r"/a|/(b|c)|[|]\|d") == ["/a", "/(b|c)", r"[|]\|d"]
    assert expressions.longest_literal(".*(Firefox|Android).*") == "Firefox"


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        ({"name": "http-8080"}, "http"),
        ({"name": "tcp-7000"}, "tcp"),
        ({"name": "tcp-7000", "appProtocol": "HTTP"}, "http"),
        ({"name": "grpc"}, "http"),
        ({}, "tcp"),
    ],
)
def test_protocol_of_a_port(port: Json, protocol: str) -> None:
    assert objects.protocol_of(port) == protocol
