"""Small changes to worlds and requests, from which faults are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from smi_conformance.model.objects import Backend, HttpMatch, RouteGroup, Split, TrafficTarget
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Key, Placed, Pod, World

Manifest = dict[str, Any]
Target = Placed[TrafficTarget]


def fields_of(manifest: Manifest) -> Manifest:
    """Where the fields of an SMI object stand: under spec, or at the top in the oldest versions. To be changed."""
    found: Manifest = manifest.get("spec", manifest)
    return found


def with_targets(world: World, change: Callable[[Target], Target | None]) -> World:
    """Other TrafficTargets; None leaves one out."""
    return replace(world, targets=tuple(t for t in map(change, world.targets) if t is not None))


def with_policy(world: World, change: Callable[[TrafficTarget], TrafficTarget]) -> World:
    """Other contents of every TrafficTarget."""
    return with_targets(world, lambda target: replace(target, thing=change(target.thing)))


def by_destination(world: World, keep: Callable[[list[Target]], Iterable[Target]]) -> World:
    """Some of the TrafficTargets for each destination, which come in order of creation."""
    destinations = {(t.key.namespace, t.thing.destination) for t in world.targets}
    kept: list[Target] = []
    for namespace, destination in destinations:
        mine = [t for t in world.targets if (t.key.namespace, t.thing.destination) == (namespace, destination)]
        kept += keep(mine)
    return with_targets(world, lambda target: target if target in kept else None)


def with_groups(world: World, change: Callable[[RouteGroup], RouteGroup]) -> World:
    """Other contents of every route group."""
    return replace(world, groups={key: replace(one, thing=change(one.thing)) for key, one in world.groups.items()})


def with_matches(world: World, change: Callable[[HttpMatch, int], HttpMatch | None]) -> World:
    """Other matches of route groups; the function gets each with its place in the group, None takes it out."""

    def changed(group: RouteGroup) -> RouteGroup:
        matches = (change(match, place) for place, match in enumerate(group.matches))
        return RouteGroup(tuple(match for match in matches if match is not None))

    return with_groups(world, changed)


def with_ports(world: World, change: Callable[[tuple[int, ...]], Iterable[int]], kind: str = "tcp") -> World:
    """Other ports of TCPRoutes, or of UDPRoutes (`kind` udp); those for all ports stay."""
    routes = getattr(world, f"{kind}_routes")
    made = {
        key: replace(one, thing=replace(one.thing, ports=tuple(change(one.thing.ports)) if one.thing.ports else ()))
        for key, one in routes.items()
    }
    return replace(world, tcp_routes=made) if kind == "tcp" else replace(world, udp_routes=made)


def with_splits(world: World, change: Callable[[Placed[Split]], Placed[Split] | None]) -> World:
    """Other splits; None leaves one out."""
    return replace(world, splits=tuple(s for s in map(change, world.splits) if s is not None))


def with_backends(world: World, change: Callable[[tuple[Backend, ...]], Iterable[Backend]]) -> World:
    """Other backends of every split."""
    return with_splits(
        world, lambda split: replace(split, thing=replace(split.thing, backends=tuple(change(split.thing.backends))))
    )


def weighted(backends: Sequence[Backend], weights: Iterable[int]) -> list[Backend]:
    """The same backends with other weights."""
    return [replace(backend, weight=weight) for backend, weight in zip(backends, weights, strict=True)]


def header_of(request: Request, name: str, default: str = "") -> str:
    """The first value of a header."""
    return next((value for key, value in request.headers if key.lower() == name.lower()), default)


def is_governed(world: World, pod: Pod) -> bool:
    """Whether any TrafficTarget names the pod's account as its destination."""
    return any(
        Key(t.thing.destination.namespace or t.key.namespace, t.thing.destination.name) == pod.account
        for t in world.targets
    )


def newest_of_several(world: World, pod: Pod) -> bool:
    """Whether the pod is the one made last of two or more of its account."""
    peers = [other for other in world.pods if other.meshed and other.account == pod.account]
    return len(peers) > 1 and pod.uid == max(peers, key=lambda other: other.created).uid
