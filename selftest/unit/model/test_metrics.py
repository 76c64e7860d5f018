"""The metrics API as a pure function of what was counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smi_conformance.model.metrics import latency, selectors
from smi_conformance.model.metrics.answers import NotServed, SplitInForce, answer, parse_path
from smi_conformance.model.metrics.items import Reading, seconds
from smi_conformance.model.metrics.traffic import Flow, Member, Ref, Tally, Window, succeeded

BASE = "/apis/metrics.smi-spec.io/v1alpha1"
SPLIT, ROOT = Ref("trafficsplits", "shop", "web"), Ref("services", "shop", "web")


def member(name: str, deployment: str, namespace: str = "shop", node: str = "n1") -> Member:
    parts = {Ref("namespaces", "", namespace), Ref("nodes", "", node), Ref("deployments", namespace, deployment)}
    return Member(Ref("pods", namespace, name), frozenset(parts))


A, B1, B2, C = member("a", "a"), member("b-1", "b"), member("b-2", "b"), member("c", "c", "other", "n2")
PODS = (A, B1, B2, C)
LABELS = {A.pod: {"app": "a"}, B1.pod: {"app": "b", "odd": ""}, B2.pod: {"app": "b"}, C.pod: {"app": "c"}}


class Cluster:
    """What exists."""

    def objects(self, plural: str) -> Mapping[Ref, Mapping[str, str]]:
        if plural == "trafficsplits":
            return {SPLIT: {"team": "x"}}
        return {ref: LABELS.get(ref, {}) for pod in PODS for ref in pod.of(plural)}

    def splits(self) -> Iterable[SplitInForce]:
        return [SplitInForce(SPLIT, "web", (("v1", 90), ("v2", 10)))]


def tally(success: int, failure: int = 0, milliseconds: int = 10) -> Tally:
    made = Tally()
    made.note(success=True, bucket=latency.bucket(milliseconds * 1000), count=success)
    made.note(success=False, bucket=latency.bucket(milliseconds * 1000), count=failure)
    return made


def call(source: Member | None, destination: Member | None, **more: Any) -> dict[Flow, Tally]:
    """The same requests as both proxies count them."""
    counted = tally(more.pop("success", 10), more.pop("failure", 0), more.pop("milliseconds", 10))
    server = Flow("server", source, destination)
    return {server: counted} | ({Flow("client", source, destination, **more): counted} if source else {})


FLOWS = {
    **call(A, B1, success=10, split=SPLIT, service=ROOT, backend="v1"),
    **call(A, B2, success=30, failure=2, split=SPLIT, service=ROOT, backend="v2"),
    **call(A, C, success=5),
    **call(None, B1, success=7),
    **call(B1, C, success=1),
}


def get(path: str, selector: str = "") -> Any:
    code, body = answer(parse_path(BASE + path, selector), Cluster(), Reading(FLOWS, 1000.0, 30.0))
    assert code == 200, body
    return body


def counts(item: Any) -> tuple[int, int]:
    values = {metric["name"]: metric["value"] for metric in item["metrics"]}
    return int(values["success_count"]), int(values["failure_count"])


def about(item: Any) -> tuple[str, str, str, str]:
    edge = item["edge"]
    return edge["direction"], edge["side"], item["resource"]["name"], (edge["resource"] or {}).get("name", "")


def test_a_list_has_what_each_object_received_or_else_sent() -> None:
    found = get("/namespaces/shop/pods")
    assert {about(item)[:3]: counts(item) for item in found["items"]} == {
        ("to", "client", "a"): (45, 2),
        ("from", "server", "b-1"): (17, 0),
        ("from", "server", "b-2"): (30, 2),
    }
    assert found["resource"] == {"kind": "Pod", "apiVersion": "v1", "namespace": "shop"}


def test_an_aggregate_is_the_sum_over_its_pods() -> None:
    assert counts(get("/namespaces/shop/deployments/b")) == (47, 2)
    assert counts(get("/namespaces/other")) == (6, 0)
    assert counts(get("/nodes/n2")) == (6, 0)


def test_edges_name_each_peer_and_direction_once() -> None:
    edges = {about(item): counts(item) for item in get("/namespaces/shop/pods/b-1/edges")["items"]}
    assert edges == {("from", "server", "b-1", "a"): (10, 0), ("to", "client", "b-1", "c"): (1, 0)}
    assert get("/namespaces/shop/pods/b-1/edges")["resource"]["name"] == "b-1"
    grouped = {about(item): counts(item) for item in get("/namespaces/shop/edges")["items"]}
    assert grouped == {
        ("from", "server", "shop", "shop"): (40, 2),
        ("to", "client", "shop", "other"): (6, 0),
        ("to", "client", "shop", "shop"): (40, 2),
    }


def test_an_edge_that_only_the_peer_saw_is_told_from_its_side() -> None:
    flows = {Flow("server", A, B1): tally(4)}
    body = answer(parse_path(BASE + "/namespaces/shop/pods/a/edges"), Cluster(), Reading(flows, 0.0, 30.0))[1]
    assert [(about(item), counts(item)) for item in body["items"]] == [(("to", "server", "a", "b-1"), (4, 0))]


def test_a_split_has_one_item_for_each_backend() -> None:
    items = get("/namespaces/shop/trafficsplits")["items"]
    assert [(item["backend"], counts(item)) for item in items] == [
        ({"apex": "web", "name": "v1", "weight": 90}, (10, 0)),
        ({"apex": "web", "name": "v2", "weight": 10}, (30, 2)),
    ]
    assert {about(item) for item in items} == {("from", "client", "web", "")}
    assert len(get("/namespaces/shop/trafficsplits/web")["items"]) == 2


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=b", ["b-1", "b-2"]),
        ("app=b,odd", ["b-1"]),
        ("app!=b", ["a"]),
        ("app in (a, b),!odd", ["a", "b-2"]),
        ("app notin (a)", ["b-1", "b-2"]),
        ("app=none", []),
    ],
)
def test_a_selector_narrows_a_list(selector: str, names: list[str]) -> None:
    items = get("/namespaces/shop/pods", selector)["items"]
    assert [item["resource"]["name"] for item in items] == names


def test_a_selector_is_echoed_and_changes_no_numbers() -> None:
    found = get("/namespaces/shop/pods", "app=b,odd")
    assert found["selector"] == {
        "matchLabels": {"app": "b"},
        "matchExpressions": [{"key": "odd", "operator": "Exists"}],
    }
    assert counts(found["items"][0]) == (17, 0)
    assert "selector" not in get("/namespaces/shop/pods")


@pytest.mark.parametrize(
    "path", ["/foos", "/namespaces/shop/pods/none", "/pods/a", "/namespaces/shop/nodes", "/namespaces/shop/pods/a/x"]
)
def test_what_does_not_exist_is_a_404_with_a_status(path: str) -> None:
    code, body = answer(parse_path(BASE + path), Cluster(), Reading({}, 0.0, 30.0))
    assert (code, body["kind"], body["reason"]) == (404, "Status", "NotFound")


def test_a_selector_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(NotServed, match="unable to parse"):
        parse_path(BASE + "/pods", "app=(")


def test_idle_objects_have_zero_counts() -> None:
    body = answer(parse_path(BASE + "/namespaces/shop/pods/a"), Cluster(), Reading({}, 1000.5, 30.0))[1]
    assert counts(body) == (0, 0)
    assert (body["timestamp"], body["window"]) == ("1970-01-01T00:16:40.500Z", "30s")


def test_discovery_names_the_eleven_kinds() -> None:
    rows = {row["name"]: row for row in get("")["resources"]}
    assert len(rows) == 11
    assert {name for name, row in rows.items() if not row["namespaced"]} == {"namespaces", "nodes"}


def test_every_listed_kind_can_be_listed() -> None:
    for row in get("")["resources"]:
        assert get(f"/{row['name']}")["kind"] == "TrafficMetricsList"


def test_only_server_errors_and_silence_fail() -> None:
    assert [status for status in (0, 1, 200, 201, 302, 403, 404, 499, 500, 503) if not succeeded(status)] == [
        0,
        500,
        503,
    ]


@settings(deadline=None)
@given(st.integers(2, 3_600_000_000))
def test_a_latency_is_kept_to_one_percent(microseconds: int) -> None:
    found = latency.microseconds(latency.bucket(microseconds))
    # Half a bucket, and half a microsecond of rounding.
    assert abs(found - microseconds) <= 0.01 * microseconds + 0.5


@settings(deadline=None)
@given(st.lists(st.integers(1, 10**7), min_size=1), st.sampled_from([50, 90, 99]))
def test_a_percentile_is_one_of_the_latencies(values: list[int], percent: int) -> None:
    tallied = Tally()
    for value in values:
        tallied.note(success=True, bucket=latency.bucket(value))
    exact = sorted(values)[-(-len(values) * percent // 100) - 1]
    assert latency.percentile(tallied.latencies, percent) == latency.microseconds(latency.bucket(exact))


@pytest.mark.parametrize(("micro", "text"), [(0, "0"), (1, "1u"), (10_000, "10m"), (2_000_000, "2"), (1_500, "1500u")])
def test_latencies_are_quantities_of_seconds(micro: int, text: str) -> None:
    assert seconds(micro) == text


@settings(deadline=None)
@given(st.lists(st.floats(0, 99), max_size=50), st.floats(0, 120))
def test_a_window_holds_each_request_of_its_span_once(moments: list[float], now: float) -> None:
    window = Window(30.0)
    for moment in moments:
        window.add(moment, Flow("server", A, B1), tally(1))
    end = window.end(now)
    due = sum(end - 30 <= moment < end for moment in moments)
    assert sum(one.success for one in window.read(now).values()) == due
    window.forget(now)
    assert sum(one.success for one in window.read(now).values()) == due


def test_the_echo_keeps_contradictions() -> None:
    assert selectors.echo(selectors.parse("a=1,a=2")) == {
        "matchLabels": {"a": "2"},
        "matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}],
    }
