"""Defects of the metrics API: the numbers, their units and their time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smi_conformance.lab.mesh.faults_metrics import (
    FAILURE,
    LATENCIES,
    SUCCESS,
    count,
    each_metric,
    on_items,
    on_latencies,
    with_counts,
)
from smi_conformance.lab.mesh.model import Json
from smi_conformance.lab.mesh.switchboard import fault
from smi_conformance.model.metrics.answers import Ask
from smi_conformance.model.metrics.items import seconds
from smi_conformance.model.metrics.traffic import Flow, Flows, Tally, total

SUFFIXES = {"u": 1, "m": 1_000}


def micro(value: str) -> int:
    """A latency in microseconds."""
    return int(value[:-1]) * SUFFIXES[value[-1]] if value[-1] in SUFFIXES else int(value) * 1_000_000


def scaled(factor: float) -> Callable[[Json], Json]:
    """A latency with another value."""
    return lambda metric: {**metric, "value": seconds(round(micro(metric["value"]) * factor))}


@on_latencies("TM-032/unit-missing", "latencies have no unit")
def unit_missing(metric: Json) -> Json:
    return {key: value for key, value in metric.items() if key != "unit"}


@on_latencies("TM-032/unit-differs", "p99 is in milliseconds, the others in seconds")
def unit_differs(metric: Json) -> Json:
    return {**scaled(1000)(metric), "unit": "milliseconds"} if metric["name"].startswith("p99") else metric


@on_latencies("TM-037/unit-ms", "latencies are in milliseconds")
def unit_ms(metric: Json) -> Json:
    return {**scaled(1000)(metric), "unit": "ms"}


@on_latencies("TM-037/unit-abbreviated", "the unit is s")
def unit_abbreviated(metric: Json) -> Json:
    return {**metric, "unit": "s"}


on_latencies("TM-032/scaled-for-other-unit", "values are milliseconds and the unit says seconds")(scaled(1000))
on_latencies("TM-034/unit-off-by-1000", "values are a thousandth of what they should be")(scaled(0.001))


@on_latencies("TM-034/constant-or-zero", "all latencies are one millisecond")
def constant(metric: Json) -> Json:
    return {**metric, "value": "1m"}


def swapped(one: Json) -> Json:
    """p99 and p50 exchanged."""
    values = {metric["name"]: metric["value"] for metric in one["metrics"]}
    other = {LATENCIES[0]: values[LATENCIES[2]], LATENCIES[2]: values[LATENCIES[0]]}
    return each_metric(one, lambda metric: {**metric, "value": other.get(metric["name"], metric["value"])})


@on_items("TM-033/percentiles-swapped", "p50 and p99 are swapped")
def percentiles_swapped(one: Json, ask: Ask) -> Json:
    return swapped(one)


@on_items("TM-033/order-broken-on-edges", "p50 and p99 of edges are swapped")
def order_broken_on_edges(one: Json, ask: Ask) -> Json:
    return swapped(one) if ask.subresource else one


@on_items("TM-034/percentiles-equal", "all percentiles are p50")
def percentiles_equal(one: Json, ask: Ask) -> Json:
    median = next(metric["value"] for metric in one["metrics"] if metric["name"] == LATENCIES[2])
    return each_metric(one, lambda metric: {**metric, "value": median} if metric["name"] in LATENCIES else metric)


@on_items("TM-035/rate-for-count", "counts are per second")
def rate_for_count(one: Json, ask: Ask) -> Json:
    window = float(one["window"].removesuffix("s"))
    return with_counts(one, round(count(one, SUCCESS) / window), round(count(one, FAILURE) / window))


@fault("TM-035/counted-twice", "every request counts twice", "counted")
def counted_twice(flows: Flows, ask: Ask) -> Flows:
    return {flow: total([tally, tally]) for flow, tally in flows.items()}


class SinceSwitchedOn:
    """Remembers everything that was counted."""

    def __init__(self) -> None:
        self._all: dict[Flow, Tally] = {}

    def __call__(self, first: Any, second: Any) -> Any:
        if isinstance(first, Flow):
            self._all.setdefault(first, Tally()).add(second)
            return None
        # What was there before the defect was is in no sum.
        return {**first, **self._all}


for name, text in (
    ("TM-035/all-time-total", "counts are those since the beginning"),
    ("TM-039/counts-accumulate", "counts accumulate"),
):
    # A class of its own for each, so that each remembers by itself.
    kept = type(name, (SinceSwitchedOn,), {})
    fault(name, text, "noted")(kept)
    fault(name, text, "counted")(kept)


@fault("TM-035/http2-uncounted", "requests over HTTP/2 are not counted", "counted")
def http2_uncounted(flows: Flows, ask: Ask) -> Flows:
    return {flow: tally for flow, tally in flows.items() if flow.protocol != "HTTP/2"}


@fault("TM-035/one-pod-uncounted", "what the last of several pods received is not counted", "counted")
def one_pod_uncounted(flows: Flows, ask: Ask) -> Flows:
    owned: dict[Any, set[Any]] = {}
    for member in {flow.destination for flow in flows if flow.destination}:
        for owner in member.of("replicasets"):
            owned.setdefault(owner, set()).add(member.pod)
    lost = {max(pods) for pods in owned.values() if len(pods) > 1}
    return {f: t for f, t in flows.items() if f.side != "server" or not f.destination or f.destination.pod not in lost}


@on_items("TM-036/failures-as-success", "failures count as success")
def failures_as_success(one: Json, ask: Ask) -> Json:
    return with_counts(one, count(one, SUCCESS) + count(one, FAILURE), 0)


@on_items("TM-036/counts-swapped", "the two counts are swapped")
def counts_swapped(one: Json, ask: Ask) -> Json:
    return with_counts(one, count(one, FAILURE), count(one, SUCCESS))


@on_items("TM-036/failures-missing", "failures are not counted")
def failures_missing(one: Json, ask: Ask) -> Json:
    return with_counts(one, count(one, SUCCESS), 0)


@on_items("TM-036/total-as-success", "success_count is the sum of both")
def total_as_success(one: Json, ask: Ask) -> Json:
    return with_counts(one, count(one, SUCCESS) + count(one, FAILURE), count(one, FAILURE))


@on_items("TM-038/timestamp-constant", "the timestamp is always the same")
def timestamp_constant(one: Json, ask: Ask) -> Json:
    return {**one, "timestamp": "2019-04-08T22:25:55Z"}


@on_items("TM-038/epoch-number", "the timestamp is a number")
def epoch_number(one: Json, ask: Ask) -> Json:
    return {**one, "timestamp": 1_554_762_355}


@fault("TM-039/last-values-kept", "what is not counted any more keeps its last values", "counted")
class LastValuesKept:
    """Remembers the last counts of everything."""

    def __init__(self) -> None:
        self._last: dict[Flow, Tally] = {}

    def __call__(self, flows: Flows, ask: Ask) -> Flows:
        self._last |= flows
        return self._last


@on_items("TM-041/window-not-covered", "the window is said to be a third of what it is")
def window_not_covered(one: Json, ask: Ask) -> Json:
    return {**one, "window": f"{float(one['window'].removesuffix('s')) / 3:g}s"}


@on_items("TM-041/bare-seconds", "the window is a number")
def bare_seconds(one: Json, ask: Ask) -> Json:
    return {**one, "window": one["window"].removesuffix("s")}
