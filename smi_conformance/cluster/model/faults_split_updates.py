"""Defects of traffic splitting: what becomes of a split that is changed, and of backends that come and go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.apiserver import ApiCall
from smi_conformance.cluster.model.edits import with_splits
from smi_conformance.cluster.model.history import History
from smi_conformance.cluster.model.mesh import Choose, Locate
from smi_conformance.cluster.model.split_edits import (
    Splits,
    choice_of,
    is_split,
    listed,
    refusal,
    root_of,
    split_at,
    split_of,
    total,
    writes_split,
)
from smi_conformance.cluster.model.switchboard import API, CHOICES, ENDPOINTS, PAST, PROXY, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.objects import Backend, Split
from smi_conformance.model.oracle import Choice, Choices, Endpoint, Endpoints, Request, weight_of
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


@fault("SP-030/stale-some-seconds", "the newest client of a namespace keeps a deleted split for 20 seconds", PAST)
def stale_some_seconds(world: World, history: History, pod: Pod, now: float) -> World:
    clients = [p for p in world.pods if p.meshed and not p.listens and p.key.namespace == pod.key.namespace]
    if not clients or pod.uid != clients[-1].uid:
        return world
    gone = [split for split in history.at(now - LONG).splits if split_at(world, root_of(split)) is None]
    return replace(world, splits=(*world.splits, *gone))


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
    if split is None or before is None or _services(before.thing) <= _services(split.thing):
        return inner(exchange)
    kept = with_splits(world, lambda one: before if one.uid == split.uid else one)
    return inner(replace(exchange, world=kept))


def _services(split: Split) -> set[str]:
    return {backend.service for backend in split.backends}


def _unknown(world: World, split: Splits) -> list[str]:
    """The backends whose Service does not exist."""
    return [b.service for b in split.thing.backends if Key(split.key.namespace, b.service) not in world.services]


@fault("SP-036/unknown-backend-invalidates", "a split with an unknown backend is left out", WORLD)
def unknown_backend_invalidates(world: World) -> World:
    return with_splits(world, lambda split: None if _unknown(world, split) else split)


@fault("SP-036/new-pods-by-root-selector", "pods of the root that are newer than its split get requests", ENDPOINTS)
def new_pods_by_root_selector(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    found, split = inner(world, choice, request), split_of(world, request)
    if split is None or not found or not request.service:
        return found
    new = [pod for pod in world.pods_of(request.service) if pod.created > split.created]
    return (*found, *(Endpoint(pod, found[0].port) for pod in new))


@fault("SP-036/unknown-backend-refused", "the API refuses a split with an unknown backend", API)
def unknown_backend_refused(inner: Any, call: ApiCall) -> Any:
    if not writes_split(call):
        return inner(call)
    space = call.path.split("/namespaces/")[1].split("/")[0]
    names = [backend["service"] for backend in call.body["spec"].get("backends", ())]
    paths = [f"/api/v1/namespaces/{space}/services/{name}" for name in names]
    statuses = [inner(ApiCall("GET", path))[0] for path in paths]
    return refusal("unknown backend") if 404 in statuses else inner(call)


def _without_endpoints(inner: Choose, world: World, request: Request) -> list[str]:
    """The backends with weight that take no part."""
    split, choices = split_of(world, request), inner(world, request)
    if split is None or not is_split(request, choices):
        return []
    present = {choice.service.name for choice in choices}
    return [b.service for b in split.thing.backends if weight_of(b) and b.service not in present]


@fault("SP-037/whole-split-fails", "requests fail while one backend has no ready pod", CHOICES)
def whole_split_fails(inner: Choose, world: World, request: Request) -> Choices:
    return () if _without_endpoints(inner, world, request) else inner(world, request)


@fault("SP-037/no-recovery", "a backend that was missing once stays out", CHOICES)
class NoRecovery:
    """Remembers whom it has missed."""

    def __init__(self) -> None:
        self._missed: set[Key] = set()

    def __call__(self, inner: Choose, world: World, request: Request) -> Choices:
        space = request.service.key.namespace if request.service else ""
        self._missed.update(Key(space, name) for name in _without_endpoints(inner, world, request))
        return tuple(choice for choice in inner(world, request) if choice.service not in self._missed)


class Added:
    """Remembers the first list of backends of each split, and the first weight of those that came later."""

    def __init__(self) -> None:
        self._first: dict[str, Split] = {}
        self._weights: dict[tuple[str, str], object] = {}

    def __call__(self, world: World) -> World:
        return with_splits(world, self._changed)

    def _changed(self, split: Splits) -> Splits:
        first = self._first.setdefault(split.uid, split.thing)
        old = _services(first)
        for backend in split.thing.backends:
            self._weights.setdefault((split.uid, backend.service), backend.weight)
        kept = [
            backend
            for place, backend in enumerate(split.thing.backends)
            if backend.service in old or self.counts(backend, place, self._weights[split.uid, backend.service])
        ]
        return listed(split, kept)

    def counts(self, backend: Backend, place: int, first: object) -> bool:
        """Whether an added backend gets its share."""
        raise NotImplementedError


@fault("SP-038/added-ignored", "an added backend is ignored until its weight changes", WORLD)
class AddedIgnored(Added):
    """By its first weight."""

    def counts(self, backend: Backend, place: int, first: object) -> bool:
        return backend.weight != first


@fault("SP-038/added-listed-first-only", "an added backend gets its share only when it is listed first", WORLD)
class AddedListedFirstOnly(Added):
    """By its place in the list."""

    def counts(self, backend: Backend, place: int, first: object) -> bool:
        return place == 0


class Late:
    """Remembers which backends had no Service when their split was read first, and what it said then."""

    def __init__(self) -> None:
        self._late: dict[str, tuple[Split, list[str]]] = {}

    def late(self, world: World, split: Splits) -> tuple[Split, list[str]]:
        """The split as it was first, and its late backends."""
        return self._late.setdefault(split.uid, (split.thing, _unknown(world, split)))


@fault("SP-039/late-service-missed", "a backend Service that is made after the split is never used", WORLD)
class LateServiceMissed(Late):
    """Left out for good."""

    def __call__(self, world: World) -> World:
        return with_splits(
            world, lambda s: listed(s, (b for b in s.thing.backends if b.service not in self.late(world, s)[1]))
        )


@fault("SP-039/late-service-needs-weight-change", "a late backend Service is used once the split is edited", WORLD)
class LateServiceNeedsWeightChange(Late):
    """Left out while the split is as it was."""

    def __call__(self, world: World) -> World:
        return with_splits(world, lambda split: self._changed(world, split))

    def _changed(self, world: World, split: Splits) -> Splits:
        first, late = self.late(world, split)
        if split.thing != first:
            return split
        return listed(split, (backend for backend in split.thing.backends if backend.service not in late))


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


@fault("SP-100/weight-before-raise", "a late backend gets a fifth before its weight is raised from 0", WORLD)
class WeightBeforeRaise(Late):
    """Late backends of weight 0 get a quarter of what the others have."""

    def __call__(self, world: World) -> World:
        return with_splits(world, lambda split: self._raised(world, split))

    def _raised(self, world: World, split: Splits) -> Splits:
        late, missing = self.late(world, split)[1], _unknown(world, split)
        quarter = [b.service for b in split.thing.backends if b.service in late and b.service not in missing]
        return listed(
            split, (self._quarter(b, split) if b.service in quarter else _fourfold(b) for b in split.thing.backends)
        )

    @staticmethod
    def _quarter(backend: Backend, split: Splits) -> Backend:
        return (
            _fourfold(backend) if weight_of(backend) else replace(backend, weight=int(total(split.thing.backends)) or 1)
        )


def _fourfold(backend: Backend) -> Backend:
    weight = weight_of(backend) * 4
    return replace(backend, weight=int(weight)) if weight == int(weight) else backend


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
        return listed(split, ()) if _services(self._first[split.uid]) != _services(split.thing) else None
