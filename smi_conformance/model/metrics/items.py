"""The objects of the API: TrafficMetrics, and what they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from smi_conformance.model.metrics.kinds import API_VERSION, KINDS
from smi_conformance.model.metrics.latency import percentile
from smi_conformance.model.metrics.traffic import Flows, Ref, Side, Tally

Json = dict[str, Any]
Direction = Literal["from", "to"]
PERCENTILES = (99, 90, 50)
UNIT = "seconds"


@dataclass(frozen=True)
class Reading:
    """The counts of one window. `timestamp` is its end in seconds since 1970, `window` its length in seconds."""

    flows: Flows
    timestamp: float
    window: float


def edge(direction: Direction, side: Side, peer: Ref | None = None) -> Json:
    """The edge of an item; without a peer it stands for all."""
    return {"direction": direction, "side": side, "resource": resource(peer) if peer else None}


def resource(ref: Ref) -> Json:
    """A reference to an object."""
    namespace = {"namespace": ref.namespace} if ref.namespace else {}
    return {"kind": KINDS[ref.plural].kind, **namespace, "name": ref.name}


def item(ref: Ref, about: Json, tally: Tally, reading: Reading) -> Json:
    """A TrafficMetrics of what was counted."""
    return traffic_metrics(ref, about, metrics(tally), reading.timestamp, reading.window)


def traffic_metrics(ref: Ref, about: Json, rows: list[Json], timestamp: float, window: float) -> Json:
    """A TrafficMetrics; `timestamp` in seconds since 1970, `window` in seconds."""
    namespace = {"namespace": ref.namespace} if ref.namespace else {}
    return {
        "kind": "TrafficMetrics",
        "apiVersion": API_VERSION,
        "metadata": {"name": ref.name, **namespace},
        "resource": resource(ref),
        "edge": about,
        "timestamp": instant(timestamp),
        "window": f"{window:g}s",
        "metrics": rows,
    }


def instant(timestamp: float) -> str:
    """Seconds since 1970 as RFC 3339, with milliseconds."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def metrics(tally: Tally) -> list[Json]:
    """The five metrics of the specification."""
    latencies = [(f"p{one}_response_latency", percentile(tally.latencies, one)) for one in PERCENTILES]
    return [
        *({"name": name, "unit": UNIT, "value": seconds(value)} for name, value in latencies),
        {"name": "success_count", "value": str(tally.success)},
        {"name": "failure_count", "value": str(tally.failure)},
    ]


def seconds(microseconds: int) -> str:
    """Microseconds as a quantity of seconds, in Kubernetes' canonical form: 10000 is 10m."""
    for scale, suffix in ((1_000_000, ""), (1_000, "m")):
        if microseconds % scale == 0:
            return f"{microseconds // scale}{suffix}"
    return f"{microseconds}u"
