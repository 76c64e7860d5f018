"""Defects of the objects of the metrics API: their shape, their counts and their latencies."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from smi_conformance.cluster.model.metrics import Context
from smi_conformance.cluster.model.metrics_edits import (
    COUNTS,
    FAILURE,
    LATENCIES,
    P50,
    P90,
    P99,
    SUCCESS,
    Items,
    Metric,
    count,
    each_metric,
    is_edges,
    metrics_of,
    only,
    scaled,
    with_edge,
    with_metrics,
    with_values,
)
from smi_conformance.cluster.model.switchboard import COUNTED, LISTED, NOTED, fault
from smi_conformance.cluster.model.traffic import EPOCH
from smi_conformance.model.metrics.answers import Ask
from smi_conformance.model.metrics.items import Json
from smi_conformance.model.metrics.traffic import Flows, Tally, total
from smi_conformance.model.oracle import Request

EVER = 1e6  # seconds
Change = Callable[[Items, Ask, Context], Items]


def each(change: Callable[[Json], Json]) -> Change:
    """A change of every item by itself."""
    return lambda items, ask, context: [change(item) for item in items]


def each_of(change: Callable[[Metric], Metric | None]) -> Change:
    """A change of every metric by itself."""
    return lambda items, ask, context: each_metric(items, change)


def without(item: Json, field: str) -> Json:
    """An item that lacks a field."""
    return {name: value for name, value in item.items() if name != field}


# Shape


@fault("TM-030/edge-missing", "items have no edge", LISTED)
@each
def edge_missing(item: Json) -> Json:
    return without(item, "edge")


@fault("TM-030/value-not-quantity", "values are objects", LISTED)
@each_of
def value_not_quantity(metric: Metric) -> Metric:
    return {**metric, "value": {"amount": metric["value"]}}


@fault("TM-030/metrics-is-map", "metrics is a map", LISTED)
@each
def metrics_is_map(item: Json) -> Json:
    return {**item, "metrics": {name: metric["value"] for name, metric in metrics_of(item).items()}}


@fault("TM-030/duplicate-names", "a metric stands there twice", LISTED)
@each
def duplicate_names(item: Json) -> Json:
    return {**item, "metrics": [*item["metrics"], item["metrics"][-1]]}


@fault("TM-031/failure-count-missing", "failure_count is left out when it is zero", LISTED)
@each_of
def failure_count_missing(metric: Metric) -> Metric | None:
    return None if (metric["name"], metric["value"]) == (FAILURE, "0") else metric


@fault("TM-031/percentile-missing", "there is no p90", LISTED)
@each_of
def percentile_missing(metric: Metric) -> Metric | None:
    return None if metric["name"] == P90 else metric


@fault("TM-031/names-differ", "names are spelled with hyphens", LISTED)
@each_of
def names_differ(metric: Metric) -> Metric:
    return {**metric, "name": metric["name"].replace("_", "-")}


@fault("TM-031/missing-on-second-item", "only the first item of a list carries all five", LISTED)
def missing_on_second_item(items: Items, ask: Ask, context: Context) -> Items:
    return [*items[:1], *each_metric(items[1:], lambda m: m if m["name"] in COUNTS else None)]


# Latencies


@fault("TM-032/unit-missing", "latencies state no unit", LISTED)
@each_of
def unit_missing(metric: Metric) -> Metric:
    return {name: value for name, value in metric.items() if name != "unit"}


@fault("TM-032/scaled-for-other-unit", "latencies are milliseconds and said to be seconds", LISTED)
@each
def scaled_for_other_unit(item: Json) -> Json:
    return scaled(item, 1000)


@fault("TM-032/unit-differs", "p99 is told in milliseconds, the others in seconds", LISTED)
@each
def unit_differs(item: Json) -> Json:
    in_ms = metrics_of(scaled(item, 1000))[P99] | {"unit": "ms"}
    return with_metrics(item, lambda m: in_ms if m["name"] == P99 else m)


def swapped(item: Json, one: str, other: str) -> Json:
    """An item with two values exchanged."""
    found = metrics_of(item)
    return with_values(item, {one: found[other]["value"], other: found[one]["value"]})


@fault("TM-033/percentiles-swapped", "p50 and p99 are exchanged", LISTED)
@each
def percentiles_swapped(item: Json) -> Json:
    return swapped(item, P50, P99)


@fault("TM-033/order-broken-on-edges", "p50 and p99 are exchanged on edges", LISTED)
def order_broken_on_edges(items: Items, ask: Ask, context: Context) -> Items:
    return [swapped(item, P50, P99) for item in items] if is_edges(ask) else items


@fault("TM-034/constant-or-zero", "latencies are constant", LISTED)
@each
def constant_or_zero(item: Json) -> Json:
    return with_values(item, {P50: "10m", P90: "20m", P99: "30m"})


@fault("TM-034/unit-off-by-1000", "latencies are microseconds and said to be milliseconds", LISTED)
@each
def unit_off_by_1000(item: Json) -> Json:
    return scaled(item, 1000)


@fault("TM-034/percentiles-equal", "all percentiles are the p90", LISTED)
@each
def percentiles_equal(item: Json) -> Json:
    middle = str(metrics_of(item)[P90]["value"])
    return with_values(item, dict.fromkeys(LATENCIES, middle))


@fault("TM-037/unit-ms", "latencies are told in ms", LISTED)
@each
def unit_ms(item: Json) -> Json:
    return with_metrics(scaled(item, 1000), lambda m: {**m, "unit": "ms"} if m["name"] in LATENCIES else m)


@fault("TM-037/unit-abbreviated", "the unit is written as s", LISTED)
@each_of
def unit_abbreviated(metric: Metric) -> Metric:
    return {**metric, "unit": "s"} if "unit" in metric else metric


# Counts


def with_counts(item: Json, success: int | str, failure: int | str) -> Json:
    """An item with other counts."""
    return with_values(item, {SUCCESS: success, FAILURE: failure})


@fault("TM-035/rate-for-count", "counts are requests per second", LISTED)
def rate_for_count(items: Items, ask: Ask, context: Context) -> Items:
    window = Decimal(str(context.metrics.span.window))
    rates = [(item, [f"{int(1000 * count(item, name) / window)}m" for name in COUNTS]) for item in items]
    return [with_counts(item, *rate) for item, rate in rates]


@fault("TM-035/counted-twice", "requests are counted at both sides and doubled", LISTED)
@each
def counted_twice(item: Json) -> Json:
    return with_counts(item, 2 * count(item, SUCCESS), 2 * count(item, FAILURE))


@fault("TM-035/all-time-total", "counts are totals since the start", COUNTED)
def all_time_total(flows: Flows, ask: Ask, context: Context) -> Flows:
    return context.flows(EVER)


fault("TM-039/counts-accumulate", "counts are totals since the start", COUNTED)(all_time_total)


@fault("TM-035/http2-uncounted", "HTTP/2 requests are not counted", COUNTED)
def http2_uncounted(flows: Flows, ask: Ask, context: Context) -> Flows:
    return only(flows, lambda flow: flow.protocol != "HTTP/2")


@fault("TM-035/one-pod-uncounted", "requests to the last of several pods are not counted", NOTED)
def one_pod_uncounted(kept: bool, request: Request, server: str, context: Context) -> bool:
    service = request.service
    pods = sorted(pod.key.name for pod in context.world.pods_of(service)) if service else []
    return kept and not (len(pods) > 1 and server == pods[-1])


@fault("TM-036/failures-as-success", "failures are counted as success", LISTED)
@each
def failures_as_success(item: Json) -> Json:
    return with_counts(item, count(item, SUCCESS) + count(item, FAILURE), 0)


@fault("TM-036/counts-swapped", "the counts are exchanged", LISTED)
@each
def counts_swapped(item: Json) -> Json:
    return swapped(item, SUCCESS, FAILURE)


@fault("TM-036/failures-missing", "failed requests are in neither count", LISTED)
@each
def failures_missing(item: Json) -> Json:
    return with_counts(item, count(item, SUCCESS), 0)


@fault("TM-036/total-as-success", "success_count is the total", LISTED)
@each
def total_as_success(item: Json) -> Json:
    return with_counts(item, count(item, SUCCESS) + count(item, FAILURE), count(item, FAILURE))


# Time


@fault("TM-038/timestamp-constant", "the timestamp is that of the first answer", LISTED)
class TimestampConstant:
    """Remembers the first timestamp."""

    def __init__(self) -> None:
        self._first: str | None = None

    def __call__(self, items: Items, ask: Ask, context: Context) -> Items:
        for item in items:
            self._first = self._first or item["timestamp"]
        return [{**item, "timestamp": self._first} for item in items]


@fault("TM-038/epoch-number", "the timestamp is a number", LISTED)
def epoch_number(items: Items, ask: Ask, context: Context) -> Items:
    return [{**item, "timestamp": int(EPOCH + context.now)} for item in items]


@fault("TM-039/last-values-kept", "the last counts are kept for ever", COUNTED)
class LastValuesKept:
    """Remembers the last counts of each flow."""

    def __init__(self) -> None:
        self._last: dict[Any, Tally] = {}

    def __call__(self, flows: Flows, ask: Ask, context: Context) -> Flows:
        for flow, tally in flows.items():
            self._last[flow] = total([tally])
        return dict(self._last)


@fault("TM-041/window-not-covered", "counts cover half of the window that is told", COUNTED)
def window_not_covered(flows: Flows, ask: Ask, context: Context) -> Flows:
    return context.flows(context.metrics.span.window / 2)


@fault("TM-041/bare-seconds", "the window is a bare number", LISTED)
@each
def bare_seconds(item: Json) -> Json:
    return {**item, "window": item["window"].removesuffix("s")}


# Sides


@fault("TM-053/side-empty", "the side is an empty text", LISTED)
@each
def side_empty(item: Json) -> Json:
    return with_edge(item, side="")


@fault("TM-053/side-other-value", "the side is inbound or outbound", LISTED)
@each
def side_other_value(item: Json) -> Json:
    return with_edge(item, side="inbound" if item["edge"]["direction"] == "from" else "outbound")


@fault("TM-055/side-missing", "items tell no side", LISTED)
@each
def side_missing(item: Json) -> Json:
    return {**item, "edge": without(item["edge"], "side")}


@fault("TM-055/side-missing-on-edges", "edges tell no side", LISTED)
def side_missing_on_edges(items: Items, ask: Ask, context: Context) -> Items:
    return [{**i, "edge": without(i["edge"], "side")} for i in items] if is_edges(ask) else items
