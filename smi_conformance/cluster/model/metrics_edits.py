"""Small questions about metrics and changes to them, from which faults are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from smi_conformance.cluster.model.metrics import Context
from smi_conformance.model.metrics.answers import Ask
from smi_conformance.model.metrics.items import Json
from smi_conformance.model.metrics.traffic import Flow, Flows, Member, Ref, Tally, total

SUCCESS, FAILURE = "success_count", "failure_count"
COUNTS = (SUCCESS, FAILURE)
P50, P90, P99 = (f"p{percent}_response_latency" for percent in (50, 90, 99))
LATENCIES = (P50, P90, P99)
Items = list[Json]
Metric = dict[str, Any]


def metrics_of(item: Json) -> dict[str, Metric]:
    """The metrics of an item by name."""
    return {metric["name"]: metric for metric in item["metrics"]}


def with_metrics(item: Json, change: Callable[[Metric], Metric | None]) -> Json:
    """An item whose metrics are changed, each by itself; None takes one away."""
    changed = [change(dict(metric)) for metric in item["metrics"]]
    return {**item, "metrics": [metric for metric in changed if metric]}


def each_metric(items: Items, change: Callable[[Metric], Metric | None]) -> Items:
    """The same for all items."""
    return [with_metrics(item, change) for item in items]


def count(item: Json, name: str) -> int:
    """The value of a count."""
    return int(metrics_of(item)[name]["value"])


def with_values(item: Json, values: Mapping[str, int | str]) -> Json:
    """An item with other values of some metrics."""
    return with_metrics(item, lambda m: {**m, "value": str(values[m["name"]])} if m["name"] in values else m)


def seconds_of(item: Json, name: str) -> Decimal:
    """A latency in seconds."""
    value = str(metrics_of(item)[name]["value"])
    scale = {"m": -3, "u": -6}.get(value[-1:], 0)
    return Decimal(value.rstrip("mu")).scaleb(scale)


def scaled(item: Json, factor: Decimal | int) -> Json:
    """An item whose latencies are so many times as long."""
    return with_values(item, {name: f"{int(seconds_of(item, name) * factor * 1_000_000)}u" for name in LATENCIES})


def with_edge(item: Json, **fields: Any) -> Json:
    """An item with other fields of its edge."""
    return {**item, "edge": {**item["edge"], **fields}}


def only(flows: Flows, keep: Callable[[Flow], bool]) -> Flows:
    """Some of the counts."""
    return {flow: tally for flow, tally in flows.items() if keep(flow)}


def moved(flows: Iterable[tuple[Flow, Tally]]) -> Flows:
    """Counts under other flows; what comes together is added up."""
    sums: dict[Flow, Tally] = {}
    for flow, tally in flows:
        sums[flow] = total([sums[flow], tally]) if flow in sums else tally
    return sums


def members(flows: Flows) -> set[Member]:
    """All pods at the ends of flows."""
    return {end for flow in flows for end in (flow.source, flow.destination) if end}


def without_parts(member: Member, drop: Callable[[Ref], bool]) -> Member:
    """A pod that is part of fewer objects."""
    return replace(member, parts=frozenset(ref for ref in member.parts if not drop(ref)))


def each_member(flows: Flows, change: Callable[[Member], Member]) -> Flows:
    """Counts of changed pods."""
    return moved(
        (
            flow._replace(
                source=flow.source and change(flow.source), destination=flow.destination and change(flow.destination)
            ),
            tally,
        )
        for flow, tally in flows.items()
    )


def lists(ask: Ask) -> bool:
    """Whether a list of a kind is asked for."""
    return bool(ask.plural) and not ask.name


def is_edges(ask: Ask) -> bool:
    """Whether edges are asked for."""
    return ask.subresource == "edges"


def peers(items: Items) -> Iterator[Json]:
    """The peers of edges."""
    return (item["edge"]["resource"] for item in items if item["edge"].get("resource"))


__all__ = ["Context"]
