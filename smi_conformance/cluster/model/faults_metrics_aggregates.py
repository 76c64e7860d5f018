"""Defects of the metrics of objects that contain pods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from smi_conformance.cluster.model.metrics import Context
from smi_conformance.cluster.model.metrics_edits import (
    COUNTS,
    LATENCIES,
    Items,
    count,
    each_member,
    is_edges,
    members,
    only,
    seconds_of,
    with_values,
    without_parts,
)
from smi_conformance.cluster.model.switchboard import COUNTED, LISTED, fault
from smi_conformance.model.metrics.answers import Ask, total_of
from smi_conformance.model.metrics.items import Json
from smi_conformance.model.metrics.traffic import Flow, Flows, Member, Ref

AGGREGATES = ("deployments", "namespaces")


def of_pods(change: Callable[[Json, Sequence[Json]], Json]) -> Callable[[Items, Ask, Context], Items]:
    """A change of the items of Deployments and namespaces, by the items of their pods with the same direction."""

    def changed(items: Items, ask: Ask, context: Context) -> Items:
        if ask.plural not in AGGREGATES or is_edges(ask):
            return items
        reading = context.reading(context.flows(context.metrics.span.window))
        found = []
        for item in items:
            about = Ref(ask.plural, item["resource"].get("namespace", ""), item["resource"]["name"])
            pods = sorted({member.pod for member in members(reading.flows) if member.within(about)})
            parts = [total_of(pod, reading) for pod in pods]
            parts = [part for part in parts if part["edge"]["direction"] == item["edge"]["direction"]]
            found.append(change(item, parts) if parts else item)
        return found

    return changed


@fault("TM-070/mean-for-sum", "counts of an aggregate are the mean over its pods", LISTED)
@of_pods
def mean_for_sum(item: Json, parts: Sequence[Json]) -> Json:
    return with_values(item, {name: sum(count(part, name) for part in parts) // len(parts) for name in COUNTS})


@fault("TM-070/one-pod-for-all", "counts of an aggregate are those of its first pod", LISTED)
@of_pods
def one_pod_for_all(item: Json, parts: Sequence[Json]) -> Json:
    return with_values(item, {name: count(parts[0], name) for name in COUNTS})


@fault("TM-070/sibling-by-prefix", "a Deployment counts all pods whose names begin with its own", COUNTED)
def sibling_by_prefix(flows: Flows, ask: Ask, context: Context) -> Flows:
    names = list(context.inventory.objects("deployments"))

    def adopted(member: Member) -> Member:
        own = {r for r in names if r.namespace == member.pod.namespace and member.pod.name.startswith(f"{r.name}-")}
        return Member(member.pod, member.parts | own)

    return each_member(flows, adopted)


@fault("TM-070/replaced-pod-lost", "the requests of a pod that is gone are lost", COUNTED)
def replaced_pod_lost(flows: Flows, ask: Ask, context: Context) -> Flows:
    there = context.inventory.objects("pods")
    return only(flows, lambda flow: all(end is None or end.pod in there for end in (flow.source, flow.destination)))


@fault("TM-072/kind-always-empty", "replicasets are listed and always empty", COUNTED)
def kind_always_empty(flows: Flows, ask: Ask, context: Context) -> Flows:
    return {} if ask.plural == "replicasets" else flows


@fault("TM-072/node-shows-cluster", "every node counts the traffic of all", COUNTED)
def node_shows_cluster(flows: Flows, ask: Ask, context: Context) -> Flows:
    nodes = frozenset(context.inventory.objects("nodes"))
    return each_member(flows, lambda member: Member(member.pod, member.parts | nodes))


def micros(value: Decimal) -> str:
    """Seconds as a quantity."""
    return f"{int(value * 1_000_000)}u"


@fault("TM-073/percentiles-summed", "percentiles of an aggregate are sums over its pods", LISTED)
@of_pods
def percentiles_summed(item: Json, parts: Sequence[Json]) -> Json:
    return with_values(item, {n: micros(sum((seconds_of(p, n) for p in parts), Decimal(0))) for n in LATENCIES})


@fault("TM-073/percentiles-averaged", "percentiles of an aggregate are means over its pods", LISTED)
@of_pods
def percentiles_averaged(item: Json, parts: Sequence[Json]) -> Json:
    sums = {name: sum((seconds_of(part, name) for part in parts), Decimal(0)) for name in LATENCIES}
    return with_values(item, {name: micros(value / len(parts)) for name, value in sums.items()})


@fault("TM-074/service-by-name-only", "a Service counts only the requests by its own name", COUNTED)
def service_by_name_only(flows: Flows, ask: Ask, context: Context) -> Flows:
    if ask.plural != "services":
        return flows
    called: dict[tuple[Member | None, Member | None], Ref | None] = {}
    for flow in flows:
        if flow.side == "client":
            called[flow.source, flow.destination] = flow.service

    def by_name(flow: Flow) -> Flow:
        name = called.get((flow.source, flow.destination))
        target = flow.destination
        kept = target and without_parts(target, lambda ref: ref.plural == "services" and ref != name)
        return flow._replace(destination=kept)

    return {by_name(flow): tally for flow, tally in flows.items()}


@fault("TM-074/one-endpoint-only", "a Service counts the first of its pods only", COUNTED)
def one_endpoint_only(flows: Flows, ask: Ask, context: Context) -> Flows:
    if ask.plural != "services":
        return flows
    first: dict[Ref, Ref] = {}
    for member in sorted(members(flows), key=lambda one: one.pod):
        for service in member.of("services"):
            first.setdefault(service, member.pod)

    def alone(member: Member) -> Member:
        return without_parts(member, lambda ref: ref.plural == "services" and first[ref] != member.pod)

    return each_member(flows, alone)
