"""Defects of the metrics of splits."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from smi_conformance.cluster.model.metrics import Item, Tally
from smi_conformance.cluster.model.split_edits import Splits
from smi_conformance.cluster.model.switchboard import METRICS, fault

SUCCESS, FAILURE = "success_count", "failure_count"


def count(item: Item, name: str) -> int:
    """The value of a count."""
    return next(int(metric["value"]) for metric in item["metrics"] if metric["name"] == name)


def with_count(item: Item, name: str, value: int) -> Item:
    """The same with another count."""
    metrics = [{**m, "value": str(value)} if m["name"] == name else m for m in item["metrics"]]
    return {**item, "metrics": metrics}


def backend(item: Item) -> dict[str, Any]:
    """The backend field."""
    found: dict[str, Any] = item["backend"]
    return found


@fault("TM-080/one-item-per-split", "there is one item for the whole split", METRICS)
def one_item_per_split(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    return items[:1]


@fault("TM-080/backend-missing", "the last backend has no item", METRICS)
def backend_missing(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    return items[:-1] if len(items) > 1 else items


@fault("TM-080/pods-not-backends", "there is one item per pod, and it has the pod's name", METRICS)
def pods_not_backends(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    return [{**one, "backend": {**backend(one), "name": pod}} for one in items[:1] for pod in sorted(tally.pods)]


@fault("TM-080/removed-backend-stays", "a backend that is taken out of the split stays listed", METRICS)
class RemovedBackendStays:
    """Remembers every item."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Item] = {}

    def __call__(self, items: list[Item], tally: Tally, split: Splits) -> list[Item]:
        self._known.update({(split.uid, backend(item)["name"]): item for item in items})
        return [item for (uid, _), item in self._known.items() if uid == split.uid]


@fault("TM-081/direct-calls-counted", "direct calls of a backend count as its share", METRICS)
def direct_calls_counted(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    direct = {name: counts[True] for name, counts in tally.direct.items()}
    return [with_count(item, SUCCESS, count(item, SUCCESS) + direct.get(backend(item)["name"], 0)) for item in items]


@fault("TM-081/weights-not-measured", "the total is spread by the weights and not as it was measured", METRICS)
def weights_not_measured(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    whole, total = sum(backend(item)["weight"] for item in items), sum(count(item, SUCCESS) for item in items)
    return [with_count(item, SUCCESS, total * backend(item)["weight"] // max(whole, 1)) for item in items]


@fault("TM-081/failures-misbooked", "the failures of the last backend are booked on the first", METRICS)
def failures_misbooked(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    if len(items) < 2:
        return items
    first = with_count(items[0], FAILURE, count(items[0], FAILURE) + count(items[-1], FAILURE))
    return [first, *items[1:-1], with_count(items[-1], FAILURE, 0)]


@fault("TM-082/edge-missing", "items have no edge", METRICS)
def edge_missing(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    return [{name: value for name, value in item.items() if name != "edge"} for item in items]


@fault("TM-082/side-server", "the side of the edge is server", METRICS)
def side_server(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    return [{**item, "edge": {**item["edge"], "side": "server"}} for item in items]


@fault("TM-082/resource-not-split", "the resource is the root Service", METRICS)
def resource_not_split(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    return [
        {**item, "resource": {**item["resource"], "kind": "Service", "name": split.thing.service}} for item in items
    ]


@fault("TM-083/weight-from-traffic", "the weight is computed from the traffic", METRICS)
def weight_from_traffic(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    total = sum(count(item, SUCCESS) for item in items) or 1
    return [
        {**item, "backend": {**backend(item), "weight": round(1000 * count(item, SUCCESS) / total)}} for item in items
    ]


@fault("TM-083/apex-name-swapped", "apex and name of the backend are swapped", METRICS)
def apex_name_swapped(items: list[Item], tally: Tally, split: Splits) -> list[Item]:
    named = [(item, backend(item)) for item in items]
    return [{**item, "backend": {**one, "apex": one["name"], "name": one["apex"]}} for item, one in named]


@fault("TM-083/weight-stale", "a weight stays as it was first", METRICS)
class WeightStale:
    """Remembers the first weight of each backend."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], int] = {}

    def __call__(self, items: list[Item], tally: Tally, split: Splits) -> list[Item]:
        made = deepcopy(items)
        for one in map(backend, made):
            one["weight"] = self._first.setdefault((split.uid, one["name"]), one["weight"])
        return made
