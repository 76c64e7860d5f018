"""What an answer of the metrics API says (metrics.smi-spec.io/v1alpha1): read strictly, and never trusted.

An answer that cannot be read is the mesh's failure: `Unreadable` says in one line what is wrong with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

PERCENTILES = {50: "p50_response_latency", 90: "p90_response_latency", 99: "p99_response_latency"}
COUNTS = ("success_count", "failure_count")
UNITS = {"s": 1.0, "seconds": 1.0, "ms": 0.001, "milliseconds": 0.001}
_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)")
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
SHOWN = 80


class Unreadable(ValueError):
    """An answer is not what the specification shows."""


@dataclass(frozen=True)
class Reference:
    """The object that an item is about, or its peer. An empty text: the field is blank or absent."""

    kind: str
    namespace: str
    name: str

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    def __str__(self) -> str:
        return "/".join(word for word in (self.kind, self.namespace, self.name) if word) or "nobody in particular"


@dataclass(frozen=True)
class Metric:
    """One metric of an item."""

    value: Decimal
    unit: str | None


@dataclass(frozen=True)
class Item:
    """A TrafficMetrics object. `peer` is None where the edge is with nobody in particular."""

    resource: Reference
    direction: str
    side: str | None
    peer: Reference | None
    body: Mapping[str, Any]

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics by name. Raises Unreadable when one has no value, or stands there twice."""
        rows = self.body.get("metrics")
        if not isinstance(rows, list):
            raise Unreadable(f"metrics of {self.resource} is {shown(rows)}, not a list")
        found = dict(_metric(row, self.resource) for row in rows)
        if len(found) < len(rows):
            raise Unreadable(f"a metric of {self.resource} stands there twice")
        return found

    def count(self, name: str) -> Decimal:
        """The value of success_count or failure_count. Raises Unreadable when there is none, or it is negative."""
        metric = self.metrics.get(name)
        if metric is None:
            raise Unreadable(f"{self.resource} has no {name}")
        if metric.value < 0:
            raise Unreadable(f"{name} of {self.resource} is {metric.value}")
        return metric.value

    @property
    def counts(self) -> tuple[Decimal, Decimal]:
        """Successes and failures. Raises Unreadable."""
        return self.count(COUNTS[0]), self.count(COUNTS[1])

    def latency(self, percent: int) -> float:
        """A percentile in seconds, by the unit that it states. Raises Unreadable."""
        metric = self.metrics.get(PERCENTILES[percent])
        if metric is None:
            raise Unreadable(f"{self.resource} has no {PERCENTILES[percent]}")
        if metric.unit not in UNITS:
            raise Unreadable(f"the unit of {PERCENTILES[percent]} of {self.resource} is {shown(metric.unit)}")
        return float(metric.value) * UNITS[metric.unit]

    @property
    def window(self) -> float:
        """Seconds that the numbers refer to. Raises Unreadable."""
        return duration(self.body.get("window"))

    @property
    def timestamp(self) -> float:
        """Unix time of the numbers. Raises Unreadable."""
        return instant(self.body.get("timestamp"))


def shown(value: object) -> str:
    """A value as a message shows it, cut short."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def quantity(value: object) -> Decimal:
    """The value of a Kubernetes quantity: a text or a whole number. Raises Unreadable."""
    if type(value) is int:
        return Decimal(value)
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) and len(value) <= SHOWN else None
    if match is None:
        raise Unreadable(f"{shown(value)} is no quantity")
    number, exponent, suffix = match.groups()
    if suffix in _BINARY:
        return Decimal(number) * Decimal(2) ** _BINARY[suffix]
    return Decimal(number).scaleb(int(exponent) if exponent else _SUFFIXES[suffix or ""])


def duration(value: object) -> float:
    """Seconds of a duration as Go writes it, above 0. Raises Unreadable."""
    parts = _DURATION.findall(value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise Unreadable(f"window {shown(value)} is no duration such as 30s")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not 0 < seconds < math.inf:
        raise Unreadable(f"window {shown(value)} is not above 0")
    return seconds


def instant(value: object) -> float:
    """Unix time of an RFC 3339 time. Raises Unreadable."""
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).timestamp()
        except (ValueError, OverflowError):
            pass
    raise Unreadable(f"timestamp {shown(value)} is no RFC 3339 time")


def item(body: object) -> Item:
    """What an object of kind TrafficMetrics is about. Raises Unreadable."""
    if not isinstance(body, Mapping):
        raise Unreadable(f"{shown(body)} is no object")
    resource, edge = reference(body.get("resource")), body.get("edge")
    if resource is None:
        raise Unreadable(f"an item has no resource: {shown(body)}")
    if not isinstance(edge, Mapping):
        raise Unreadable(f"the edge of {resource} is {shown(edge)}")
    direction, side = edge.get("direction"), edge.get("side")
    if direction not in ("to", "from"):
        raise Unreadable(f"the direction of {resource} is {shown(direction)}")
    peer = reference(edge.get("resource"))
    return Item(resource, str(direction), side if side is None else str(side), peer, body)


def reference(value: object) -> Reference | None:
    """An object reference; None for a blank one: absent, null or empty. Raises Unreadable."""
    if value is None or value == {}:
        return None
    if not isinstance(value, Mapping):
        raise Unreadable(f"{shown(value)} is no reference to an object")
    words = [value.get(field) or "" for field in ("kind", "namespace", "name")]
    if not all(isinstance(word, str) for word in words):
        raise Unreadable(f"{shown(value)} is no reference to an object")
    return Reference(*words)


def items(status: int, body: object) -> list[Item]:
    """The items of a list. Raises Unreadable."""
    return [item(one) for one in listed(status, body)["items"]]


def listed(status: int, body: object) -> Mapping[str, Any]:
    """A TrafficMetricsList. Raises Unreadable."""
    found = _answered(status, body, "TrafficMetricsList")
    if not isinstance(found.get("items"), list):
        raise Unreadable(f"items is {shown(found.get('items'))}, not a list")
    return found


def single(status: int, body: object) -> Item:
    """One TrafficMetrics. Raises Unreadable."""
    return item(_answered(status, body, "TrafficMetrics"))


def _answered(status: int, body: object, kind: str) -> Mapping[str, Any]:
    if status != 200:
        text = body.get("message") if isinstance(body, Mapping) else body
        raise Unreadable(f"{status} {shown(text)}")
    if not isinstance(body, Mapping):
        raise Unreadable(f"{shown(body)} is no JSON object")
    if body.get("kind") != kind:
        raise Unreadable(f"kind {shown(body.get('kind'))}, not {kind}")
    return body


def defects(body: object) -> Iterator[str]:
    """Everything that is wrong with the shape of one TrafficMetrics, a line each."""
    try:
        found = item(body)
    except Unreadable as error:
        yield str(error)
        return
    for what in ("metrics", "window", "timestamp"):
        try:
            getattr(found, what)
        except Unreadable as error:
            yield f"{found.resource}: {error}"


def _metric(row: object, about: Reference) -> tuple[str, Metric]:
    if not isinstance(row, Mapping) or not isinstance(row.get("name"), str):
        raise Unreadable(f"a metric of {about} has no name: {shown(row)}")
    try:
        value = quantity(row.get("value"))
    except Unreadable as error:
        raise Unreadable(f"{row['name']} of {about}: {error}") from error
    unit = row.get("unit")
    return row["name"], Metric(value, None if unit in (None, "") else str(unit))
