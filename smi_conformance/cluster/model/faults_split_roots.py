"""Defects of traffic splitting: the root's own selection, and roots that come, go or change."""

from __future__ import annotations

import zlib
from dataclasses import replace

from smi_conformance.cluster.model.edits import with_splits
from smi_conformance.cluster.model.history import History
from smi_conformance.cluster.model.mesh import Choose, Locate
from smi_conformance.cluster.model.split_edits import (
    Splits,
    is_split,
    listed,
    matched,
    own,
    root_of,
    split_of,
)
from smi_conformance.cluster.model.switchboard import CHOICES, ENDPOINTS, PAST, PROXY, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.oracle import Choice, Choices, Endpoints, Request
from smi_conformance.model.world import Key, Pod, World

YOUNG = 20.0  # seconds


def _unsplit(world: World, request: Request) -> bool:
    return request.service is not None and split_of(world, request) is None


@fault("SP-034/one-version-without-split", "a Service without a split sends everything to its first pod", ENDPOINTS)
def one_version_without_split(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    found = inner(world, choice, request)
    return found[:1] if _unsplit(world, request) else found


@fault("SP-034/client-pinned", "without a split each client stays with one pod of a Service", ENDPOINTS)
def client_pinned(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    found = inner(world, choice, request)
    if not found or not _unsplit(world, request):
        return found
    return (found[zlib.crc32(request.client.uid.encode()) % len(found)],)


class _Moved:
    """Remembers the first root of each split."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def __call__(self, world: World) -> World:
        made = [one for split in world.splits for one in self.changed(split, self._root(split))]
        return replace(world, splits=tuple(made))

    def _root(self, split: Splits) -> str:
        return self._first.setdefault(split.uid, split.thing.service)

    def changed(self, split: Splits, first: str) -> list[Splits]:
        """What becomes of a split that was made for another root."""
        raise NotImplementedError


@fault("SP-035/old-root-stays-split", "a split that moves to another root is in force on both", WORLD)
class OldRootStaysSplit(_Moved):
    """The split, and beside it one on the old root."""

    def changed(self, split: Splits, first: str) -> list[Splits]:
        old = replace(split, thing=replace(split.thing, service=first))
        return [split] if first == split.thing.service else [split, old]


@fault("SP-035/both-unsplit", "a split that moves to another root is in force on none", WORLD)
class BothUnsplit(_Moved):
    """Nothing."""

    def changed(self, split: Splits, first: str) -> list[Splits]:
        return [split] if first == split.thing.service else []


def _rootless(world: World) -> list[Splits]:
    return [split for split in world.splits if root_of(split) not in world.services]


@fault(
    "SP-041/missing-root-blocks-controller", "while the root of a split is missing, no change of a split is seen", WORLD
)
class MissingRootBlocksController:
    """Remembers the splits from before."""

    def __init__(self) -> None:
        self._sound: tuple[Splits, ...] = ()

    def __call__(self, world: World) -> World:
        if _rootless(world):
            return replace(world, splits=self._sound)
        self._sound = world.splits
        return world


@fault(
    "SP-041/backends-unreachable", "the backends of a split whose root is missing do not answer direct calls", CHOICES
)
def backends_unreachable(inner: Choose, world: World, request: Request) -> Choices:
    lost = {Key(split.key.namespace, b.service) for split in _rootless(world) for b in split.thing.backends}
    return () if request.service and request.service.key in lost else inner(world, request)


class _Late:
    """Remembers the splits that were written before their root existed, as they were then."""

    def __init__(self) -> None:
        self.early: dict[str, Splits] = {}

    def note(self, world: World) -> None:
        self.early.update({split.uid: split for split in _rootless(world)})

    def is_early(self, split: Splits) -> bool:
        """Whether the split was not edited since."""
        return self.early.get(split.uid) == split


@fault("SP-042/late-root-missed", "a split whose root came later acts only once it is edited", WORLD)
class LateRootMissed(_Late):
    """The late root keeps its own selection."""

    def __call__(self, world: World) -> World:
        self.note(world)
        return with_splits(world, lambda split: None if self.is_early(split) else split)


@fault("SP-042/late-root-unreachable", "a root that came later than its split has no route until that is edited", WORLD)
class LateRootUnreachable(_Late):
    """A split without backends makes requests fail."""

    def __call__(self, world: World) -> World:
        self.note(world)
        return with_splits(world, lambda split: listed(split, ()) if self.is_early(split) else split)


@fault("SP-045/root-endpoints-mixed", "a twentieth of the split requests goes to the root's own endpoints", CHOICES)
def root_endpoints_mixed(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    return own(request) if is_split(request, choices) and request.luck < 0.05 else choices


@fault("SP-045/root-selector-wins", "where root and backend share pods, the root's selector wins", CHOICES)
def root_selector_wins(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    if not is_split(request, choices) or not request.service:
        return choices
    pods = {pod.uid for pod in world.pods_of(request.service)}
    backends = [world.services[choice.service] for choice in choices if choice.service in world.services]
    shared = any(pod.uid in pods for service in backends for pod in world.pods_of(service))
    return own(request) if shared else choices


@fault("SP-045/decoy-leak-after-restart", "for twenty seconds a new client knows of no split", PAST)
class DecoyLeakAfterRestart:
    """Remembers when each client was seen first."""

    def __init__(self) -> None:
        self._first: dict[str, float] = {}

    def __call__(self, world: World, history: History, pod: Pod, now: float) -> World:
        if not self._first:
            self._first = {one.uid: now - YOUNG for one in world.pods}
        return replace(world, splits=()) if now - self._first.setdefault(pod.uid, now) < YOUNG else world


@fault("SP-045/decoy-leak-on-retry", "a split request that fails is sent again to any pod of the root", PROXY)
def decoy_leak_on_retry(inner: Carry, exchange: Exchange) -> Answer:
    answer, request = inner(exchange), exchange.request
    if answer.status != 503 or not matched(exchange):
        return answer
    endpoints = exchange.mesh.endpoints(exchange.world, own(request)[0], request)
    chosen = endpoints[int(request.luck * len(endpoints))] if endpoints else None
    return exchange.deliver(chosen) if chosen and exchange.admitted(chosen) else answer


@fault("SP-046/outside-backends-dropped", "backends outside the root's selector are left out", CHOICES)
def outside_backends_dropped(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    if not is_split(request, choices) or not request.service:
        return choices
    inside = {pod.uid for pod in world.pods_of(request.service)}
    services = {choice: world.services.get(choice.service) for choice in choices}
    kept = (c for c, s in services.items() if s and any(pod.uid in inside for pod in world.pods_of(s)))
    return tuple(kept)


@fault("SP-046/empty-root-short-circuits", "requests to a root without endpoints fail", CHOICES)
def empty_root_short_circuits(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    empty = request.service is not None and not world.pods_of(request.service)
    return () if empty and is_split(request, choices) else choices
