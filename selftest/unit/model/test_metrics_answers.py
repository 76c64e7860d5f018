"""The objects of the metrics API, to the last field, and what is answered to a request that has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from smi_conformance.model.metrics.answers import (
    Ask,
    NotServed,
    Sound,
    SplitInForce,
    answer,
    not_found,
    parse_path,
)
from smi_conformance.model.metrics.items import Json, Reading, instant, metrics
from smi_conformance.model.metrics.latency import bucket
from smi_conformance.model.metrics.selectors import parse
from smi_conformance.model.metrics.traffic import Flow, Flows, Member, Ref, Tally, total

BASE = "/apis/metrics.smi-spec.io/v1alpha1"
A, B = Ref("pods", "shop", "a"), Ref("pods", "shop", "b")
NODE = Ref("nodes", "", "n1")
SPLITS = {Ref("trafficsplits", "shop", "web"): {"team": "x"}, Ref("trafficsplits", "other", "web"): {}}


def tally(success: int, failure: int, milliseconds: int) -> Tally:
    made = Tally()
    made.note(success=True, bucket=bucket(milliseconds * 1000), count=success)
    made.note(success=False, bucket=bucket(4 * milliseconds * 1000), count=failure)
    return made


ONE, TWO = (Member(ref, frozenset({NODE, Ref("namespaces", "", "shop")})) for ref in (A, B))
FLOWS: Flows = {
    Flow("client", ONE, TWO, None, Ref("trafficsplits", "shop", "web"), "v1"): tally(3, 1, 10),
    Flow("server", ONE, TWO): tally(3, 1, 10),
}
VALUES = [
    {"name": "p99_response_latency", "unit": "seconds", "value": "40308u"},
    {"name": "p90_response_latency", "unit": "seconds", "value": "40308u"},
    {"name": "p50_response_latency", "unit": "seconds", "value": "10078u"},
    {"name": "success_count", "value": "3"},
    {"name": "failure_count", "value": "1"},
]
POD_B = {"kind": "Pod", "namespace": "shop", "name": "b"}


class Cluster:
    """What exists: two pods on a node, and two splits of one name in two namespaces."""

    def objects(self, plural: str) -> Mapping[Ref, Mapping[str, str]]:
        known: dict[str, Mapping[Ref, Mapping[str, str]]] = {
            "pods": {A: {"app": "a"}, B: {"app": "b"}},
            "nodes": {NODE: {}},
            "trafficsplits": SPLITS,
        }
        return known.get(plural, {Ref("namespaces", "", "shop"): {}})

    def splits(self) -> Iterable[SplitInForce]:
        return [SplitInForce(ref, "web", (("v1", 1),)) for ref in SPLITS]


def asked(path: str, selector: str = "", changes: Any = None) -> tuple[int, Any]:
    return answer(parse_path(BASE + path, selector), Cluster(), Reading(FLOWS, 1000.25, 30.0), changes)


def test_an_object() -> None:
    assert asked("/namespaces/shop/pods/b") == (
        200,
        {
            "kind": "TrafficMetrics",
            "apiVersion": "metrics.smi-spec.io/v1alpha1",
            "metadata": {"name": "b", "namespace": "shop"},
            "resource": POD_B,
            "edge": {"direction": "from", "side": "server", "resource": None},
            "timestamp": "1970-01-01T00:16:40.250Z",
            "window": "30s",
            "metrics": VALUES,
        },
    )


def test_an_object_without_a_namespace() -> None:
    body = asked("/nodes/n1")[1]
    assert (body["metadata"], body["resource"]) == ({"name": "n1"}, {"kind": "Node", "name": "n1"})


def test_a_list() -> None:
    """What is listed, in which namespace if in one, and by which selector if by one."""
    code, body = asked("/namespaces/shop/pods", "app=b")
    assert code == 200
    assert [item["metadata"]["name"] for item in body.pop("items")] == ["b"]
    assert body == {
        "kind": "TrafficMetricsList",
        "apiVersion": "metrics.smi-spec.io/v1alpha1",
        "metadata": {},
        "resource": {"kind": "Pod", "apiVersion": "v1", "namespace": "shop"},
        "selector": {"matchLabels": {"app": "b"}},
    }
    everywhere = asked("/pods")[1]
    assert everywhere["resource"] == {"kind": "Pod", "apiVersion": "v1"}
    assert [item["metadata"]["name"] for item in everywhere["items"]] == ["a", "b"]
    assert asked("/namespaces/none/pods")[1]["items"] == []


def test_the_edges_of_an_object() -> None:
    body = asked("/namespaces/shop/pods/b/edges")[1]
    (item,) = body.pop("items")
    assert item["edge"] == {
        "direction": "from",
        "side": "server",
        "resource": {"kind": "Pod", "namespace": "shop", "name": "a"},
    }
    assert item["metrics"] == VALUES
    assert body == {
        "kind": "TrafficMetricsList",
        "apiVersion": "metrics.smi-spec.io/v1alpha1",
        "metadata": {},
        "resource": POD_B,
    }


def test_a_selector_does_not_narrow_what_is_asked_for_by_name() -> None:
    """Neither an object nor its edges; nor is it echoed."""
    assert asked("/namespaces/shop/pods/b", "app=a") == asked("/namespaces/shop/pods/b")
    assert asked("/namespaces/shop/pods/b/edges", "app=a") == asked("/namespaces/shop/pods/b/edges")


def test_what_only_the_other_side_saw_is_not_in_the_total() -> None:
    """A pod whose own proxy counted nothing has sent nothing, and received nothing."""
    server = {flow: tally for flow, tally in FLOWS.items() if flow.side == "server"}
    code, body = answer(parse_path(BASE + "/namespaces/shop/pods/a"), Cluster(), Reading(server, 0, 30))
    assert (code, body["edge"]["direction"], body["metrics"][3]["value"]) == (200, "from", "0")


def test_a_split_is_named_by_its_list() -> None:
    """There is one item for each backend, so that a single split is a list too."""
    body = asked("/namespaces/shop/trafficsplits/web")[1]
    assert body["resource"] == {"kind": "TrafficSplit", "namespace": "shop", "name": "web"}


def test_splits_are_narrowed_by_namespace_name_and_label() -> None:
    """In order; only the client's proxy knows the split, and by which backend it chose."""

    def found(path: str, selector: str = "") -> list[tuple[str, str]]:
        items = asked(path, selector)[1]["items"]
        return [(item["resource"]["namespace"], item["metrics"][3]["value"]) for item in items]

    assert found("/trafficsplits") == [("other", "0"), ("shop", "3")]
    assert found("/namespaces/shop/trafficsplits") == found("/namespaces/shop/trafficsplits/web") == [("shop", "3")]
    assert found("/trafficsplits", "team=x") == [("shop", "3")]
    assert found("/trafficsplits", "!team") == [("other", "0")]


@pytest.mark.parametrize(
    ("path", "asks"),
    [
        ("", Ask()), ("/", Ask()), ("/pods", Ask("pods")), ("/namespaces/shop", Ask("namespaces", "", "shop")),
        ("/namespaces/shop/edges", Ask("namespaces", "", "shop", "edges")),
        ("/namespaces/shop/pods", Ask("pods", "shop")), ("/namespaces/shop/pods/a", Ask("pods", "shop", "a")),
        ("/namespaces/shop/pods/a/edges", Ask("pods", "shop", "a", "edges")), ("/nodes/n%201", Ask("nodes", "", "n 1")),
        ("//nodes/n1/edges/", Ask("nodes", "", "n1", "edges")),
    ],
)  # fmt: skip
def test_paths(path: str, asks: Ask) -> None:
    assert parse_path(BASE + path) == asks
    assert parse_path(BASE + path, "a=1").selector == parse("a=1")


@pytest.mark.parametrize(
    "path",
    [
        "/apis/metrics.smi-spec.io", "/apis/metrics.smi-spec.io/v1alpha2", "/api/v1/pods",
        BASE + "/nodes/n1/edges/more", BASE + "/namespaces/shop/pods/a/edges/more",
    ],
)  # fmt: skip
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(NotServed, match="could not find the requested resource") as caught:
        parse_path(path)
    assert (caught.value.code, caught.value.reason) == (404, "NotFound")


@pytest.mark.parametrize(
    "path",
    [
        "/foos",
        "/pods/a",
        "/namespaces/shop/nodes",
        "/namespaces/shop/pods/a/x",
        "/namespaces/shop/trafficsplits/w/edges",
    ],
)
def test_what_no_kind_is_served_at(path: str) -> None:
    """A Status, as Kubernetes gives it."""
    about = {"status": "Failure", "message": "the server could not find the requested resource", "reason": "NotFound"}
    assert asked(path) == (
        404,
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, **about, "code": 404, "details": {}},
    )


def test_an_object_that_does_not_exist() -> None:
    """Its name and kind stand in the details too."""
    code, body = asked("/namespaces/shop/pods/none")
    assert code == 404
    assert body["message"] == 'pods.metrics.smi-spec.io "none" not found'
    assert body["details"] == {"name": "none", "group": "metrics.smi-spec.io", "kind": "pods"}
    assert body["reason"] == not_found(A).reason == "NotFound"
    assert str(not_found(A)) == not_found(A).message


def test_a_selector_that_cannot_be_read_is_a_bad_request() -> None:
    with pytest.raises(NotServed, match=r'found "app=\(" in "app=\("') as caught:
        parse_path(BASE + "/pods", "app=(")
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")


def test_discovery() -> None:
    code, body = asked("")
    assert code == 200
    assert {key: body[key] for key in body if key != "resources"} == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "metrics.smi-spec.io/v1alpha1",
    }
    assert body["resources"][5] == {
        "name": "pods",
        "singularName": "",
        "namespaced": True,
        "kind": "TrafficMetrics",
        "verbs": ["get", "list"],
    }


class Tracing(Sound):
    """Notes what passes each hook, and replaces it by what it was told to."""

    def __init__(self, **instead: Any) -> None:
        self.seen: list[tuple[str, str]] = []
        self.instead = instead

    def _pass(self, hook: str, thing: Any, ask: Ask) -> Any:
        self.seen.append((hook, ask.plural))
        return self.instead.get(hook, thing)

    def asked(self, ask: Ask) -> Ask:
        return self._pass("asked", super().asked(ask), ask)  # type: ignore[no-any-return]

    def counted(self, flows: Flows, ask: Ask) -> Flows:
        return self._pass("counted", super().counted(flows, ask), ask)  # type: ignore[no-any-return]

    def listed(self, items: list[Json], ask: Ask) -> list[Json]:
        return self._pass("listed", super().listed(items, ask), ask)  # type: ignore[no-any-return]

    def answered(self, answer: tuple[int, Any], ask: Ask) -> tuple[int, Any]:
        return self._pass("answered", super().answered(answer, ask), ask)  # type: ignore[no-any-return]


PATHS = ["/pods", "/namespaces/shop/pods/b", "/namespaces/shop/pods/b/edges", "/trafficsplits"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_passes_all_places_where_a_defect_may_be(path: str) -> None:
    """In the order of the way that a request goes, and nothing changes where no defect is."""
    changes = Tracing()
    assert asked(path, changes=changes) == asked(path)
    plural = parse_path(BASE + path).plural
    assert changes.seen == [(hook, plural) for hook in ("asked", "counted", "listed", "answered")]


@pytest.mark.parametrize("path", PATHS)
def test_what_a_defect_changes_is_what_is_answered(path: str) -> None:
    """Counts, items, and the answer itself."""
    zero = asked(path, changes=Tracing(counted={}))[1]
    items = zero.get("items", [zero])
    assert all(item["metrics"][3]["value"] == "0" for item in items)
    odd = asked(path, changes=Tracing(listed=[{"odd": 1}]))[1]
    assert odd == {"odd": 1} or odd["items"] == [{"odd": 1}]
    assert asked(path, changes=Tracing(answered=(500, "x"))) == (500, "x")


def test_a_defect_may_take_one_request_for_another() -> None:
    """The answer is that of the other, and what is done to it still knows what was asked for."""
    changes = Tracing(asked=Ask("nodes"))
    assert asked("/pods", changes=changes)[1]["resource"]["kind"] == "Node"
    assert changes.seen[-1] == ("answered", "pods")
    changes = Tracing(asked=Ask("foos"))
    assert asked("/pods", changes=changes)[0] == 404
    assert changes.seen == [("asked", "pods"), ("answered", "pods")]


def test_a_single_object_that_a_defect_doubles_is_a_list() -> None:
    assert asked("/namespaces/shop/pods/b", changes=Tracing(listed=[{}, {}]))[1] == [{}, {}]


def test_the_numbers_of_a_tally() -> None:
    assert metrics(total([tally(2, 1, 10), tally(1, 0, 10)])) == VALUES
    assert [row["value"] for row in metrics(Tally())] == ["0"] * 5
    assert instant(0) == "1970-01-01T00:00:00.000Z"
