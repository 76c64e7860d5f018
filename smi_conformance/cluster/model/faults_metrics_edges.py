"""Defects of edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from smi_conformance.cluster.model.metrics import Context
from smi_conformance.cluster.model.metrics_edits import (
    COUNTS,
    SUCCESS,
    Items,
    count,
    is_edges,
    only,
    with_edge,
    with_values,
)
from smi_conformance.cluster.model.switchboard import ANSWERED, COUNTED, LISTED, NOTED, fault
from smi_conformance.model.metrics.answers import Ask, edges, received_by, sent_by
from smi_conformance.model.metrics.items import Json, edge, item, resource
from smi_conformance.model.metrics.traffic import Flow, Flows, Ref, Tally, total
from smi_conformance.model.oracle import Request

EVER = 1e6  # seconds
Told = tuple[int, Any]
Change = Callable[[Items, Ask, Context], Items]


def of_edges(change: Callable[[Items, Ask, Context], Items]) -> Change:
    """A change of lists of edges alone."""
    return lambda items, ask, context: change(items, ask, context) if is_edges(ask) else items


def each_edge(change: Callable[[Json], Json]) -> Change:
    """A change of each edge by itself."""
    return lambda items, ask, context: [change(one) for one in items] if is_edges(ask) else items


def now(context: Context) -> Flows:
    """What the window holds."""
    return context.flows(context.metrics.span.window)


@fault("TM-050/path-missing", "edges are not served", ANSWERED)
def path_missing(answer: Told, ask: Ask, context: Context) -> Told:
    return (404, {"kind": "Status", "message": "not found"}) if is_edges(ask) else answer


@fault("TM-050/other-peers-listed", "the peers of all other pods are listed too", LISTED)
@of_edges
def other_peers_listed(items: Items, ask: Ask, context: Context) -> Items:
    own = resource(ask.ref)
    others = [ref for ref in context.inventory.objects(ask.plural) if ref != ask.ref and ref.namespace == ask.namespace]
    reading = context.reading(now(context))
    return [*items, *({**one, "resource": own} for ref in others for one in edges(ref, reading))]


@fault("TM-050/peers-merged", "the first two peers share one item", LISTED)
@of_edges
def peers_merged(items: Items, ask: Ask, context: Context) -> Items:
    if len(items) < 2:
        return items
    return [with_values(items[0], {n: count(items[0], n) + count(items[1], n) for n in COUNTS}), *items[2:]]


@fault("TM-050/second-peer-missing", "of several peers only the busiest is listed", LISTED)
@of_edges
def second_peer_missing(items: Items, ask: Ask, context: Context) -> Items:
    return sorted(items, key=lambda one: count(one, SUCCESS))[-1:]


@fault("TM-051/resource-swapped", "resource and edge.resource are exchanged", LISTED)
@each_edge
def resource_swapped(one: Json) -> Json:
    return {**with_edge(one, resource=one["resource"]), "resource": one["edge"]["resource"]}


@fault("TM-051/peer-is-service", "the peer is given as a Service", LISTED)
@each_edge
def peer_is_service(one: Json) -> Json:
    peer = one["edge"]["resource"]
    return with_edge(one, resource={**peer, "kind": "Service", "name": peer["name"].rsplit("-", 2)[0]})


@fault("TM-052/directions-reversed", "directions are reversed", LISTED)
@each_edge
def directions_reversed(one: Json) -> Json:
    return with_edge(one, direction="to" if one["edge"]["direction"] == "from" else "from")


@fault("TM-052/always-from", "all edges are from", LISTED)
@each_edge
def always_from(one: Json) -> Json:
    return with_edge(one, direction="from")


@fault(
    "TM-052/directions-added",
    "an edge counts what the object exchanged with anybody in the other direction, too",
    LISTED,
)
@of_edges
def directions_added(items: Items, ask: Ask, context: Context) -> Items:
    def against(one: Json) -> int:
        return sum(count(o, SUCCESS) for o in items if o["edge"]["direction"] != one["edge"]["direction"])

    return [with_values(one, {SUCCESS: count(one, SUCCESS) + against(one)}) for one in items]


@fault("TM-054/opt-in-per-workload", "edges need an annotation of the workload", LISTED)
@of_edges
def opt_in_per_workload(items: Items, ask: Ask, context: Context) -> Items:
    return []


@fault("TM-054/late-pods-missing", "pods that are younger than the metrics server have no edges", LISTED)
@of_edges
def late_pods_missing(items: Items, ask: Ask, context: Context) -> Items:
    return [one for one in items if not {"from", "to"} & {one["edge"]["direction"]}]  # every pod of a run is younger


@fault("TM-054/second-port-unmonitored", "traffic on a second port is not counted", NOTED)
def second_port_unmonitored(kept: bool, request: Request, server: str, context: Context) -> bool:
    ports = [port.number for port in request.service.ports] if request.service else []
    return kept and request.port == (ports or [request.port])[0]


@fault("TM-056/one-source-only", "the item of an object counts one source only", LISTED)
def one_source_only(items: Items, ask: Ask, context: Context) -> Items:
    return items if is_edges(ask) or ask.plural == "trafficsplits" else [_first_source(i, ask, context) for i in items]


def _about(one: Json, ask: Ask) -> Ref:
    return Ref(ask.plural, one["resource"].get("namespace", ""), one["resource"]["name"])


def _first_source(one: Json, ask: Ask, context: Context) -> Json:
    reading = context.reading(now(context))
    received = [t for _, t in sorted(received_by(_about(one, ask), reading.flows).items(), key=lambda p: str(p[0]))]
    return with_values(one, {SUCCESS: received[0].success}) if one["edge"]["direction"] == "from" and received else one


@fault("TM-056/outbound-included", "the item of an object counts what it sends as well", LISTED)
def outbound_included(items: Items, ask: Ask, context: Context) -> Items:
    if is_edges(ask) or ask.plural == "trafficsplits":
        return items
    reading = context.reading(now(context))
    sent = [total(sent_by(_about(one, ask), reading.flows).values()).success for one in items]
    both = [(one, more) for one, more in zip(items, sent, strict=True)]
    return [
        with_values(i, {SUCCESS: count(i, SUCCESS) + (m if i["edge"]["direction"] == "from" else 0)}) for i, m in both
    ]


@fault("TM-056/cross-namespace-source-missing", "sources of other namespaces are left out", COUNTED)
def cross_namespace_source_missing(flows: Flows, ask: Ask, context: Context) -> Flows:
    def foreign(flow: Flow) -> bool:
        ends = flow.source, flow.destination
        return bool(ends[0] and ends[1] and ends[0].pod.namespace != ends[1].pod.namespace)

    return only(flows, lambda flow: not foreign(flow))


@fault("TM-059/edges-only-for-pods", "only pods have edges", ANSWERED)
def edges_only_for_pods(answer: Told, ask: Ask, context: Context) -> Told:
    return (404, {"kind": "Status", "message": "not found"}) if is_edges(ask) and ask.plural != "pods" else answer


@fault("TM-059/peer-kind-differs", "the edges of aggregates name pods", LISTED)
@of_edges
def peer_kind_differs(items: Items, ask: Ask, context: Context) -> Items:
    if ask.plural == "pods":
        return items
    return [with_edge(one, resource={**one["edge"]["resource"], "kind": "Pod"}) for one in items]


def idle_edges(ask: Ask, context: Context, peers: Iterable[Ref]) -> Items:
    """Edges with zero counts to some objects."""
    reading = context.reading({})
    return [item(ask.ref, edge("to", "client", peer), Tally(), reading) for peer in peers]


@fault("TM-060/derived-from-policy", "whoever may be called by a TrafficTarget has an edge", LISTED)
@of_edges
def derived_from_policy(items: Items, ask: Ask, context: Context) -> Items:
    if ask.plural != "pods":
        return items
    own = next((pod for pod in context.world.pods if pod.key == (ask.namespace, ask.name)), None)
    named = {one["edge"]["resource"]["name"] for one in items}
    targets = [t for t in context.world.targets if own and any(s.name == own.account.name for s in t.thing.sources)]
    open_ = {(t.thing.destination.namespace or t.key.namespace, t.thing.destination.name) for t in targets}
    peers = [Ref("pods", *p.key) for p in context.world.pods if p.account in open_ and p.key.name not in named]
    return [*items, *idle_edges(ask, context, peers)]


@fault("TM-060/every-pair-listed", "every pair of a namespace is listed, with zero counts", LISTED)
@of_edges
def every_pair_listed(items: Items, ask: Ask, context: Context) -> Items:
    named = {one["edge"]["resource"]["name"] for one in items} | {ask.name}
    known = context.inventory.objects(ask.plural)
    peers = [ref for ref in known if ref.namespace == ask.namespace and ref.name not in named]
    return [*items, *idle_edges(ask, context, peers)]


@fault("TM-061/old-edges-stay", "edges stay with their last counts", COUNTED)
def old_edges_stay(flows: Flows, ask: Ask, context: Context) -> Flows:
    return context.flows(EVER) if is_edges(ask) else flows


@fault("TM-061/edge-of-deleted-pod-stays", "the edges of a deleted pod stay", COUNTED)
def edge_of_deleted_pod_stays(flows: Flows, ask: Ask, context: Context) -> Flows:
    if not is_edges(ask):
        return flows
    there = context.inventory.objects("pods")
    gone = only(context.flows(EVER), lambda f: any(end and end.pod not in there for end in (f.source, f.destination)))
    return {**flows, **gone}


@fault("TM-063/peer-namespace-wrong", "the peer is given the namespace of the object", LISTED)
@each_edge
def peer_namespace_wrong(one: Json) -> Json:
    peer = one["edge"]["resource"]
    return (
        with_edge(one, resource={**peer, "namespace": one["resource"].get("namespace", "")})
        if "namespace" in peer
        else one
    )


@fault("TM-063/same-named-merged", "peers of one name in two namespaces are merged", LISTED)
@of_edges
def same_named_merged(items: Items, ask: Ask, context: Context) -> Items:
    merged: dict[tuple[str, str], Json] = {}
    for one in items:
        key = one["edge"]["direction"], one["edge"]["resource"]["name"]
        first = merged.get(key)
        merged[key] = with_values(first, {n: count(first, n) + count(one, n) for n in COUNTS}) if first else one
    return list(merged.values())
