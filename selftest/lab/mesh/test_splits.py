"""Where calls go, as the generator reads TrafficSplits."""

from __future__ import annotations

from typing import Any

import pytest

from selftest.lab.mesh.objects_for_tests import account, cluster, group, named, service, split, state
from smi_conformance.lab.mesh import splits
from smi_conformance.lab.mesh.model import Json, State
from smi_conformance.lab.mesh.splits import Branch, VirtualPort


def port_of(seen: State, name: str = "web", number: int = 8080) -> VirtualPort:
    ports = splits.outbound(seen).ports
    return next(port for port in ports if port.service.name == named(name) and port.port.number == number)


def shares(branch: Branch) -> dict[str, int]:
    return {choice.service.name: choice.weight for choice in branch.choices}


def web(weights: dict[str, Any], number: int = 8080, **other: Any) -> list[dict[str, int]]:
    matches = other.pop("matches", ())
    seen = state(trafficsplits=[split("s", "web", weights, matches)], **other)
    return [shares(branch) for branch in port_of(seen, number=number).branches]


def more_services(*items: Json) -> list[Json]:
    return [*cluster()["services"], *items]


def test_without_split_the_root_serves() -> None:
    assert [shares(branch) for branch in port_of(state()).branches] == [{"web": 1}]


@pytest.mark.parametrize("number", [8080, 7000])
def test_weights_are_kept_and_zero_gets_nothing(number: int) -> None:
    assert web({"web-v1": 90, "web-v2": 10, "web-v3": 0}, number) == [{"web-v1": 90, "web-v2": 10}]


def test_all_zero_leaves_no_destination() -> None:
    assert web({"web-v1": 0, "web-v2": 0}) == [{}]


def test_unknown_backend_and_backend_without_the_port_are_left_out_and_told() -> None:
    services = more_services(service("blue", "10.96.2.1", {"app": "web"}, [("http-1024", 1024)]))
    items = [split("s", "web", {"web-v1": 1, "blue": 1, "missing": 1})]
    seen = state(services=services, trafficsplits=items)
    assert shares(port_of(seen).branches[0]) == {"web-v1": 1}
    assert [m.reason for m in splits.mistakes(seen)] == ["BackendWithoutPort", "BackendNotFound"]


def test_matches_are_alternatives_before_the_roots_own_selection() -> None:
    groups = [group("g", {"name": "x", "pathRegex": "/x"}, {"name": "y", "pathRegex": "/y"})]
    assert web({"web-v2": 1}, matches=["g"], httproutegroups=groups) == [{"web-v2": 1}, {"web-v2": 1}, {"web": 1}]


@pytest.mark.parametrize("matches", [["missing"], ["g"]])
def test_no_match_steers_nothing(matches: list[str]) -> None:
    assert web({"web-v2": 1}, matches=matches, httproutegroups=[group("g")]) == [{"web": 1}]


def test_matches_do_not_touch_tcp() -> None:
    assert web({"web-v2": 1}, 7000, matches=["firefox"]) == [{"web": 1}]


def test_first_of_two_splits_wins() -> None:
    items = [split("one", "web", {"web-v1": 1}), split("two", "web", {"web-v2": 1})]
    seen = state(trafficsplits=items)
    assert shares(port_of(seen).branches[0]) == {"web-v1": 1}
    assert [m.reason for m in splits.mistakes(seen)] == ["RootSplitTwice"]


def test_backends_are_not_split_again() -> None:
    items = [split("one", "web", {"b": 1}), split("two", "b", {"web-v1": 1})]
    seen = state(trafficsplits=items)
    assert shares(port_of(seen).branches[0]) == {"b": 1}


@pytest.mark.parametrize("weight", [1.5, "1", -1, True, 2**32])
def test_split_with_a_weight_that_is_none_is_left_out(weight: object) -> None:
    seen = state(trafficsplits=[split("bad", "web", {"web-v1": weight})])
    assert seen.splits == ()
    assert [mistake.reason for mistake in seen.mistakes] == ["Invalid"]


@pytest.mark.parametrize("root", ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local"])
def test_qualified_names_of_the_own_namespace(root: str) -> None:
    seen = state(trafficsplits=[split("s", root, {"web-v1": 1})])
    assert shares(port_of(seen).branches[0]) == {"web-v1": 1}


def test_pod_addresses_are_known_by_account() -> None:
    direct = splits.outbound(state()).direct
    assert direct[account("b")] == ("10.0.0.3", "10.0.0.4")
    assert "10.0.0.9" not in {ip for ips in direct.values() for ip in ips}
