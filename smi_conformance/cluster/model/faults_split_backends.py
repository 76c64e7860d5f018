"""Defects of traffic splitting: backends that are missing, come late, or are added."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.apiserver import ApiCall
from smi_conformance.cluster.model.edits import with_splits
from smi_conformance.cluster.model.mesh import Choose, Locate
from smi_conformance.cluster.model.split_edits import (
    Splits,
    is_split,
    listed,
    refusal,
    services_of,
    split_of,
    total,
    writes_split,
)
from smi_conformance.cluster.model.switchboard import API, CHOICES, ENDPOINTS, WORLD, fault
from smi_conformance.model.objects import Backend, Split
from smi_conformance.model.oracle import Choice, Choices, Endpoint, Endpoints, Request, weight_of
from smi_conformance.model.world import Key, World


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
        old = services_of(first)
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
