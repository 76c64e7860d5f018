"""Defects of traffic splitting: which names and namespaces a split is about."""

from __future__ import annotations

from dataclasses import replace

from smi_conformance.cluster.model.edits import with_splits
from smi_conformance.cluster.model.mesh import Choose, Locate
from smi_conformance.cluster.model.split_edits import (
    Splits,
    choice_of,
    is_split,
    own,
    root_of,
    split_at,
    split_of,
    with_service,
)
from smi_conformance.cluster.model.switchboard import CHOICES, ENDPOINTS, WORLD, fault
from smi_conformance.model.oracle import Choice, Choices, Endpoints, Request, weight_of
from smi_conformance.model.world import Key, Service, World


@fault("SP-021/resolved-elsewhere", "spec.service names the Service of another namespace where one is so called", WORLD)
def resolved_elsewhere(world: World) -> World:
    def moved(split: Splits) -> Splits:
        spaces = [key.namespace for key in world.services if key.name == split.thing.service and key != root_of(split)]
        return replace(split, key=Key(spaces[0], split.key.name)) if spaces else split

    return with_splits(world, moved)


@fault("SP-021/plain-name-refused", "a split whose spec.service is not qualified is left out", WORLD)
def plain_name_refused(world: World) -> World:
    return with_splits(world, lambda split: split if "." in split.thing.service else None)


def _dotted(request: Request) -> bool:
    return request.host.partition(":")[0].endswith(".")


@fault("SP-022/trailing-dot-misses", "requests whose Host ends in a dot are not split", CHOICES)
def trailing_dot_misses(inner: Choose, world: World, request: Request) -> Choices:
    return own(request) if _dotted(request) else inner(world, request)


@fault("SP-022/trailing-dot-fails", "requests whose Host ends in a dot fail", CHOICES)
def trailing_dot_fails(inner: Choose, world: World, request: Request) -> Choices:
    return () if _dotted(request) else inner(world, request)


def _as_backend(world: World, request: Request) -> Splits | None:
    """The split that lists the called Service as a backend."""
    key = request.service.key if request.service else None
    listing = (s for s in world.splits if any(Key(s.key.namespace, b.service) == key for b in s.thing.backends))
    return next((s for s in listing if root_of(s) != key), None)


@fault("SP-023/applied-to-backend-names", "requests to a backend's own name are split as if to the root", CHOICES)
def applied_to_backend_names(inner: Choose, world: World, request: Request) -> Choices:
    split = _as_backend(world, request)
    if split is None:
        return inner(world, request)
    return tuple(choice_of(split, b, request) for b in split.thing.backends if weight_of(b))


@fault("SP-023/zero-backend-unreachable", "a backend with weight 0 cannot be called by its own name", CHOICES)
def zero_backend_unreachable(inner: Choose, world: World, request: Request) -> Choices:
    split, key = _as_backend(world, request), request.service.key if request.service else None
    zeros = [Key(split.key.namespace, b.service) for b in split.thing.backends if not weight_of(b)] if split else []
    return () if key in zeros else inner(world, request)


@fault("SP-023/heavier-backend-name-split", "requests to the name of the first backend are split evenly", CHOICES)
def heavier_backend_name_split(inner: Choose, world: World, request: Request) -> Choices:
    split = _as_backend(world, request)
    if split is None or not request.service or split.thing.backends[0].service != request.service.key.name:
        return inner(world, request)
    return tuple(Choice(Key(split.key.namespace, b.service), request.port) for b in split.thing.backends)


def _rewritten(world: World, root: Key, backend: Key) -> World:
    """The root Service selects what a backend selects."""
    other = world.services.get(backend)
    return with_service(world, root, lambda service: replace(service, selector=other.selector)) if other else world


def _first_backend(split: Splits) -> Key:
    return next((Key(split.key.namespace, backend.service) for backend in split.thing.backends), root_of(split))


@fault("SP-024/service-rewritten", "the selector of a root becomes that of the first backend", WORLD)
def service_rewritten(world: World) -> World:
    for split in world.splits:
        world = _rewritten(world, root_of(split), _first_backend(split))
    return world


@fault("SP-024/unmeshed-cut-off", "a root selects nobody for clients outside the mesh", WORLD)
def unmeshed_cut_off(world: World) -> World:
    for split in world.splits:
        world = with_service(world, root_of(split), lambda service: replace(service, selector={}))
    return world


@fault(
    "SP-024/not-restored-after-delete", "a root keeps the endpoints of its first backend when its split is gone", WORLD
)
class NotRestoredAfterDelete:
    """Remembers the roots that were split."""

    def __init__(self) -> None:
        self._split: dict[Key, Key] = {}

    def __call__(self, world: World) -> World:
        self._split.update({root_of(split): _first_backend(split) for split in world.splits})
        for root, backend in self._split.items():
            if split_at(world, root) is None:
                world = _rewritten(world, root, backend)
        return world


@fault("SP-025/keyed-without-namespace", "a split is about the Services of its root's name in all namespaces", CHOICES)
def keyed_without_namespace(inner: Choose, world: World, request: Request) -> Choices:
    key = request.service.key if request.service else None
    others = [split for split in world.splits if key and root_of(split) == Key(split.key.namespace, key.name)]
    split = next((split for split in others if key and split.key.namespace != key.namespace), None)
    if split is None or key is None:
        return inner(world, request)
    there = replace(split, key=Key(key.namespace, split.key.name))
    return tuple(choice_of(there, b, request) for b in split.thing.backends if weight_of(b))


def _same_pods(world: World, one: Service, other: Service) -> bool:
    pods = world.pods_of(one)
    return bool(pods) and pods == world.pods_of(other)


@fault("SP-025/shared-pods-affected", "a Service that selects the same pods as a root is split with it", CHOICES)
def shared_pods_affected(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    if not request.service or is_split(request, choices) or split_of(world, request):
        return choices
    for split in world.splits:
        root = world.services.get(root_of(split))
        if root and _same_pods(world, root, request.service):
            return tuple(choice_of(split, b, request) for b in split.thing.backends if weight_of(b))
    return choices


@fault("SP-025/prefix-named-service-affected", "a Service whose name starts with the root's name is split too", CHOICES)
def prefix_named_service_affected(inner: Choose, world: World, request: Request) -> Choices:
    key = request.service.key if request.service else Key("", "")
    for split in world.splits:
        root = root_of(split)
        if root.namespace == key.namespace and key.name.startswith(f"{root.name}-"):
            return tuple(choice_of(split, b, request) for b in split.thing.backends if weight_of(b))
    return inner(world, request)


def _namesakes(world: World, choice: Choice) -> list[Key]:
    """Services of the same name in other namespaces."""
    return [key for key in world.services if key.name == choice.service.name and key != choice.service]


@fault("SP-029/other-namespace-backends", "a backend is taken from another namespace where one is so called", ENDPOINTS)
def other_namespace_backends(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    others = _namesakes(world, choice) if split_of(world, request) else []
    return inner(world, replace(choice, service=others[0]) if others else choice, request)


@fault("SP-029/fallback-to-other-namespace", "a missing backend is taken from another namespace", CHOICES)
def fallback_to_other_namespace(inner: Choose, world: World, request: Request) -> Choices:
    split = split_of(world, request)
    listed = [choice_of(split, b, request) for b in split.thing.backends if weight_of(b)] if split else []
    missing = [choice for choice in listed if choice.service not in world.services]
    others = [replace(choice, service=key) for choice in missing for key in _namesakes(world, choice)[:1]]
    return (*inner(world, request), *others)
