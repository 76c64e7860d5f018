"""Defects where several TrafficTargets meet (TA-051 to TA-056), and in their lists of sources (TA-060 to TA-064)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from smi_conformance.cluster.model.access_edits import (
    as_listed,
    destination_of,
    for_pod,
    group_of,
    http_ports,
    listed,
    on_any_port,
    only,
    opened,
    with_sources,
)
from smi_conformance.cluster.model.edits import Manifest, Target, fields_of, with_targets
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.switchboard import ADMISSION, CRD, MANIFEST, WORLD, fault
from smi_conformance.model.objects import ServiceAccountRef
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Key, Pod, World

ANYBODY = "*anybody*"


# Several TrafficTargets


def decided_by_first(
    inner: Admit, world: World, targets: Iterable[Target], request: Request, pod: Pod, port: int
) -> bool:
    """The first of these whose routes fit decides alone, by its own sources."""
    for target in targets:
        alone = only(world, target)
        if as_listed(inner, alone, request, pod, port):
            return inner(alone, request, pod, port)
    return False


@fault("TA-051/first-route-decides", "the first TrafficTarget whose route fits decides alone", ADMISSION)
def first_route_decides(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return decided_by_first(inner, world, world.targets, request, pod, port)


@fault("TA-051/order-dependent", "the TrafficTarget that sorts first by name decides alone", ADMISSION)
def order_dependent(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return decided_by_first(inner, world, sorted(world.targets, key=lambda t: t.key), request, pod, port)


@fault("TA-051/longest-path-decides", "the TrafficTarget with the longest fitting expression decides", ADMISSION)
def longest_path_decides(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    fitting = [t for t in world.targets if as_listed(inner, only(world, t), request, pod, port)]
    most = max((longest(world, t) for t in fitting), default=0)
    return inner(only(world, *(t for t in fitting if longest(world, t) == most)), request, pod, port)


def longest(world: World, target: Target) -> int:
    """The length of the longest path expression that a TrafficTarget refers to."""
    matches = [match for rule in target.thing.rules for match in group_of(world, target, rule)]
    return max((len(match.path_regex or "") for match in matches), default=0)


@fault("TA-051/broad-grant-leaks", "what one source may do without limits, all sources of the server may", ADMISSION)
def broad_grant_leaks(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    broad = only(world, *(t for t in for_pod(world, pod) if is_broad(world, t)))
    known = request.identity in listed(only(world, *for_pod(world, pod)))
    return inner(world, request, pod, port) or (known and as_listed(inner, broad, request, pod, port))


def is_broad(world: World, target: Target) -> bool:
    """Whether a TrafficTarget refers to a match for everything."""
    matches = [match for rule in target.thing.rules for match in group_of(world, target, rule)]
    return any(match.path_regex in (None, ".*") and set(match.methods) <= {"*"} for match in matches)


@fault("TA-052/sources-times-routes", "every source of a server may use every route of it", ADMISSION)
def sources_times_routes(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    mine = only(world, *for_pod(world, pod))
    crossed = request.identity in listed(mine) and as_listed(inner, mine, request, pod, port)
    return inner(world, request, pod, port) or crossed


@fault("TA-052/source-list-lost", "where two TrafficTargets meet, everybody may use their routes", ADMISSION)
def source_list_lost(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    mine = for_pod(world, pod)
    merged = len(mine) > 1 and as_listed(inner, only(world, *mine), request, pod, port)
    return inner(world, request, pod, port) or merged


@fault("TA-052/cross-only-after-update", "sources and routes are mixed once a TrafficTarget was edited", ADMISSION)
class CrossAfterUpdate:
    """Remembers TrafficTargets as they were first."""

    def __init__(self) -> None:
        self._first: dict[str, object] = {}

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        edited = any(self._first.setdefault(t.uid, t.thing) != t.thing for t in world.targets)
        return (sources_times_routes(inner, world, request, pod, port)) if edited else inner(world, request, pod, port)


@fault("TA-053/l4-l7-independent", "any granted port goes with any granted route", ADMISSION)
def l4_l7_independent(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    ported = inner(opened(world), request, pod, port)
    return inner(world, request, pod, port) or (ported and on_any_port(inner, world, request, pod))


@fault("TA-053/port-ignored-for-http", "the port is not looked at for HTTP", ADMISSION)
@fault("TA-100/port-ignored-for-http", "the port is not looked at for HTTP", ADMISSION)
def port_ignored_for_http(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    if request.protocol != "http":
        return inner(world, request, pod, port)
    return any(inner(world, request, pod, number) for number in http_ports(pod))


@fault("TA-053/second-target-port-ignored", "only the first TrafficTarget of a server has a port", ADMISSION)
def second_port_ignored(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    later = only(world, *for_pod(world, pod)[1:])
    return inner(world, request, pod, port) or port_ignored_for_http(inner, later, request, pod, port)


@fault("TA-054/narrow-acts-as-deny", "a request has to fit every TrafficTarget that lists its source", ADMISSION)
def narrow_acts_as_deny(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    mine = [t for t in for_pod(world, pod) if request.identity in listed(only(world, t))]
    return bool(mine) and all(inner(only(world, t), request, pod, port) for t in mine)


@fault("TA-054/narrow-overrides-on-same-path", "where a narrow grant names the path it decides alone", ADMISSION)
def narrow_overrides(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    mine = [t for t in for_pod(world, pod) if not is_broad(world, t) and names_path(world, t, request)]
    return inner(only(world, *mine) if mine else world, request, pod, port)


def names_path(world: World, target: Target, request: Request) -> bool:
    """Whether a TrafficTarget has a match with exactly this path."""
    path = request.path.partition("?")[0]
    return any(match.path_regex == path for rule in target.thing.rules for match in group_of(world, target, rule))


@fault("TA-055/keyed-by-name", "of TrafficTargets with one name in several namespaces the last one counts", WORLD)
def keyed_by_name(world: World) -> World:
    return replace(world, targets=tuple({t.key.name: t for t in world.targets}.values()))


@fault("TA-055/delete-hits-both", "a deleted TrafficTarget takes those of its name along", WORLD)
class DeleteHitsBoth:
    """Remembers what there was."""

    def __init__(self) -> None:
        self._seen: set[Key] = set()

    def __call__(self, world: World) -> World:
        here = {target.key for target in world.targets}
        gone = {key.name for key in self._seen - here}
        self._seen |= here
        return with_targets(world, lambda t: None if t.key.name in gone else t)


@fault("TA-056/shared-route-removed", "what a deleted TrafficTarget granted is denied to all", ADMISSION)
class SharedRouteRemoved:
    """Remembers the worlds in which TrafficTargets that are gone stood."""

    def __init__(self) -> None:
        self._worlds: dict[str, World] = {}

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        here = {target.uid for target in world.targets}
        self._worlds |= {target.uid: only(world, target) for target in world.targets}
        gone = [old for uid, old in self._worlds.items() if uid not in here]
        lost = any(as_listed(inner, old, request, pod, port) for old in gone)
        return inner(world, request, pod, port) and not lost


@fault("TA-056/destination-cleared", "a deletion clears all TrafficTargets of the destination until an edit", WORLD)
class DestinationCleared:
    """Remembers what there was, and what was left of a destination when it was cleared."""

    def __init__(self) -> None:
        self._before: tuple[Target, ...] = ()
        self._cleared: dict[Key, tuple[Target, ...]] = {}

    def __call__(self, world: World) -> World:
        for target in self._before:
            if target.uid not in {t.uid for t in world.targets}:
                self._cleared[destination_of(target)] = left(world, destination_of(target))
        self._before = world.targets
        void = {key for key, then in self._cleared.items() if left(world, key) == then}
        return with_targets(world, lambda t: None if destination_of(t) in void else t)


def left(world: World, destination: Key) -> tuple[Target, ...]:
    """The TrafficTargets of a destination."""
    return tuple(target for target in world.targets if destination_of(target) == destination)


# Lists of sources


@fault("TA-060/first-source-only", "only the first source is admitted", WORLD)
def first_source_only(world: World) -> World:
    return with_sources(world, lambda sources: sources[:1])


@fault("TA-060/sources-anded", "a client would have to be all the sources at once", WORLD)
def sources_anded(world: World) -> World:
    return with_sources(world, lambda sources: sources if len(set(sources)) == 1 else ())


@fault("TA-060/last-source-dropped", "of three sources or more the last one is denied", WORLD)
def last_source_dropped(world: World) -> World:
    return with_sources(world, lambda sources: sources[:-1] if len(sources) > 2 else sources)


@fault("TA-061/patch-ignored", "sources stay as they were at the creation", WORLD)
class PatchIgnored:
    """Remembers the first sources of each TrafficTarget."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[ServiceAccountRef, ...]] = {}

    def __call__(self, world: World) -> World:
        return with_targets(world, self._frozen)

    def _frozen(self, target: Target) -> Target:
        first = self._first.setdefault(target.uid, target.thing.sources)
        return replace(target, thing=replace(target.thing, sources=first))


@fault("TA-061/removal-ignored", "sources that were listed once stay admitted", WORLD)
class RemovalIgnored:
    """Remembers all sources of each TrafficTarget."""

    def __init__(self) -> None:
        self._all: dict[str, dict[ServiceAccountRef, None]] = {}

    def __call__(self, world: World) -> World:
        return with_targets(world, self._grown)

    def _grown(self, target: Target) -> Target:
        known = self._all.setdefault(target.uid, {})
        known.update(dict.fromkeys(target.thing.sources))
        return replace(target, thing=replace(target.thing, sources=tuple(known)))


# Empty lists: a CRD that refuses them hides what the controller would make of them


@fault("TA-064/empty-means-any", "empty lists are taken", CRD)
@fault("TA-064/last-removal-opens", "empty lists are taken", CRD)
@fault("TA-064/absent-means-any", "absent lists are taken", CRD)
@fault("TA-095/no-rules-means-everything", "empty lists are taken", CRD)
@fault("TA-095/last-removal-opens", "empty lists are taken", CRD)
@fault("TA-095/rule-less-opens-tcp", "empty lists are taken", CRD)
def lists_may_be_empty(crd: Manifest) -> Manifest:
    """Sources and rules of TrafficTargets without a least number, and not required."""
    for version in crd["spec"]["versions"] if crd["spec"]["names"]["kind"] == "TrafficTarget" else ():
        schema = version["schema"]["openAPIV3Schema"]
        loosen(schema["properties"].get("spec", schema))
    return crd


def loosen(schema: Manifest) -> None:
    """Take the demands on sources and rules out of the schema of a TrafficTarget."""
    schema["required"] = [name for name in schema.get("required", ()) if name == "destination"]
    for name in {"sources", "rules", "specs"} & set(schema["properties"]):
        schema["properties"][name].pop("minItems", None)


def admits_any(inner: Admit, world: World, targets: Iterable[Target], request: Request, pod: Pod, port: int) -> bool:
    """Whether these TrafficTargets would let the client in if they listed it."""
    if request.identity is None:
        return False
    source = ServiceAccountRef(request.identity.name, request.identity.namespace)
    return inner(with_sources(only(world, *targets), lambda _: [source]), request, pod, port)


@fault("TA-064/empty-means-any", "an empty list of sources admits everybody", ADMISSION)
def empty_means_any(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    empty = [t for t in world.targets if not t.thing.sources]
    return inner(world, request, pod, port) or admits_any(inner, world, empty, request, pod, port)


@fault("TA-064/absent-means-any", "an absent list of sources admits everybody", MANIFEST, kind="TrafficTarget")
def absent_is_marked(manifest: Manifest) -> Manifest:
    fields_of(manifest).setdefault("sources", [{"kind": "ServiceAccount", "name": ANYBODY}])
    return manifest


@fault("TA-064/absent-means-any", "an absent list of sources admits everybody", ADMISSION)
def absent_means_any(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    wide = [t for t in world.targets if any(source.name == ANYBODY for source in t.thing.sources)]
    return inner(world, request, pod, port) or admits_any(inner, world, wide, request, pod, port)


@fault("TA-064/last-removal-opens", "a TrafficTarget that loses its last source admits everybody", ADMISSION)
class LastSourceRemoved:
    """Remembers which TrafficTargets had sources."""

    def __init__(self) -> None:
        self._had: set[str] = set()

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        self._had |= {target.uid for target in world.targets if target.thing.sources}
        lost = [t for t in world.targets if not t.thing.sources and t.uid in self._had]
        return inner(world, request, pod, port) or admits_any(inner, world, lost, request, pod, port)
