"""The metrics API: what a GET below /apis/metrics.smi-spec.io is answered with.

Every object has one item: what it received (direction from, side server, no peer in particular), or, if that is
nothing, what it sent (direction to, side client). Edges have one item for each peer and direction, told from the
object's own side where its proxy saw requests, else from the peer's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import unquote

from smi_conformance.model.metrics.items import Direction, Json, Reading, edge, item, resource
from smi_conformance.model.metrics.kinds import API_VERSION, GROUP, KINDS, SPLITS, VERSION, Kind
from smi_conformance.model.metrics.selectors import Requirement, echo, fits, parse
from smi_conformance.model.metrics.traffic import Flow, Flows, Ref, Side, Tally, total


class NotServed(Exception):
    """A request that is answered with an error: HTTP code, reason and message of its Status."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details or {}

    @property
    def status(self) -> Json:
        """The Status that the client gets."""
        about = {"status": "Failure", "message": self.message, "reason": self.reason, "code": self.code}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, **about, "details": self.details}


@dataclass(frozen=True)
class Ask:
    """A request: for discovery (no plural), a list (no name), an object, or a subresource of it."""

    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    selector: tuple[Requirement, ...] = ()

    @property
    def ref(self) -> Ref:
        """The object that is asked for."""
        return Ref(self.plural, self.namespace, self.name)


@dataclass(frozen=True)
class SplitInForce:
    """A TrafficSplit: its object, its root Service and the backends with their weights."""

    ref: Ref
    apex: str
    backends: tuple[tuple[str, int], ...]


class Inventory(Protocol):
    """What exists in the cluster."""

    def objects(self, plural: str) -> Mapping[Ref, Mapping[str, str]]:
        """The labels of all objects of a kind."""

    def splits(self) -> Iterable[SplitInForce]:
        """All TrafficSplits."""


class Changes(Protocol):
    """Where a defect may change something on the way from a request to its answer. `Sound` changes nothing."""

    def asked(self, ask: Ask) -> Ask:
        """The request as it is taken."""

    def counted(self, flows: Flows, ask: Ask) -> Flows:
        """The counts that the answer is made from."""

    def listed(self, items: list[Json], ask: Ask) -> list[Json]:
        """The items of a list; a single object is a list of one."""

    def answered(self, answer: tuple[int, Any], ask: Ask) -> tuple[int, Any]:
        """The HTTP code and the body of the answer."""


class Sound:
    """No defect."""

    def asked(self, ask: Ask) -> Ask:
        """As it is."""
        return ask

    def counted(self, flows: Flows, ask: Ask) -> Flows:
        """As they are."""
        return flows

    def listed(self, items: list[Json], ask: Ask) -> list[Json]:
        """As they are."""
        return items

    def answered(self, answer: tuple[int, Any], ask: Ask) -> tuple[int, Any]:
        """As it is."""
        return answer


def parse_path(path: str, selector: str = "") -> Ask:
    """What a path at or below /apis/metrics.smi-spec.io/v1alpha1 asks for. Raises NotServed 400 or 404."""
    parts = [unquote(part) for part in path.split("/") if part]
    if parts[:3] != ["apis", GROUP, VERSION]:
        raise no_such_path()
    try:
        return _ask(parts[3:], parse(selector))
    except ValueError as error:
        raise NotServed(400, "BadRequest", str(error)) from error


def _ask(parts: list[str], selector: tuple[Requirement, ...]) -> Ask:
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2 and parts[2] != "edges":
        namespace, parts = parts[1], parts[2:]
    if len(parts) > 3:
        raise no_such_path()
    plural, name, subresource = [*parts, "", "", ""][:3]
    return Ask(plural, namespace, name, subresource, selector)


def no_such_path() -> NotServed:
    """404 for what no kind is served at."""
    return NotServed(404, "NotFound", "the server could not find the requested resource")


def not_found(ref: Ref) -> NotServed:
    """404 for an object that does not exist."""
    details = {"name": ref.name, "group": GROUP, "kind": ref.plural}
    return NotServed(404, "NotFound", f'{ref.plural}.{GROUP} "{ref.name}" not found', details)


def answer(ask: Ask, inventory: Inventory, reading: Reading, changes: Changes | None = None) -> tuple[int, Any]:
    """HTTP code and body for a GET."""
    changes = changes or Sound()
    asked = changes.asked(ask)
    try:
        body = _body(asked, inventory, reading, changes)
    except NotServed as error:
        return changes.answered((error.code, error.status), ask)
    return changes.answered((200, body), ask)


def _body(ask: Ask, inventory: Inventory, reading: Reading, changes: Changes) -> Any:
    if not ask.plural:
        return discovery()
    kind = KINDS.get(ask.plural)
    if kind is None or ask.subresource not in ("", "edges") or (ask.plural, ask.subresource) == (SPLITS, "edges"):
        raise no_such_path()
    if (ask.namespace and not kind.namespaced) or (ask.name and kind.namespaced and not ask.namespace):
        raise no_such_path()
    reading = replace(reading, flows=changes.counted(reading.flows, ask))
    if ask.name and ask.ref not in inventory.objects(ask.plural):
        raise not_found(ask.ref)
    if ask.plural == SPLITS:
        return _list(kind, ask, changes.listed(_split_items(ask, inventory, reading), ask))
    if ask.subresource:
        return _list(kind, ask, changes.listed(edges(ask.ref, reading), ask))
    if ask.name:
        return _only(changes.listed([total_of(ask.ref, reading)], ask))
    busy = _in_scope(ask, inventory, _busy(ask.plural, reading.flows))
    return _list(kind, ask, changes.listed([total_of(ref, reading) for ref in busy], ask))


def _only(items: list[Json]) -> Any:
    return items[0] if len(items) == 1 else items


def discovery() -> Json:
    """The APIResourceList."""
    rows = [
        {"name": one.plural, "singularName": "", "namespaced": one.namespaced, "kind": "TrafficMetrics"}
        for one in KINDS.values()
    ]
    resources = [{**row, "verbs": ["get", "list"]} for row in rows]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API_VERSION, "resources": resources}


def _list(kind: Kind, ask: Ask, items: list[Json]) -> Json:
    about = {"kind": kind.kind, "apiVersion": kind.api_version}
    namespace = {"namespace": ask.namespace} if ask.namespace else {}
    selector = {"selector": echo(ask.selector)} if ask.selector and not ask.name else {}
    return {
        "kind": "TrafficMetricsList",
        "apiVersion": API_VERSION,
        "metadata": {},
        "resource": resource(ask.ref) if ask.name else {**about, **namespace},
        **selector,
        "items": items,
    }


def _busy(plural: str, flows: Flows) -> list[Ref]:
    """The objects of a kind that sent or received anything."""
    members = {member for flow in flows for member in (flow.source, flow.destination) if member}
    return sorted({ref for member in members for ref in member.of(plural)})


def _in_scope(ask: Ask, inventory: Inventory, refs: Iterable[Ref]) -> list[Ref]:
    """Those that exist, in the namespace if there is one, and carry the labels."""
    known = inventory.objects(ask.plural)
    return [
        ref for ref in refs if ref in known and ask.namespace in ("", ref.namespace) and fits(ask.selector, known[ref])
    ]


def total_of(ref: Ref, reading: Reading) -> Json:
    """The item of an object: what it received, or if that is nothing, what it sent."""
    received = received_by(ref, reading.flows)
    sent = sent_by(ref, reading.flows)
    if sent and not received:
        return item(ref, edge("to", "client"), total(sent.values()), reading)
    return item(ref, edge("from", "server"), total(received.values()), reading)


def received_by(ref: Ref, flows: Flows) -> dict[Flow, Tally]:
    """What the proxies in front of an object counted."""
    return {f: t for f, t in flows.items() if f.side == "server" and f.destination and f.destination.within(ref)}


def sent_by(ref: Ref, flows: Flows) -> dict[Flow, Tally]:
    """What the proxies behind an object counted."""
    return {f: t for f, t in flows.items() if f.side == "client" and f.source and f.source.within(ref)}


def edges(ref: Ref, reading: Reading) -> list[Json]:
    """One item for each peer and direction."""
    both: tuple[tuple[Direction, Side], ...] = (("from", "server"), ("to", "client"))
    return [made for direction, side in both for made in _edges(ref, direction, side, reading)]


def _edges(ref: Ref, direction: Direction, side: Side, reading: Reading) -> list[Json]:
    found: dict[tuple[Ref, Side], Tally] = {}
    for flow, tally in reading.flows.items():
        for peer in _peers(ref, direction, flow):
            found.setdefault((peer, flow.side), Tally()).add(tally)
    # The object's own proxy is believed; where it saw nothing of a peer, the peer's is.
    told = {key: tally for key, tally in found.items() if key[1] == side or (key[0], side) not in found}
    return [item(ref, edge(direction, own, peer), tally, reading) for (peer, own), tally in sorted_by_key(told)]


def sorted_by_key(tallies: Mapping[tuple[Ref, Side], Tally]) -> list[tuple[tuple[Ref, Side], Tally]]:
    """In an order that does not change from one reading to the next."""
    return sorted(tallies.items(), key=lambda pair: pair[0])  # pragma: no mutate (no key is there twice)


def _peers(ref: Ref, direction: Direction, flow: Flow) -> list[Ref]:
    own, other = (flow.destination, flow.source) if direction == "from" else (flow.source, flow.destination)
    return other.of(ref.plural) if own and other and own.within(ref) else []


def _split_items(ask: Ask, inventory: Inventory, reading: Reading) -> list[Json]:
    """One item for each backend of each split."""
    splits = {split.ref: split for split in inventory.splits()}
    chosen = _in_scope(ask, inventory, sorted(splits))
    wanted = [splits[ref] for ref in chosen if ask.name in ("", ref.name)]
    return [_split_item(split, name, weight, reading) for split in wanted for name, weight in split.backends]


def _split_item(split: SplitInForce, backend: str, weight: int, reading: Reading) -> Json:
    through = [
        t for f, t in reading.flows.items() if f.side == "client" and (f.split, f.backend) == (split.ref, backend)
    ]
    made = item(split.ref, edge("from", "client"), total(through), reading)
    return {**made, "backend": {"apex": split.apex, "name": backend, "weight": weight}}
