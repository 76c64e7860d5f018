"""Answers of a Prometheus, and what the adapter makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from selftest.unit.meshes.test_numbers import NUMBERS
from smi_conformance.cluster.metrics_adapter import MetricsAdapter
from smi_conformance.cluster.port import Answer, ClusterError
from smi_conformance.cluster.prometheus import NOW, samples
from smi_conformance.judge import metrics
from smi_conformance.judge.metrics import Item, Unreadable
from smi_conformance.meshes.numbers import BOTH, DESTINATION, SOURCE, Prometheus

BASE = "/apis/metrics.smi-spec.io/v1alpha1"
AT = "1700000000.25"
PAGE = "<!doctype html><title>Welcome</title>"
Pairs = Mapping[tuple[str, ...], str]


def vector(*series: tuple[Mapping[str, str], str]) -> Answer:
    """As a Prometheus answers an instant query."""
    result = [{"metric": dict(labels), "value": [1700000000.25, value]} for labels, value in series]
    return Answer(200, {"status": "success", "data": {"resultType": "vector", "result": result}})


def plain(**changes: Any) -> Prometheus:
    """Names are written as they are."""
    return Prometheus.model_validate({**NUMBERS, "rewritten": {}, **changes})


class Told:
    """An API server whose Prometheus knows some queries; of others it has no series."""

    def __init__(self, source: Prometheus, objects: Mapping[str, list[tuple[str, str]]] | None = None) -> None:
        self.source, self.objects = source, objects or {}
        self.known: dict[str, Answer] = {}
        self.clock = vector(({}, AT))
        self.refused: set[str] = set()

    def tell(self, metric: str, by: tuple[str, ...], pairs: Pairs) -> None:
        """The values of a metric by those of the labels."""
        series = [(dict(zip(by, key, strict=True)), value) for key, value in pairs.items()]
        self.known[self.source.path(self.source.query(metric, by))] = vector(*series)

    def api(self, method: str, path: str) -> Answer:
        """As the cluster port."""
        assert method == "GET"
        if path in self.refused:
            return Answer(403, {"kind": "Status", "message": "forbidden"})
        if path in self.objects:
            found = [{"metadata": {"namespace": space, "name": name}} for space, name in self.objects[path]]
            return Answer(200, {"items": found})
        if path == self.source.path(NOW):
            return self.clock
        query, _, at = path.partition("&time=")
        assert (query.startswith(self.source.path("")), at) == (True, AT)  # all numbers of one answer are of one time
        return self.known.get(query, vector())

    def get(self, path: str) -> Answer:
        """What the adapter answers."""
        return MetricsAdapter(self, self.source).get(f"{BASE}/{path}")

    def items(self, path: str) -> list[Item]:
        """The items of a list."""
        answer = self.get(path)
        return metrics.items(answer.status, answer.body)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(200, PAGE), "no answer of a Prometheus, but 200 <!doctype"),
        (Answer(500, "boom"), "no answer of a Prometheus, but 500 boom"),
        (Answer(404, {"kind": "Status", "message": 'services "prom" not found'}), '404 services "prom" not found'),
        (Answer(403, {"kind": "Status", "message": "forbidden"}), "403 forbidden"),
        (Answer(400, {"status": "error", "errorType": "bad_data", "error": "parse\nerror"}), "bad_data: parse error"),
        (Answer(200, {"status": "success", "data": {"resultType": "matrix", "result": []}}), "a matrix, not a vector"),
        (Answer(200, {"status": "success", "data": None}), "no answer of a Prometheus"),
        (Answer(200, {"status": "success", "data": {"resultType": "vector", "result": [None]}}), "no sample: None"),
        (vector(({}, "<b>")), "no value of a sample"),
        (vector(({}, "nan")), "no value of a sample"),
    ],
)
def test_what_is_no_answer_is_held_against_nobody(answer: Answer, told: str) -> None:
    """It is a ClusterError, in one line."""
    with pytest.raises(ClusterError, match=told) as raised:
        samples(answer, "query x")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "0", "-3", "1.5", "1.2345678e+06", "5e-05"])
def test_values_come_as_they_are_written(value: str) -> None:
    """Whatever a Prometheus can say."""
    assert [(one.value, one.labels) for one in samples(vector(({"a": "b"}, value)), "x")] == [(value, {"a": "b"})]


def test_a_prometheus_has_one_time() -> None:
    """Anything else is no Prometheus."""
    source = plain()
    told = Told(source)
    told.clock = vector()
    with pytest.raises(ClusterError, match="tells 0 times"):
        told.get("pods")


def test_what_was_received_and_sent() -> None:
    """An item for each; a count without a series is 0, and whoever has no requests has no item."""
    source = plain()
    told = Told(source)
    told.tell("success_count", source.by("pods", DESTINATION), {("m", "b"): "1.2e+01", ("m", "idle"): "0"})
    told.tell("success_count", source.by("pods", SOURCE), {("n", "a"): "12"})
    told.tell("failure_count", source.by("pods", DESTINATION), {("m", "b"): "3", ("m", "bad"): "1"})
    told.tell("p50_response_latency", source.by("pods", DESTINATION), {("m", "b"): "0.25", ("m", "idle"): "NaN"})
    found = {(one.resource.place, one.direction): tuple(map(str, one.counts)) for one in told.items("pods")}
    assert found == {
        (("m", "b"), "from"): ("12", "3"),
        (("m", "bad"), "from"): ("0", "1"),
        (("n", "a"), "to"): ("12", "0"),
    }
    assert [one.resource.name for one in told.items("namespaces/n/pods")] == ["a"]
    one = metrics.single(200, told.get("namespaces/m/pods/b").body)
    assert (one.latency(50), one.window, one.timestamp, one.side) == (0.25, 15.0, 1700000000.25, None)
    assert list(metrics.defects(one.body)) == []


def test_milliseconds_are_told_as_such() -> None:
    """The judge converts by the unit."""
    source = plain(unit="milliseconds")
    told = Told(source)
    told.tell("success_count", source.by("namespaces", DESTINATION), {("m",): "1"})
    told.tell("p50_response_latency", source.by("namespaces", DESTINATION), {("m",): "250"})
    assert metrics.single(200, told.get("namespaces/m").body).latency(50) == 0.25


def test_edges_are_told_from_both_ends() -> None:
    """Namesakes of another namespace are others; who calls itself has both; series without a source are nobody's."""
    source = plain()
    told = Told(source)
    pairs: Pairs = {
        ("m", "b", "m", "a"): "5",
        ("n", "b", "m", "a"): "6",
        ("m", "b", "m", "b"): "7",
        ("m", "b", "", ""): "8",
    }
    told.tell("success_count", source.by("pods", BOTH), pairs)

    def edges(path: str) -> set[tuple[str, str, int]]:
        return {(one.direction, str(one.peer), int(one.counts[0])) for one in told.items(f"{path}/edges")}

    assert edges("namespaces/m/pods/a") == {("to", "Pod/m/b", 5), ("to", "Pod/n/b", 6)}
    assert edges("namespaces/m/pods/b") == {("from", "Pod/m/a", 5), ("from", "Pod/m/b", 7), ("to", "Pod/m/b", 7)}
    assert edges("namespaces/n/pods/b") == {("from", "Pod/m/a", 6)}
    assert edges("namespaces/m/pods/d") == set()


def test_odd_numbers_are_the_judges_to_refuse() -> None:
    """NaN, what is no whole number, and what is below zero are passed on."""
    source = plain()
    told = Told(source)
    told.tell(
        "success_count", source.by("pods", DESTINATION), {("m", "a"): "NaN", ("m", "b"): "11.9", ("m", "c"): "-1"}
    )
    found = {one.resource.name: one for one in told.items("pods")}
    assert str(found["b"].counts[0]) == "11.9"
    for name in ("a", "c"):
        with pytest.raises(Unreadable):
            _ = found[name].counts


@pytest.mark.parametrize(
    "path", ["jobs", "namespaces/m/pods/a/logs", "foos/x", "pods?labelSelector=a", "namespaces/m/pods/no"]
)
def test_there_are_no_numbers_of_it(path: str) -> None:
    """404, as of the API."""
    answer = Told(plain()).get(path)
    assert (answer.status, answer.body["kind"] if isinstance(answer.body, dict) else "") == (404, "Status")


def test_a_query_has_one_series_for_each_object() -> None:
    """One that aggregates by more is the profile's mistake."""
    source = plain()
    told = Told(source)
    by = source.by("pods", DESTINATION)
    labels = dict(zip(by, ("m", "b"), strict=True))
    twice = vector(({**labels, "code": "200"}, "1"), ({**labels, "code": "404"}, "1"))
    told.known[source.path(source.query("success_count", by))] = twice
    with pytest.raises(ClusterError, match="several series for m/b: aggregate by \\$by alone"):
        told.get("pods")


def test_rewritten_names_are_those_of_objects() -> None:
    """Names are found by how they are written; what no object is called is nobody."""
    source = Prometheus.model_validate(NUMBERS)
    told = Told(source, {"/api/v1/pods": [("m-1", "b-x"), ("m-1", "a")], "/apis/apps/v1/deployments": [("m-1", "b")]})
    told.tell("success_count", source.by("pods", DESTINATION), {("m_1", "b_x"): "4", ("unknown", "unknown"): "9"})
    told.tell("success_count", source.by("deployments", DESTINATION), {("m_1", "b"): "5"})
    told.tell(
        "success_count", source.by("pods", BOTH), {("m_1", "b_x", "m_1", "a"): "4", ("m_1", "b_x", "u", "u"): "9"}
    )
    assert [one.resource.place for one in told.items("pods")] == [("m-1", "b-x")]
    assert [one.resource.place for one in told.items("deployments")] == [("m-1", "b")]
    assert [str(one.peer) for one in told.items("namespaces/m-1/pods/b-x/edges")] == ["Pod/m-1/a"]
    told.refused.add("/api/v1/pods")
    with pytest.raises(ClusterError, match="pods cannot be listed: 403 forbidden"):
        told.get("pods")
