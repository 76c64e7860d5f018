"""Defects of traffic splitting: what becomes of the weights."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from smi_conformance.cluster.model.apiserver import ApiCall
from smi_conformance.cluster.model.edits import with_backends, with_splits
from smi_conformance.cluster.model.mesh import Choose
from smi_conformance.cluster.model.split_edits import (
    Splits,
    is_split,
    listed,
    own,
    refusal,
    split_of,
    total,
    with_shares,
    writes_split,
)
from smi_conformance.cluster.model.switchboard import API, CHOICES, MANIFEST, PROXY, VIEW, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.objects import Backend
from smi_conformance.model.oracle import Choices, Request, weight_of
from smi_conformance.model.world import Pod, World

Manifest = dict[str, Any]
CENT = Decimal("0.01")


@fault("SP-011/sum-refused", "a split whose weights do not add up to 100 is left out", WORLD)
def sum_refused(world: World) -> World:
    return with_splits(world, lambda split: split if total(split.thing.backends) == 100 else None)


@fault("SP-011/weights-cut-at-100", "a weight above 100 counts as 100", WORLD)
def weights_cut_at_100(world: World) -> World:
    return with_backends(world, lambda bs: [replace(b, weight=100) if weight_of(b) > 100 else b for b in bs])


@fault(
    "SP-011/rest-lost-or-to-root", "what weights of 50 to 99 in sum lack of 100 goes to the root's selection", CHOICES
)
def rest_to_root(inner: Choose, world: World, request: Request) -> Choices:
    choices, split = inner(world, request), split_of(world, request)
    whole = total(split.thing.backends) if split else Decimal(0)
    if not is_split(request, choices) or not 50 <= whole < 100:
        return choices
    return (*choices, replace(own(request)[0], weight=100 - whole))


@fault("SP-011/rounded-to-quarters", "where the sum is not 100, shares are rounded to quarters", WORLD)
def rounded_to_quarters(world: World) -> World:
    def rounded(split: Splits) -> Splits:
        if total(split.thing.backends) == 100:
            return split
        return with_shares(split, lambda share: (share * 4).quantize(Decimal(1), ROUND_HALF_UP) / 4)

    return with_splits(world, rounded)


def _weights(manifest: Manifest) -> list[Manifest]:
    found: list[Manifest] = (manifest.get("spec") or {}).get("backends") or []
    return found


@fault("SP-012/unit-ignored", "a quantity counts by its digits: 500m as 500", MANIFEST, kind="TrafficSplit")
def unit_ignored(manifest: Manifest) -> Manifest:
    for backend in _weights(manifest):
        backend["weight"] = int(re.sub(r"\D", "", str(backend["weight"])) or 0)
    return manifest


@fault("SP-012/fractions-rounded", "a quantity below 1 counts as 0", WORLD)
def fractions_rounded(world: World) -> World:
    return with_backends(world, lambda bs: [b if weight_of(b) >= 1 else replace(b, weight=0) for b in bs])


@fault("SP-012/milli-refused", "the API refuses weights such as 500m", API)
def milli_refused(inner: Any, call: ApiCall) -> Any:
    if writes_split(call) and any(str(b.get("weight")).endswith("m") for b in _weights(call.body)):
        return refusal("weights are numbers")
    return inner(call)


@fault("SP-014/single-backend-ignored", "a split with one backend is left out", WORLD)
def single_backend_ignored(world: World) -> World:
    return with_splits(world, lambda split: split if len(split.thing.backends) > 1 else None)


@fault("SP-014/one-read-as-percent", "a single weight is a percentage, and the root's selection gets the rest", CHOICES)
def one_read_as_percent(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    if not is_split(request, choices) or len(choices) != 1 or choices[0].weight >= 100:
        return choices
    return (*choices, replace(own(request)[0], weight=100 - choices[0].weight))


@fault("SP-014/root-pods-mixed-in", "beside a single backend the root's own selection gets a fifth", CHOICES)
def root_pods_mixed_in(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    return own(request) if is_split(request, choices) and len(choices) == 1 and request.luck < 0.2 else choices


def _all_zero(split: Splits) -> bool:
    return not total(split.thing.backends)


@fault(
    "SP-016/breaks-other-routes", "while the weights of a split are all 0, other Services lose their routes", CHOICES
)
def breaks_other_routes(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    return () if any(map(_all_zero, world.splits)) and not is_split(request, choices) else choices


@fault("SP-016/other-splits-frozen", "while the weights of a split are all 0, no change of another is seen", WORLD)
class OtherSplitsFrozen:
    """Remembers what the splits said when none was all zeros."""

    def __init__(self) -> None:
        self._sound: dict[str, Splits] = {}

    def __call__(self, world: World) -> World:
        if not any(map(_all_zero, world.splits)):
            self._sound = {split.uid: split for split in world.splits}
            return world
        return with_splits(world, lambda split: split if _all_zero(split) else self._sound.get(split.uid, split))


@fault("SP-017/rounded-to-nothing", "shares are rounded to whole percent", WORLD)
def rounded_to_nothing(world: World) -> World:
    return with_splits(world, lambda split: with_shares(split, lambda share: share.quantize(CENT, ROUND_HALF_UP)))


@fault("SP-017/rounded-to-one-percent", "a share below 1 percent becomes 1 percent", WORLD)
def rounded_to_one_percent(world: World) -> World:
    return with_splits(world, lambda split: with_shares(split, lambda share: max(share, CENT) if share else share))


@fault("SP-017/last-absorbs-rounding", "shares are cut to whole percent, and the last backend gets the rest", WORLD)
def last_absorbs_rounding(world: World) -> World:
    def cut(split: Splits) -> Splits:
        rounded = with_shares(split, lambda share: Decimal(int(share * 100)) / 100)
        rest = int(1_000_000 - total(rounded.thing.backends))
        last = [b.service for b in split.thing.backends if weight_of(b)][-1]
        return listed(split, (_more(b, rest) if b.service == last else b for b in rounded.thing.backends))

    return with_splits(world, lambda split: split if _all_zero(split) else cut(split))


def _more(backend: Backend, rest: int) -> Backend:
    return replace(backend, weight=int(weight_of(backend)) + rest)


def _sticking(inner: Carry, exchange: Exchange) -> Answer:
    """All requests of a connection go where its first one has gone."""
    endpoint = exchange.connection.memory.setdefault("stuck", exchange.pick())
    if endpoint is None:
        return exchange.fail()
    return exchange.deliver(endpoint) if exchange.admitted(endpoint) else exchange.refuse()


def _is_kept(exchange: Exchange) -> bool:
    return exchange.step.connection == "kept" and exchange.request.protocol == "http"


@fault("SP-018/once-per-connection", "an HTTP connection stays with the backend of its first request", PROXY)
def once_per_connection(inner: Carry, exchange: Exchange) -> Answer:
    return _sticking(inner, exchange) if _is_kept(exchange) else inner(exchange)


@fault("SP-018/http2-sticks", "an HTTP/2 connection stays with the backend of its first request", PROXY)
def http2_sticks(inner: Carry, exchange: Exchange) -> Answer:
    return _sticking(inner, exchange) if _is_kept(exchange) and exchange.request.http == "HTTP/2" else inner(exchange)


@fault("SP-018/connection-sticks-after-idle", "a connection that was idle for a second stays with one backend", PROXY)
def connection_sticks_after_idle(inner: Carry, exchange: Exchange) -> Answer:
    memory, idle = exchange.connection.memory, 1.0
    memory["idle"] = memory.get("idle") or exchange.now - memory.get("last", exchange.now) > idle
    memory["last"] = exchange.now
    return _sticking(inner, exchange) if memory["idle"] and _is_kept(exchange) else inner(exchange)


class _Zeros:
    """Remembers each split before its weights were all 0, once they were."""

    def __init__(self) -> None:
        self._before: dict[str, Splits] = {}
        self._zeroed: set[str] = set()

    def __call__(self, world: World) -> World:
        return with_splits(world, self._changed)

    def _changed(self, split: Splits) -> Splits:
        if _all_zero(split):
            self._zeroed.add(split.uid)
        elif split.uid in self._zeroed:
            return self.recovered(split, self._before.get(split.uid, split))
        else:
            self._before[split.uid] = split
        return split

    def recovered(self, split: Splits, before: Splits) -> Splits:
        """What counts once the weights are set again."""
        raise NotImplementedError


@fault("SP-019/no-recovery", "a split whose weights were all 0 stays so", WORLD)
class NoRecovery(_Zeros):
    """All zeros, whatever is written."""

    def recovered(self, split: Splits, before: Splits) -> Splits:
        return listed(split, (replace(backend, weight=0) for backend in split.thing.backends))


@fault("SP-019/recovers-to-old-weights", "a split whose weights were all 0 gets those that it had before", WORLD)
class RecoversToOldWeights(_Zeros):
    """The weights from before the zeros."""

    def recovered(self, split: Splits, before: Splits) -> Splits:
        return before


def _clients(world: World) -> list[Pod]:
    return [pod for pod in world.pods if pod.meshed and not pod.listens]


@fault("SP-026/shared-round-robin", "all clients share one round robin over equal backends", CHOICES)
class SharedRoundRobin:
    """Remembers whose turn it is."""

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, inner: Choose, world: World, request: Request) -> Choices:
        choices = inner(world, request)
        if not is_split(request, choices) or len({choice.weight for choice in choices}) != 1:
            return choices
        self._turn += 1
        return (choices[self._turn % len(choices)],)


@fault("SP-026/client-pinned", "each client stays with one backend, by a hash", CHOICES)
def client_pinned(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    if not choices or not is_split(request, choices):
        return choices
    return (choices[zlib.crc32(request.client.uid.encode()) % len(choices)],)


@fault("SP-026/some-nodes-unsplit", "every third client pod never learns of splits", VIEW)
def some_nodes_unsplit(world: World, pod: Pod) -> World:
    clients = [client.uid for client in _clients(world)]
    return replace(world, splits=()) if pod.uid in clients[2::3] else world
