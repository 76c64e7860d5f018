"""Defects of the metrics of splits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smi_conformance.cluster.model.metrics import Context
from smi_conformance.cluster.model.metrics_edits import FAILURE, SUCCESS, Items, count, with_edge, with_values
from smi_conformance.cluster.model.switchboard import COUNTED, LISTED, fault
from smi_conformance.model.metrics.answers import Ask
from smi_conformance.model.metrics.items import Json
from smi_conformance.model.metrics.kinds import SPLITS
from smi_conformance.model.metrics.traffic import Flow, Flows, Ref

Grouped = list[Items]


def by_split(items: Items) -> Grouped:
    """The items of each split."""
    names = dict.fromkeys((item["resource"]["namespace"], item["resource"]["name"]) for item in items)
    return [[i for i in items if (i["resource"]["namespace"], i["resource"]["name"]) == name] for name in names]


def of_splits(change: Callable[[Items, Context], Items]) -> Callable[[Items, Ask, Context], Items]:
    """A change of the items of each split, which leaves those of other kinds alone."""

    def changed(items: Items, ask: Ask, context: Context) -> Items:
        if ask.plural != SPLITS:
            return items
        return [item for group in by_split(items) for item in change(group, context)]

    return changed


def backend(item: Json) -> dict[str, Any]:
    """The backend field."""
    found: dict[str, Any] = item["backend"]
    return found


def with_backend(item: Json, **fields: Any) -> Json:
    """An item with other fields of its backend."""
    return {**item, "backend": {**backend(item), **fields}}


@fault("TM-080/one-item-per-split", "there is one item for the whole split", LISTED)
@of_splits
def one_item_per_split(items: Items, context: Context) -> Items:
    return items[:1]


@fault("TM-080/backend-missing", "the last backend has no item", LISTED)
@of_splits
def backend_missing(items: Items, context: Context) -> Items:
    return items[:-1] if len(items) > 1 else items


@fault("TM-080/pods-not-backends", "there is one item per pod, and it has the pod's name", LISTED)
@of_splits
def pods_not_backends(items: Items, context: Context) -> Items:
    service = {backend(item)["name"] for item in items}
    pods = [
        p.key.name for s in context.world.services.values() if s.key.name in service for p in context.world.pods_of(s)
    ]
    return [with_backend(one, name=pod) for one in items[:1] for pod in sorted(pods)]


@fault("TM-080/removed-backend-stays", "a backend that is taken out of the split stays listed", LISTED)
class RemovedBackendStays:
    """Remembers every item."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Json] = {}

    def __call__(self, items: Items, ask: Ask, context: Context) -> Items:
        if ask.plural != SPLITS:
            return items
        for item in items:
            about = item["resource"]
            self._known[about["namespace"], about["name"], backend(item)["name"]] = item
        shown = {(item["resource"]["namespace"], item["resource"]["name"]) for item in items}
        return [item for key, item in self._known.items() if key[:2] in shown]


@fault("TM-081/direct-calls-counted", "direct calls of a backend count as its share", COUNTED)
def direct_calls_counted(flows: Flows, ask: Ask, context: Context) -> Flows:
    if ask.plural != SPLITS:
        return flows
    splits = [(s.ref, name) for s in context.inventory.splits() for name, _ in s.backends]

    def through(flow: Flow) -> Flow:
        called = [(ref, name) for ref, name in splits if flow.service == Ref("services", ref.namespace, name)]
        return flow._replace(split=called[-1][0], backend=called[-1][1]) if called and not flow.split else flow

    return {through(flow): tally for flow, tally in flows.items()}


@fault("TM-081/weights-not-measured", "the total is spread by the weights and not as it was measured", LISTED)
@of_splits
def weights_not_measured(items: Items, context: Context) -> Items:
    whole, total = sum(backend(item)["weight"] for item in items), sum(count(item, SUCCESS) for item in items)
    return [with_values(item, {SUCCESS: total * backend(item)["weight"] // max(whole, 1)}) for item in items]


@fault("TM-081/failures-misbooked", "the failures of the last backend are booked on the first", LISTED)
@of_splits
def failures_misbooked(items: Items, context: Context) -> Items:
    if len(items) < 2:
        return items
    moved = count(items[-1], FAILURE)
    first = with_values(items[0], {FAILURE: count(items[0], FAILURE) + moved})
    return [first, *items[1:-1], with_values(items[-1], {FAILURE: 0})]


@fault("TM-082/edge-missing", "items have no edge", LISTED)
@of_splits
def edge_missing(items: Items, context: Context) -> Items:
    return [{name: value for name, value in item.items() if name != "edge"} for item in items]


@fault("TM-082/side-server", "the side of the edge is server", LISTED)
@of_splits
def side_server(items: Items, context: Context) -> Items:
    return [with_edge(item, side="server") for item in items]


@fault("TM-082/resource-not-split", "the resource is the root Service", LISTED)
@of_splits
def resource_not_split(items: Items, context: Context) -> Items:
    return [{**i, "resource": {**i["resource"], "kind": "Service", "name": backend(i)["apex"]}} for i in items]


@fault("TM-083/weight-from-traffic", "the weight is computed from the traffic", LISTED)
@of_splits
def weight_from_traffic(items: Items, context: Context) -> Items:
    total = sum(count(item, SUCCESS) for item in items) or 1
    return [with_backend(item, weight=round(1000 * count(item, SUCCESS) / total)) for item in items]


@fault("TM-083/apex-name-swapped", "apex and name of the backend are swapped", LISTED)
@of_splits
def apex_name_swapped(items: Items, context: Context) -> Items:
    return [with_backend(item, apex=backend(item)["name"], name=backend(item)["apex"]) for item in items]


@fault("TM-083/weight-stale", "a weight stays as it was first", LISTED)
class WeightStale:
    """Remembers the first weight of each backend."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], int] = {}

    def __call__(self, items: Items, ask: Ask, context: Context) -> Items:
        if ask.plural != SPLITS:
            return items
        return [with_backend(item, weight=self._weight(item)) for item in items]

    def _weight(self, item: Json) -> int:
        own = backend(item)
        return self._first.setdefault((own["apex"], own["name"]), own["weight"])
