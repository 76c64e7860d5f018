"""Defects of traffic splitting: what becomes of a split that is changed, and of backends that come and go."""

from __future__ import annotations

from dataclasses import replace

from smi_conformance.cluster.model.edits import with_splits
from smi_conformance.cluster.model.history import History
from smi_conformance.cluster.model.mesh import Choose
from smi_conformance.cluster.model.split_edits import (
    Splits,
    choice_of,
    is_split,
    listed,
    root_of,
    services_of,
    split_at,
    split_of,
)
from smi_conformance.cluster.model.switchboard import CHOICES, PAST, PROXY, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.objects import Backend, Split
from smi_conformance.model.oracle import Choices, Request, weight_of
from smi_conformance.model.world import Key, Pod, World

LONG = 20.0  # seconds
SWAP = 0.2  # seconds


class Mourning:
    """Remembers the splits that were there and are gone, by their root."""

    def __init__(self) -> None:
        self._known: dict[Key, Splits] = {}

    def __call__(self, world: World) -> World:
        self._known.update({root_of(split): split for split in world.splits})
        gone = [split for root, split in self._known.items() if split_at(world, root) is None]
        left = [split for split in map(self.left_by, gone) if split is not None]
        return replace(world, splits=(*world.splits, *left))

    def left_by(self, split: Splits) -> Splits | None:
        """What is left of a deleted split."""
        raise NotImplementedError


@fault("SP-030/stale-after-delete", "a deleted split stays in force", WORLD)
class StaleAfterDelete(Mourning):
    """All of it."""

    def left_by(self, split: Splits) -> Splits | None:
        return split


@fault("SP-030/no-route-after-delete", "a root whose split was deleted has no route", WORLD)
class NoRouteAfterDelete(Mourning):
    """A split without backends, so that requests fail."""

    def left_by(self, split: Splits) -> Splits | None:
        return listed(split, ())


@fault("SP-030/recreate-ignored", "a split that comes again under the name of a deleted one is ignored", WORLD)
class RecreateIgnored:
    """Remembers who had a name first."""

    def __init__(self) -> None:
        self._first: dict[Key, str] = {}

    def __call__(self, world: World) -> World:
        return with_splits(world, lambda s: s if self._first.setdefault(s.key, s.uid) == s.uid else None)


@fault("SP-030/stale-some-seconds", "the second client of a namespace keeps a deleted split for 20 seconds", PAST)
class StaleSomeSeconds:
    """Remembers when each split was there last."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Splits, float]] = {}

    def __call__(self, world: World, history: History, pod: Pod, now: float) -> World:
        self._last.update({split.uid: (split, now) for split in world.splits})
        clients = [p for p in world.pods if p.meshed and not p.listens and p.key.namespace == pod.key.namespace]
        if pod.uid not in [second.uid for second in sorted(clients, key=lambda other: other.created)[1:2]]:
            return world
        gone = [split for split, when in self._last.values() if now - LONG < when < now]
        return replace(world, splits=(*world.splits, *(s for s in gone if split_at(world, root_of(s)) is None)))


class Listing:
    """Remembers the last weight of every backend that a split ever listed."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Backend]] = {}

    def removed(self, split: Splits) -> list[Backend]:
        """The backends that a split listed once and does not any more; what it lists now is noted."""
        known = self.known.setdefault(split.uid, {})
        known.update({backend.service: backend for backend in split.thing.backends})
        current = {backend.service for backend in split.thing.backends}
        return [backend for name, backend in known.items() if name not in current]


@fault("SP-033/removed-keeps-traffic", "a backend that is taken out of the list keeps its weight", WORLD)
class RemovedKeepsTraffic(Listing):
    """Every backend that was ever listed."""

    def __call__(self, world: World) -> World:
        return with_splits(world, lambda split: listed(split, (*split.thing.backends, *self.removed(split))))


@fault("SP-033/removed-share-lost", "the share of a backend that is taken out of the list fails", WORLD)
class RemovedShareLost(Listing):
    """A removed backend becomes one that leads nowhere."""

    def __call__(self, world: World) -> World:
        return with_splits(
            world, lambda split: listed(split, (*split.thing.backends, *map(_nowhere, self.removed(split))))
        )


def _nowhere(backend: Backend) -> Backend:
    return replace(backend, service=f"{NOWHERE}{backend.service}")


NOWHERE = "nowhere-"


@fault("SP-033/removed-share-lost", "the share of a backend that is taken out of the list fails", CHOICES)
def _lost(inner: Choose, world: World, request: Request) -> Choices:
    """What leads nowhere fails; by itself its share would move to the others."""
    choices, split = inner(world, request), split_of(world, request)
    if split is None or not is_split(request, choices):
        return choices
    lost = [b for b in split.thing.backends if b.service.startswith(NOWHERE) and weight_of(b)]
    return (*choices, *(choice_of(split, backend, request) for backend in lost))


@fault("SP-033/open-connections-keep-backend", "open connections go on with a backend that is taken out", PROXY)
def open_connections_keep_backend(inner: Carry, exchange: Exchange) -> Answer:
    world, memory = exchange.world, exchange.connection.memory
    split = split_of(world, exchange.request)
    before = memory.setdefault("split", split)
    if split is None or before is None or services_of(before.thing) <= services_of(split.thing):
        return inner(exchange)
    kept = with_splits(world, lambda one: before if one.uid == split.uid else one)
    return inner(replace(exchange, world=kept))


def _swapping(exchange: Exchange) -> tuple[Splits | None, Splits | None]:
    """The split on the called Service a moment ago, and now."""
    key = exchange.request.service.key if exchange.request.service else Key("", "")
    before = exchange.mesh.history.at(exchange.now - SWAP)
    return split_at(before, key), split_at(exchange.world, key)


@fault("SP-098/errors-during-swap", "for 0.2 s after a change of a split every second request fails", PROXY)
def errors_during_swap(inner: Carry, exchange: Exchange) -> Answer:
    before, after = _swapping(exchange)
    return exchange.fail() if before != after and exchange.request.luck < 0.5 else inner(exchange)


@fault("SP-098/no-route-window", "for 0.2 s after a split came or went its root has no route", PROXY)
def no_route_window(inner: Carry, exchange: Exchange) -> Answer:
    before, after = _swapping(exchange)
    return exchange.fail() if (before is None) != (after is None) else inner(exchange)


@fault("SP-100/old-version-removal-breaks", "when the Service of a former backend goes, the root has no route", WORLD)
class OldVersionRemovalBreaks(Listing):
    """A split without backends, once a former one has no Service."""

    def __call__(self, world: World) -> World:
        return with_splits(world, lambda split: listed(split, ()) if self._broken(world, split) else split)

    def _broken(self, world: World, split: Splits) -> bool:
        former = [Key(split.key.namespace, backend.service) for backend in self.removed(split)]
        return any(key not in world.services for key in former)


@fault("SP-100/delete-leaves-no-route", "a root whose split was edited has no route when that is deleted", WORLD)
class DeleteLeavesNoRoute(Mourning):
    """A split without backends, if its list has changed in its life."""

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[str, Split] = {}

    def __call__(self, world: World) -> World:
        for split in world.splits:
            self._first.setdefault(split.uid, split.thing)
        return super().__call__(world)

    def left_by(self, split: Splits) -> Splits | None:
        return listed(split, ()) if services_of(self._first[split.uid]) != services_of(split.thing) else None
