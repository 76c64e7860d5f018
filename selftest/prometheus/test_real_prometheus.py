"""Numbers of a real Prometheus through the adapter, by the queries of the profile of Open Service Mesh."""

from __future__ import annotations

import pytest

from selftest.prometheus.conftest import WINDOW, Reader, behind
from selftest.prometheus.exporter import End, Exporter
from smi_conformance.cluster.port import ClusterError
from smi_conformance.judge.latencies import Span, holds, interval
from smi_conformance.meshes.numbers import Prometheus
from smi_conformance.meshes.profile import load

FRONT, BACK, OTHER = End("shop", "front", "front-1"), End("shop", "back", "back-1"), End("other-shop", "back", "back-1")
RESOLUTION = 5.0


def test_a_closed_burst_is_counted_to_the_request(exporter: Exporter, reader: Reader) -> None:
    """Whole numbers, also of series that were not there before; and after the window nothing is left."""
    exporter.sent(FRONT, BACK, 231)
    exporter.sent(FRONT, BACK, 57, code=503)
    exporter.sent(FRONT, BACK, 12, code=404)
    exporter.sent(FRONT, OTHER, 61)
    reader.becomes("namespaces/shop/pods", {("from", "back-1"): (243, 57), ("to", "front-1"): (304, 57)})
    assert reader.counts("namespaces/other-shop/pods") == {("from", "back-1"): (61, 0)}
    assert reader.counts("namespaces/shop/pods/back-1/edges") == {("from", "front-1"): (243, 57)}
    assert reader.counts("namespaces") == {
        ("from", "shop"): (243, 57),
        ("from", "other-shop"): (61, 0),
        ("to", "shop"): (304, 57),
    }
    peers = {(one.direction, str(one.peer)) for one in reader.items("namespaces/shop/pods/front-1/edges")}
    assert peers == {("to", "Pod/shop/back-1"), ("to", "Pod/other-shop/back-1")}
    reader.becomes("pods", {})


def test_a_double_count_shows(exporter: Exporter, reader: Reader) -> None:
    """The adapter does not mend what a mesh tells."""
    exporter.factor = 2
    exporter.sent(FRONT, BACK, 100)
    reader.becomes("pods", {("from", "back-1"): (200, 0), ("to", "front-1"): (200, 0)})


def test_numbers_are_those_of_the_window(exporter: Exporter, reader: Reader) -> None:
    """What was counted before has left; what comes later is counted alone."""
    exporter.sent(FRONT, BACK, 40)
    reader.becomes("namespaces/shop/pods", {("from", "back-1"): (40, 0), ("to", "front-1"): (40, 0)})
    reader.becomes("namespaces/shop/pods", {})
    exporter.sent(FRONT, BACK, 7, code=500)
    reader.becomes("namespaces/shop/pods", {("from", "back-1"): (0, 7), ("to", "front-1"): (0, 7)})


def test_percentiles_lie_where_they_have_to(exporter: Exporter, reader: Reader) -> None:
    """By the buckets of Envoy, and the judge's own bounds."""
    exporter.sent(FRONT, BACK, 90, took=2.0)
    exporter.sent(FRONT, BACK, 10, took=400.0)
    reader.becomes("namespaces/shop/pods", {("from", "back-1"): (100, 0), ("to", "front-1"): (100, 0)})
    (item,) = [one for one in reader.items("namespaces/shop/pods") if one.direction == "from"]
    spans = [*[Span(0.002, 0.002)] * 90, *[Span(0.4, 0.4)] * 10]
    for percent in (50, 90, 99):
        within = interval(spans, percent, RESOLUTION)
        assert holds(item.latency(percent), within), (percent, item.latency(percent), within)
    assert item.latency(50) < 0.01 < item.latency(99)
    assert item.window == WINDOW


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("sum by ($by) (osm_request_total[$window]", "bad_data: .*parse error: unclosed left parenthesis"),
        ("sum by ($by) (rate(x[$window])) and on() vector(1) > bool 0 or time()", "bad_data"),
        ("osm_request_total[$window] # $by", "the result is a matrix, not a vector"),
        ("sum by ($by, response_code) (osm_request_total offset 1ms) # $window", "several series for"),
    ],
)
def test_a_query_that_does_not_fit_is_told_as_it_is(exporter: Exporter, address: str, query: str, told: str) -> None:
    """By the Prometheus' own word, and never held against the mesh."""
    osm = load("osm").prometheus
    assert osm
    exporter.sent(FRONT, BACK, 3)
    exporter.sent(FRONT, BACK, 2, code=500)
    changed = {**osm.model_dump(), "window": WINDOW}
    with behind(Prometheus.model_validate(changed), address) as good:
        good.becomes("namespaces/shop/pods", {("from", "back-1"): (3, 2), ("to", "front-1"): (3, 2)})
    changed["queries"] = {**osm.queries, "success_count": query}
    with behind(Prometheus.model_validate(changed), address) as bad, pytest.raises(ClusterError, match=told):
        bad.items("pods")


def test_what_is_no_prometheus_is_told_as_it_is(address: str) -> None:
    """Another path of the same server answers with a page."""
    osm = load("osm").prometheus
    assert osm
    with (
        behind(osm, f"{address}/nothing") as other,
        pytest.raises(ClusterError, match="no answer of a Prometheus, but"),
    ):
        other.items("pods")
