"""Defects of the metrics API: edges, totals, and who is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from smi_conformance.lab.mesh.faults_metrics import (
    FAILURE,
    SUCCESS,
    Answer,
    count,
    not_there,
    on_items,
    with_counts,
)
from smi_conformance.lab.mesh.model import Json, Name, State
from smi_conformance.lab.mesh.switchboard import fault
from smi_conformance.model.metrics.answers import Ask
from smi_conformance.model.metrics.items import Reading, edge, item
from smi_conformance.model.metrics.traffic import Flow, Flows, Member, Ref, Tally

EDGES = "edges"


def is_edges(ask: Ask) -> bool:
    """Whether edges are asked for."""
    return ask.subresource == EDGES


def on_edges(name: str, text: str) -> Callable[[Callable[[Json], Json]], Callable[[Json], Json]]:
    """Register a change of each edge."""

    def register(change: Callable[[Json], Json]) -> Callable[[Json], Json]:
        on_items(name, text)(lambda one, ask: change(one) if is_edges(ask) else one)
        return change

    return register


def told(one: Json, **fields: Any) -> Json:
    """The same with other fields of the edge."""
    return {**one, "edge": {**one["edge"], **fields}}


def peer(one: Json) -> Json:
    """The peer of an edge."""
    return dict(one["edge"]["resource"])


def members(flows: Flows) -> set[Member]:
    """All pods that sent or received."""
    return {member for flow in flows for member in (flow.source, flow.destination) if member}


@fault("TM-050/path-missing", "edges are not served", "answered")
def path_missing(answer: Answer, ask: Ask) -> Answer:
    return not_there() if is_edges(ask) else answer


class Strangers:
    """Adds to the edges of an object one for each other object that had any traffic."""

    requests = 1

    def __init__(self) -> None:
        self._members: set[Member] = set()

    def __call__(self, first: Any, ask: Ask) -> Any:
        if not isinstance(first, list):
            self._members = members(first)
            return first
        if not is_edges(ask):
            return first
        known = {(peer(one).get("namespace"), peer(one)["name"]) for one in first}
        others = sorted({ref for member in self._members for ref in member.of(ask.plural)})
        reading = Reading({}, 0.0, 30.0)
        tally = Tally(success=self.requests)
        return first + [
            {**item(ask.ref, edge("from", "server", ref), tally, reading), **_time(first)}
            for ref in others
            if (ref.namespace or None, ref.name) not in known
        ]


def _time(items: list[Json]) -> Json:
    return {key: items[0][key] for key in ("timestamp", "window")} if items else {}


class AllPairs(Strangers):
    """The same with zero counts."""

    requests = 0


for name, text, change in (
    ("TM-050/other-peers-listed", "edges name everybody who sent or received", Strangers),
    ("TM-060/every-pair-listed", "edges name everybody, with zero counts", AllPairs),
):
    fault(name, text, "counted")(change)
    fault(name, text, "listed")(change)


@fault("TM-060/derived-from-policy", "what a TrafficTarget grants has an edge", "state")
@fault("TM-060/derived-from-policy", "what a TrafficTarget grants has an edge", "listed")
class DerivedFromPolicy:
    """Knows which pods may call which."""

    def __init__(self) -> None:
        self._pairs: set[tuple[Name, Name]] = set()

    def __call__(self, first: Any, ask: Ask | None = None) -> Any:
        if ask is None:
            self._pairs = set(_granted(first))
            return first
        if not is_edges(ask) or ask.plural != "pods":
            return first
        known = {(peer(one).get("namespace"), peer(one)["name"]) for one in first}
        callers = sorted(source for source, server in self._pairs if (*server,) == (ask.namespace, ask.name))
        reading = Reading({}, 0.0, 30.0)
        return first + [
            {**item(ask.ref, edge("from", "server", Ref("pods", *caller)), Tally(success=1), reading), **_time(first)}
            for caller in callers
            if (*caller,) not in known
        ]


def _granted(state: State) -> Iterable[tuple[Name, Name]]:
    for target in state.targets:
        servers = [pod.name for pod in state.pods if pod.account == target.destination]
        clients = [pod.name for pod in state.pods if pod.account in target.sources]
        yield from ((client, server) for client in clients for server in servers)


def merged(items: list[Json], key: Callable[[Json], Any]) -> list[Json]:
    """The items of one key become one."""
    groups: dict[Any, list[Json]] = {}
    for one in items:
        groups.setdefault(key(one), []).append(one)
    return [with_counts(group[0], *_sums(group)) for group in groups.values()]


def _sums(items: list[Json]) -> tuple[int, int]:
    return sum(count(one, SUCCESS) for one in items), sum(count(one, FAILURE) for one in items)


@fault("TM-050/peers-merged", "all peers of a direction are one item", "listed")
def peers_merged(items: list[Json], ask: Ask) -> list[Json]:
    return merged(items, lambda one: one["edge"]["direction"]) if is_edges(ask) else items


@fault("TM-063/same-named-merged", "peers of one name are one item, whatever their namespaces", "listed")
def same_named_merged(items: list[Json], ask: Ask) -> list[Json]:
    return merged(items, lambda one: (one["edge"]["direction"], peer(one)["name"])) if is_edges(ask) else items


@fault("TM-050/second-peer-missing", "of the peers of a direction the busiest is listed", "listed")
def second_peer_missing(items: list[Json], ask: Ask) -> list[Json]:
    if not is_edges(ask):
        return items
    busiest = {one["edge"]["direction"]: one for one in sorted(items, key=lambda one: sum(_sums([one])))}
    return list(busiest.values())


@on_edges("TM-051/resource-swapped", "resource and edge.resource are swapped")
def resource_swapped(one: Json) -> Json:
    return {**told(one, resource=one["resource"]), "resource": peer(one)}


@on_edges("TM-051/peer-is-service", "the peer is a Service")
def peer_is_service(one: Json) -> Json:
    return told(one, resource={**peer(one), "kind": "Service"})


@on_edges("TM-052/directions-reversed", "directions are reversed")
def directions_reversed(one: Json) -> Json:
    return told(one, direction="to" if one["edge"]["direction"] == "from" else "from")


@on_edges("TM-052/always-from", "all edges are from")
def always_from(one: Json) -> Json:
    return told(one, direction="from")


@fault("TM-052/directions-added", "the counts of the other direction are added", "listed")
def directions_added(items: list[Json], ask: Ask) -> list[Json]:
    if not is_edges(ask):
        return items
    other = {way: _sums([one for one in items if one["edge"]["direction"] != way]) for way in ("from", "to")}
    ways = [(one, other[one["edge"]["direction"]]) for one in items]
    return [with_counts(one, count(one, SUCCESS) + more[0], count(one, FAILURE) + more[1]) for one, more in ways]


@on_items("TM-053/side-empty", "the side is empty")
def side_empty(one: Json, ask: Ask) -> Json:
    return told(one, side="")


@on_items("TM-053/side-other-value", "the side is inbound or outbound")
def side_other_value(one: Json, ask: Ask) -> Json:
    return told(one, side="inbound" if one["edge"]["side"] == "server" else "outbound")


@on_items("TM-055/side-missing", "items have no side")
def side_missing(one: Json, ask: Ask) -> Json:
    return {**one, "edge": {key: value for key, value in one["edge"].items() if key != "side"}}


@on_items("TM-055/side-missing-on-edges", "edges have no side")
def side_missing_on_edges(one: Json, ask: Ask) -> Json:
    return side_missing(one, ask) if is_edges(ask) else one


@fault("TM-054/opt-in-per-workload", "pods have edges if they carry the label smi-reference/edges", "counted")
def opt_in(flows: Flows, ask: Ask) -> Flows:
    def chosen(member: Member | None) -> bool:
        return member is not None and "smi-reference/edges" in dict(member.labels)

    return {f: t for f, t in flows.items() if chosen(f.destination)} if is_edges(ask) else flows


@fault("TM-054/late-pods-missing", "pods that came later have no edges", "state")
@fault("TM-054/late-pods-missing", "pods that came later have no edges", "counted")
class LatePodsMissing:
    """Knows the pods of the moment it was switched on."""

    def __init__(self) -> None:
        self._first: frozenset[Name] | None = None

    def __call__(self, first: Any, ask: Ask | None = None) -> Any:
        if ask is None:
            self._first = frozenset(pod.name for pod in first.pods) if self._first is None else self._first
            return first
        known = {Ref("pods", *name) for name in self._first or ()}
        if not is_edges(ask):
            return first
        return {
            flow: tally
            for flow, tally in first.items()
            if all(member.pod in known for member in members({flow: tally}))
        }


def of_totals(name: str, text: str) -> Callable[[Callable[[Flows], Flows]], Callable[[Flows], Flows]]:
    """Register a change of the counts that totals are made of."""

    def register(change: Callable[[Flows], Flows]) -> Callable[[Flows], Flows]:
        fault(name, text, "counted")(lambda flows, ask: flows if is_edges(ask) else change(flows))
        return change

    return register


@of_totals("TM-056/one-source-only", "a total counts the requests of one source")
def one_source_only(flows: Flows) -> Flows:
    first: dict[Any, Any] = {}
    for flow in flows:
        if flow.side == "server" and flow.destination:
            first[flow.destination] = min(first.get(flow.destination, _source(flow)), _source(flow))
    return {f: t for f, t in flows.items() if f.side != "server" or _source(f) == first.get(f.destination)}


def _source(flow: Flow) -> Ref:
    return flow.source.pod if flow.source else Ref("", "", "")


@of_totals("TM-056/outbound-included", "a total counts what was sent as well")
def outbound_included(flows: Flows) -> Flows:
    sent: dict[Flow, Tally] = {}
    for flow, tally in flows.items():
        if flow.side == "client" and flow.source:
            sent.setdefault(Flow("server", None, flow.source, protocol="sent"), Tally()).add(tally)
    return {**flows, **sent}


@of_totals("TM-056/cross-namespace-source-missing", "a total leaves out sources of other namespaces")
def cross_namespace_source_missing(flows: Flows) -> Flows:
    def foreign(flow: Flow) -> bool:
        both = flow.source and flow.destination
        return bool(both) and flow.source.pod.namespace != flow.destination.pod.namespace  # type: ignore[union-attr]

    return {flow: tally for flow, tally in flows.items() if flow.side != "server" or not foreign(flow)}


@fault("TM-059/edges-only-for-pods", "only pods have edges", "answered")
def edges_only_for_pods(answer: Answer, ask: Ask) -> Answer:
    return not_there() if is_edges(ask) and ask.plural != "pods" else answer


@fault("TM-059/peer-kind-differs", "the peers of all edges are pods", "listed")
def peer_kind_differs(items: list[Json], ask: Ask) -> list[Json]:
    return [told(one, resource={**peer(one), "kind": "Pod"}) for one in items] if is_edges(ask) else items


@on_edges("TM-063/peer-namespace-wrong", "the peer has the namespace of the object")
def peer_namespace_wrong(one: Json) -> Json:
    return told(one, resource={**peer(one), "namespace": one["resource"].get("namespace", "default")})


@fault("TM-061/old-edges-stay", "edges stay", "counted")
class OldEdgesStay:
    """Remembers the last counts of everything, for edges."""

    def __init__(self) -> None:
        self._last: dict[Flow, Tally] = {}

    def __call__(self, flows: Flows, ask: Ask) -> Flows:
        self._last |= flows
        return self._last if is_edges(ask) else flows


@fault("TM-061/edge-of-deleted-pod-stays", "edges of pods that are gone stay", "state")
@fault("TM-061/edge-of-deleted-pod-stays", "edges of pods that are gone stay", "counted")
class EdgeOfDeletedPodStays:
    """Remembers the last counts of everything, and which pods there are."""

    def __init__(self) -> None:
        self._last: dict[Flow, Tally] = {}
        self._there: set[Ref] = set()

    def __call__(self, first: Any, ask: Ask | None = None) -> Any:
        if ask is None:
            self._there = {Ref("pods", *pod.name) for pod in first.pods}
            return first
        self._last |= first
        if not is_edges(ask):
            return first
        gone = {f: t for f, t in self._last.items() if any(m.pod not in self._there for m in members({f: t}))}
        return {**gone, **first}


@fault("TM-093/direct-calls-answered", "everybody is answered", "guarded")
def direct_calls_answered(is_front_proxy: bool, headers: Mapping[str, str]) -> bool:
    return True


@fault("TM-093/front-proxy-headers-trusted", "whoever names a user is answered", "guarded")
def front_proxy_headers_trusted(is_front_proxy: bool, headers: Mapping[str, str]) -> bool:
    return is_front_proxy or "X-Remote-User" in headers
