"""Defects of traffic splitting: what proxies do with requests, connections and flows."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from smi_conformance.cluster.model.edits import with_splits
from smi_conformance.cluster.model.mesh import Choose
from smi_conformance.cluster.model.split_edits import (
    Splits,
    choice_of,
    is_split,
    matched,
    own,
    root_of,
    split_at,
    split_of,
)
from smi_conformance.cluster.model.switchboard import CHOICES, MANIFEST, PROXY, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.oracle import Choice, Choices, Endpoint, Request, weight_of
from smi_conformance.model.world import Key, World

Manifest = dict[str, Any]
HOPS = 8
MOST_HOPS = Answer("status", 508)


def _lists(split: Splits, service: Key) -> bool:
    return any(Key(split.key.namespace, backend.service) == service for backend in split.thing.backends)


@fault("SP-086/second-split-on-top", "the share of a backend that is a root itself is split again", CHOICES)
def second_split_on_top(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    if not is_split(request, choices):
        return choices
    found: list[Choice] = []
    for choice in choices:
        below = split_at(world, choice.service)
        weighted = [choice_of(below, b, request) for b in below.thing.backends if weight_of(b)] if below else []
        whole = sum((one.weight for one in weighted), Decimal(0))
        found += [replace(one, weight=choice.weight * one.weight / whole) for one in weighted] or [choice]
    return tuple(found)


@fault("SP-086/second-split-void", "a split on the backend of another split does not act", WORLD)
def second_split_void(world: World) -> World:
    def is_below(split: Splits) -> bool:
        return any(_lists(other, root_of(split)) for other in world.splits if other is not split)

    return with_splits(world, lambda split: None if is_below(split) else split)


def _own_share(exchange: Exchange) -> bool:
    """Whether the called Service is a backend of its own split."""
    split = split_of(exchange.world, exchange.request)
    return split is not None and _lists(split, root_of(split))


@fault("SP-088/loop-or-crash", "a request that gets to the root of a split with itself goes round several times", PROXY)
def loop_or_crash(inner: Carry, exchange: Exchange) -> Answer:
    answers = [inner(exchange) for _ in range(3 if _own_share(exchange) else 1)]
    return answers[-1]


@fault("SP-088/root-unreachable", "requests to a root that is its own backend fail", PROXY)
def root_unreachable(inner: Carry, exchange: Exchange) -> Answer:
    return exchange.fail() if _own_share(exchange) else inner(exchange)


@fault("SP-088/self-share-resplit", "the root's own share is split again at each hop, until there were too many", PROXY)
def self_share_resplit(inner: Carry, exchange: Exchange) -> Answer:
    split = split_of(exchange.world, exchange.request)
    if split is None or not _own_share(exchange):
        return inner(exchange)
    whole = sum(map(weight_of, split.thing.backends), Decimal(0))
    mine = sum((weight_of(b) for b in split.thing.backends if b.service == split.thing.service), Decimal(0))
    return MOST_HOPS if exchange.request.luck < float(mine / whole) ** HOPS else inner(exchange)


@fault("SP-089/tcp-root-balance", "raw TCP is not split", CHOICES)
def tcp_root_balance(inner: Choose, world: World, request: Request) -> Choices:
    return own(request) if request.protocol == "tcp" and request.service else inner(world, request)


@fault("SP-089/bytes-spread", "each line of a raw TCP connection goes to a backend of its own", PROXY)
def bytes_spread(inner: Carry, exchange: Exchange) -> Answer:
    if exchange.request.protocol == "tcp":
        exchange.connection.endpoint = None
    return inner(exchange)


@fault("SP-089/tcp-first-backend-only", "all raw TCP goes to the first backend with weight", CHOICES)
def tcp_first_backend_only(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    return choices[:1] if request.protocol == "tcp" else choices


@fault("SP-089/tcp-weights-ignored", "raw TCP is shared equally", CHOICES)
def tcp_weights_ignored(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    return tuple(replace(choice, weight=Decimal(1)) for choice in choices) if request.protocol == "tcp" else choices


def _mutual(exchange: Exchange) -> bool:
    """Whether the called root is a backend of a split on one of its own backends."""
    split = split_of(exchange.world, exchange.request)
    backends = [Key(split.key.namespace, backend.service) for backend in split.thing.backends] if split else []
    below = [split_at(exchange.world, key) for key in backends if split and key != root_of(split)]
    return any(other is not None and split is not None and _lists(other, root_of(split)) for other in below)


@fault("SP-090/mutual-loop", "a request to one of two mutual splits goes round several times", PROXY)
def mutual_loop(inner: Carry, exchange: Exchange) -> Answer:
    answers = [inner(exchange) for _ in range(3 if _mutual(exchange) else 1)]
    return answers[-1]


@fault("SP-090/mutual-unreachable", "requests to mutual splits fail", PROXY)
def mutual_unreachable(inner: Carry, exchange: Exchange) -> Answer:
    return exchange.fail() if _mutual(exchange) else inner(exchange)


MARK = "nodeport-"


def _marked(manifest: Manifest) -> Manifest:
    """Ports of Services of another type than ClusterIP get a name that tells so."""
    if manifest["spec"].get("type", "ClusterIP") != "ClusterIP":
        for port in manifest["spec"].get("ports") or ():
            port["name"] = f"{MARK}{port.get('name', '')}"
    return manifest


def _is_marked(world: World, choice: Choice) -> bool:
    service = world.services.get(choice.service)
    return service is not None and any(port.name.startswith(MARK) for port in service.ports)


@fault("SP-091/other-type-ignored", "a backend of another type than ClusterIP is left out", MANIFEST, kind="Service")
@fault("SP-091/other-type-breaks-split", "a backend of another type makes the split void", MANIFEST, kind="Service")
def types_are_told(manifest: Manifest) -> Manifest:
    return _marked(manifest)


@fault("SP-091/other-type-ignored", "a backend of another type than ClusterIP is left out", CHOICES)
def other_type_ignored(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    if not is_split(request, choices):
        return choices
    return tuple(choice for choice in choices if not _is_marked(world, choice))


@fault("SP-091/other-type-breaks-split", "a backend of another type makes the split void", CHOICES)
def other_type_breaks_split(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    other = is_split(request, choices) and any(_is_marked(world, choice) for choice in choices)
    return own(request) if other else choices


@fault("SP-092/udp-root-balance", "UDP is not split", CHOICES)
def udp_root_balance(inner: Choose, world: World, request: Request) -> Choices:
    return own(request) if request.protocol == "udp" and request.service else inner(world, request)


@fault("SP-092/udp-per-datagram", "each datagram of a flow goes to a backend of its own", PROXY)
def udp_per_datagram(inner: Carry, exchange: Exchange) -> Answer:
    if exchange.request.protocol == "udp":
        exchange.connection.endpoint = None
    return inner(exchange)


def _altered(inner: Carry, exchange: Exchange, request: Request) -> Answer:
    """A split request arrives as another one."""
    if not matched(exchange):
        return inner(exchange)
    endpoint = exchange.pick()
    if endpoint is None:
        return exchange.fail()
    return exchange.deliver(endpoint, request) if exchange.admitted(endpoint) else exchange.refuse()


@fault("SP-096/path-rewritten", "split requests lose their query", PROXY)
def path_rewritten(inner: Carry, exchange: Exchange) -> Answer:
    request = exchange.request
    return _altered(inner, exchange, replace(request, path=request.path.partition("?")[0]))


@fault("SP-096/body-lost", "split requests lose their body", PROXY)
def body_lost(inner: Carry, exchange: Exchange) -> Answer:
    return _altered(inner, exchange, replace(exchange.request, body=0))


@fault("SP-096/custom-header-lost", "split requests lose one of the headers that a client sets", PROXY)
def custom_header_lost(inner: Carry, exchange: Exchange) -> Answer:
    headers = exchange.request.headers
    custom = [pair for pair in headers if pair[0].startswith("x-custom")]
    return _altered(
        inner, exchange, replace(exchange.request, headers=tuple(p for p in headers if p not in custom[-1:]))
    )


def _others(exchange: Exchange, server: str | None) -> list[Endpoint]:
    """The endpoints of the split that have not answered."""
    world, request = exchange.world, exchange.request
    choices = exchange.mesh.choices(world, request)
    found = [endpoint for choice in choices for endpoint in exchange.mesh.endpoints(world, choice, request)]
    return [endpoint for endpoint in found if endpoint.pod.key.name != server and exchange.admitted(endpoint)]


def _again(exchange: Exchange, answer: Answer) -> None:
    """The request is sent to another backend, too."""
    for endpoint in _others(exchange, answer.server)[:1]:
        exchange.deliver(endpoint)


@fault("SP-097/mirrored", "split requests arrive at two backends", PROXY)
def mirrored(inner: Carry, exchange: Exchange) -> Answer:
    answer = inner(exchange)
    if answer.server and matched(exchange):
        _again(exchange, answer)
    return answer


@fault("SP-097/retried-on-other-backend", "what a backend answers with an error is sent to another one, too", PROXY)
def retried_on_other_backend(inner: Carry, exchange: Exchange) -> Answer:
    answer = inner(exchange)
    if answer.server and (answer.status or 0) >= 500 and matched(exchange):
        _again(exchange, answer)
    return answer
