"""Defects of the metrics of splits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smi_conformance.lab.mesh.faults_metrics import FAILURE, SUCCESS, count, with_counts
from smi_conformance.lab.mesh.model import Json
from smi_conformance.lab.mesh.switchboard import fault
from smi_conformance.model.metrics.answers import Ask
from smi_conformance.model.metrics.items import metrics
from smi_conformance.model.metrics.kinds import SPLITS
from smi_conformance.model.metrics.traffic import Flows, Tally

Items = list[Json]
Change = Callable[[Items], Items]


def on_splits(name: str, text: str) -> Callable[[Change], Change]:
    """Register a change of the items of each split."""

    def register(change: Change) -> Change:
        def changed(items: Items, ask: Ask) -> Items:
            return [one for group in by_split(items) for one in change(group)] if ask.plural == SPLITS else items

        fault(name, text, "listed")(changed)
        return change

    return register


def by_split(items: Items) -> list[Items]:
    """The items of each split."""
    groups: dict[tuple[str, str], Items] = {}
    for one in items:
        groups.setdefault((one["resource"]["namespace"], one["resource"]["name"]), []).append(one)
    return list(groups.values())


@on_splits("TM-080/one-item-per-split", "there is one item for the whole split")
def one_item_per_split(items: Items) -> Items:
    return items[:1]


@on_splits("TM-080/backend-missing", "the last backend has no item")
def backend_missing(items: Items) -> Items:
    return items[:-1] if len(items) > 1 else items


@fault("TM-080/pods-not-backends", "there is one item per pod, and it has the pod's name", "counted")
@fault("TM-080/pods-not-backends", "there is one item per pod, and it has the pod's name", "listed")
class PodsNotBackends:
    """Remembers the counts."""

    def __init__(self) -> None:
        self._flows: Flows = {}

    def __call__(self, first: Any, ask: Ask) -> Any:
        if not isinstance(first, list):
            self._flows = first
            return first
        return [one for group in by_split(first) for one in self._pods(group[0])] if ask.plural == SPLITS else first

    def _pods(self, one: Json) -> Items:
        place = (one["resource"]["namespace"], one["resource"]["name"])
        pods: dict[str, Tally] = {}
        for flow, tally in self._flows.items():
            if flow.split and flow.destination and tuple(flow.split[1:]) == place:
                pods.setdefault(flow.destination.pod.name, Tally()).add(tally)
        named = sorted(pods.items())
        return [{**one, "backend": {**one["backend"], "name": pod}, "metrics": metrics(tally)} for pod, tally in named]


@fault("TM-080/removed-backend-stays", "a backend that is taken out of the split stays listed", "listed")
class RemovedBackendStays:
    """Remembers every item."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, Json]] = {}

    def __call__(self, items: Items, ask: Ask) -> Items:
        return [one for group in by_split(items) for one in self._all(group)] if ask.plural == SPLITS else items

    def _all(self, items: Items) -> Items:
        place = (items[0]["resource"]["namespace"], items[0]["resource"]["name"])
        known = self._known.setdefault(place, {})
        known.update({one["backend"]["name"]: one for one in items})
        return list(known.values())


@fault("TM-081/direct-calls-counted", "direct calls of a backend count as its share", "counted")
def direct_calls_counted(flows: Flows, ask: Ask) -> Flows:
    if ask.plural != SPLITS:
        return flows
    splits = {(flow.split.namespace, flow.backend): flow.split for flow in flows if flow.split}
    found: dict[Any, Tally] = {}
    for flow, tally in flows.items():
        place = (flow.service.namespace, flow.service.name) if flow.service and not flow.split else None
        direct = splits.get(place) if place else None
        changed = flow._replace(split=direct, backend=place[1]) if direct and place else flow
        found.setdefault(changed, Tally()).add(tally)
    return found


@on_splits("TM-081/weights-not-measured", "the total is spread by the weights and not as it was measured")
def weights_not_measured(items: Items) -> Items:
    whole, total = sum(one["backend"]["weight"] for one in items), sum(count(one, SUCCESS) for one in items)
    return [with_counts(one, total * one["backend"]["weight"] // max(whole, 1), count(one, FAILURE)) for one in items]


@on_splits("TM-081/failures-misbooked", "the failures of the last backend are booked on the first")
def failures_misbooked(items: Items) -> Items:
    if len(items) < 2:
        return items
    first, last = items[0], items[-1]
    moved = with_counts(first, count(first, SUCCESS), count(first, FAILURE) + count(last, FAILURE))
    return [moved, *items[1:-1], with_counts(last, count(last, SUCCESS), 0)]


@on_splits("TM-082/edge-missing", "items have no edge")
def edge_missing(items: Items) -> Items:
    return [{key: value for key, value in one.items() if key != "edge"} for one in items]


@on_splits("TM-082/side-server", "the side of the edge is server")
def side_server(items: Items) -> Items:
    return [{**one, "edge": {**one["edge"], "side": "server"}} for one in items]


@on_splits("TM-082/resource-not-split", "the resource is the root Service")
def resource_not_split(items: Items) -> Items:
    return [
        {**one, "resource": {**one["resource"], "kind": "Service", "name": one["backend"]["apex"]}} for one in items
    ]


@on_splits("TM-083/weight-from-traffic", "the weight is computed from the traffic")
def weight_from_traffic(items: Items) -> Items:
    total = sum(count(one, SUCCESS) for one in items) or 1
    shares = [round(1000 * count(one, SUCCESS) / total) for one in items]
    return [{**one, "backend": {**one["backend"], "weight": share}} for one, share in zip(items, shares, strict=True)]


@on_splits("TM-083/apex-name-swapped", "apex and name of the backend are swapped")
def apex_name_swapped(items: Items) -> Items:
    named = [(one, one["backend"]) for one in items]
    return [{**one, "backend": {**known, "apex": known["name"], "name": known["apex"]}} for one, known in named]


@fault("TM-083/weight-stale", "a weight stays as it was first", "listed")
class WeightStale:
    """Remembers the first weight of each backend."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str, str], int] = {}

    def __call__(self, items: Items, ask: Ask) -> Items:
        return [self._stale(one) for one in items] if ask.plural == SPLITS else items

    def _stale(self, one: Json) -> Json:
        place = (one["resource"]["namespace"], one["resource"]["name"], one["backend"]["name"])
        return {**one, "backend": {**one["backend"], "weight": self._first.setdefault(place, one["backend"]["weight"])}}
