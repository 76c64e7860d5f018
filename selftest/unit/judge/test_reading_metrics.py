"""What an answer of the metrics API says, and that nothing it may say is taken on trust."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smi_conformance.judge import metrics
from smi_conformance.judge.metrics import Reference, Unreadable

POD = {"kind": "Pod", "namespace": "shop", "name": "web"}
WEB = Reference("Pod", "shop", "web")
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


def body(**fields: Any) -> dict[str, Any]:
    """A TrafficMetrics as the specification shows it, with some fields changed."""
    rows: list[Any] = [{"name": f"p{p}_response_latency", "unit": "seconds", "value": f"{p}m"} for p in (50, 90, 99)]
    rows += [{"name": "success_count", "value": "100"}, {"name": "failure_count", "value": 7}]
    edge = {"direction": "from", "side": "server", "resource": None}
    known = {"kind": "TrafficMetrics", "resource": POD, "edge": edge, "metrics": rows}
    return {**known, "timestamp": "2019-04-08T22:25:55Z", "window": "30s", **fields}


def counted(value: Any) -> dict[str, Any]:
    """The same whose success_count has another value."""
    return body(metrics=[{"name": "success_count", "value": value}, {"name": "failure_count", "value": "0"}])


def test_an_item_is_read() -> None:
    found = metrics.single(200, body())
    assert found.counts == (Decimal(100), Decimal(7))
    assert [found.latency(percent) for percent in (50, 90, 99)] == [0.05, 0.09, 0.099]
    assert (found.window, found.timestamp, found.peer) == (30.0, 1554762355.0, None)
    assert list(metrics.defects(body())) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10m", "0.01"), ("73492m", "73.492"), ("296875m", "296.875"), (7, "7"), ("1500u", "0.0015"), ("1.5", "1.5"),
        ("1e3", "1000"), ("2k", "2000"), ("1Ki", "1024"), (".5", "0.5"), ("12E", "12000000000000000000"), ("-3", "-3"),
    ],
)  # fmt: skip
def test_quantities(text: Any, value: str) -> None:
    assert metrics.quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "NaN", "inf", "ten", "1 m", "1mm", "0x10", 1.5, None, True, {}, [], "9" * 81])
def test_what_is_no_quantity(text: Any) -> None:
    with pytest.raises(Unreadable, match=f"^{re.escape(metrics.shown(text))} is no quantity"):
        metrics.quantity(text)


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("0.5s", 0.5)])
def test_durations(text: str, seconds: float) -> None:
    assert metrics.duration(text) == seconds


@pytest.mark.parametrize("text", ["30", "", "0s", "-30s", "30 s", "30sec", 30, None, "s", "9" * 400 + "s"])
def test_what_is_no_window(text: Any) -> None:
    with pytest.raises(Unreadable, match=f"^window {re.escape(metrics.shown(text))} is no"):
        metrics.duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "2019-04-08T22:25:55Z", "2019-04-09T00:25:55+02:00", "2019-04-08T22:25:55.000000000Z",
        "2019-04-08t22:25:55.0z", "2019-04-08T22:25:55.0000000009Z",
    ],
)  # fmt: skip
def test_times(text: str) -> None:
    assert metrics.instant(text) == 1554762355.0


@pytest.mark.parametrize("text", ["2019-04-08 22:25:55", "2019-04-08T22:25:55", "2019-13-08T22:25:55Z", 1554762355, ""])
def test_what_is_no_time(text: Any) -> None:
    with pytest.raises(Unreadable, match=f"^timestamp {re.escape(repr(text))} is no RFC 3339 time"):
        metrics.instant(text)


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (500, "Internal Server Error", "500 'Internal Server Error'"), (404, {}, "404 None"),
        (503, {"kind": "Status", "message": "no endpoints"}, "503 'no endpoints'"),
        (200, "<body>Welcome</body>", "'<body>Welcome</body>' is no JSON"), (200, [], r"\[\] is no JSON object"),
        (200, {}, "kind None, not TrafficMetricsList"),
        (200, {"kind": "PodMetricsList", "items": []}, "kind 'PodMetricsList', not TrafficMetricsList"),
        (200, {"kind": "TrafficMetricsList"}, "items is None, not a list"),
        (200, {"kind": "TrafficMetricsList", "items": {}}, r"items is \{\}, not a list"),
        (200, {"kind": "TrafficMetricsList", "items": [7]}, "7 is no object"),
        (200, {"kind": "TrafficMetricsList", "items": [{"kind": 1}]}, "an item has no resource: {'kind': 1}"),
    ],
)  # fmt: skip
def test_what_is_no_list(status: int, answer: Any, said: str) -> None:
    """What came instead is said: of an error its code and message."""
    with pytest.raises(Unreadable, match=f"^{said}"):
        metrics.items(status, answer)


def test_a_list_has_its_items_in_order() -> None:
    """Each with what it is about, its edge and its numbers."""
    other = body(resource={"kind": "Node", "name": "n1"}, edge={"direction": "to", "side": "client", "resource": POD})
    one, two = metrics.items(200, {"kind": "TrafficMetricsList", "items": [body(), other]})

    assert (one.resource, one.direction, one.side, one.peer) == (WEB, "from", "server", None)
    assert (two.resource, two.direction, two.side, two.peer) == (Reference("Node", "", "n1"), "to", "client", WEB)
    assert (one.resource.place, str(two.resource)) == (("shop", "web"), "Node/n1")
    assert two.body == other
    assert metrics.item(body(edge={"direction": "to"})).side is None
    assert metrics.item(body(edge={"direction": "to", "side": 7})).side == "7"
    assert str(Reference("", "", "")) == "nobody in particular"


def test_what_is_shown_is_cut_short() -> None:
    """At 80 characters, quotes and all."""
    assert metrics.shown("x" * 78) == repr("x" * 78)
    assert metrics.shown("x" * 79) == "'" + "x" * 79 + "..."
    assert metrics.quantity("0" * 79 + "7") == 7


@pytest.mark.parametrize("value", ["NaN", "-1", -1, "-5m", None, {"value": 1}])
def test_counts_that_are_none(value: Any) -> None:
    with pytest.raises(Unreadable):
        metrics.single(200, counted(value)).counts  # noqa: B018


def test_what_is_wrong_with_a_number_is_said_with_its_name_and_object() -> None:
    """Nothing counted is a count; what is missing or negative is not."""
    assert metrics.item(counted("0")).counts == (Decimal(0), Decimal(0))
    with pytest.raises(Unreadable, match=r"success_count of Pod/shop/web is -0\.005"):
        metrics.item(counted("-5m")).count("success_count")
    with pytest.raises(Unreadable, match="Pod/shop/web has no failure_count"):
        metrics.item(body(metrics=[])).count("failure_count")
    with pytest.raises(Unreadable, match="Pod/shop/web has no p90_response_latency"):
        metrics.item(body(metrics=[])).latency(90)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"edge": 5}, "the edge of Pod/shop/web is 5"),
        ({"edge": {"direction": "in"}}, "the direction of Pod/shop/web is 'in'"),
        ({"resource": None}, "an item has no resource: {"), ({"resource": "web"}, "'web' is no reference to an object"),
        ({"resource": {"name": 7}}, "{'name': 7} is no reference to an object"),
        ({"metrics": {}}, "Pod/shop/web: metrics of Pod/shop/web is {}, not a list"),
        ({"metrics": [{"value": "1"}]}, "Pod/shop/web: a metric of Pod/shop/web has no name: {'value': '1'}"),
        ({"metrics": [None]}, "Pod/shop/web: a metric of Pod/shop/web has no name: None"),
        ({"metrics": [{"name": "a", "value": "x"}]}, "Pod/shop/web: a of Pod/shop/web: 'x' is no quantity"),
        ({"metrics": [{"name": "a", "value": "1"}] * 2}, "Pod/shop/web: a metric of Pod/shop/web stands there twice"),
        ({"window": 30}, "Pod/shop/web: window 30 is no duration"),
        ({"timestamp": "yesterday"}, "Pod/shop/web: timestamp 'yesterday' is no RFC 3339 time"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_named_in_one_line(wrong: dict[str, Any], said: str) -> None:
    """With the object that it is about and what stands there."""
    (found,) = metrics.defects(body(**wrong))
    assert found.startswith(said)
    assert "\n" not in found


@pytest.mark.parametrize("blank", [None, {}])
def test_a_blank_peer(blank: Any) -> None:
    assert metrics.item(body(edge={"direction": "to", "resource": blank})).peer is None
    assert metrics.item(body(edge={"direction": "to"})).peer is None


@pytest.mark.parametrize(("unit", "said"), [(None, "None"), ("", "None"), ("minutes", "'minutes'"), (5, "'5'")])
def test_a_latency_without_a_unit_of_time_has_no_value(unit: Any, said: str) -> None:
    row = {"name": "p50_response_latency", "unit": unit, "value": "1"}
    with pytest.raises(Unreadable, match=f"unit of p50_response_latency of Pod/shop/web is {said}"):
        metrics.item(body(metrics=[row])).latency(50)


def test_a_latency_in_milliseconds() -> None:
    row = {"name": "p50_response_latency", "unit": "ms", "value": "296875m"}
    assert metrics.item(body(metrics=[row])).latency(50) == pytest.approx(0.296875)


@given(JUNK)
def test_junk_is_unreadable_and_nothing_worse(junk: Any) -> None:
    list(metrics.defects(junk))
    list(metrics.defects(body(metrics=junk, window=junk, timestamp=junk)))
    for answer in (junk, {"kind": "TrafficMetricsList", "items": junk}):
        try:
            metrics.items(200, answer)
        except Unreadable as error:
            assert len(str(error)) < 400  # noqa: PT017
