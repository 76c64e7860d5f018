"""Conversion of SMI manifests between API versions, by their meaning.

What a version cannot say travels in an annotation, and holds again as soon as it can be said, unless somebody has
changed the field meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from decimal import Decimal
from typing import Any

from smi_conformance.model.objects import (
    Backend,
    HttpMatch,
    RouteGroup,
    Rule,
    ServiceAccountRef,
    SmiObject,
    Split,
    TcpRoute,
    TrafficTarget,
)
from smi_conformance.model.read import Unreadable, group_version, read
from smi_conformance.model.render import Manifest, Unrenderable, bare, quantity
from smi_conformance.model.versions import at_least

KEPT = "smi-conformance/kept"
"""The annotation that holds what the version of the object cannot say."""


def convert(manifest: Manifest, version: str) -> Manifest:
    """The same object at another version of its group. Raises Unreadable; Unrenderable for what has no form there."""
    group, _ = group_version(manifest["apiVersion"])
    thing = meaning(manifest)
    try:
        said = sayable(thing, group, version)
    except ValueError as error:
        raise Unreadable(f"{manifest.get('kind')} makes no sense: {error}") from error
    lost = {one.name for one in fields(thing) if getattr(thing, one.name) != getattr(said, one.name)}
    kept = {name: value for name, value in asdict(thing).items() if name in lost}
    meta = manifest["metadata"]
    return {**bare(said, {group: version}), "metadata": _with(meta, kept)}


def meaning(manifest: Manifest) -> SmiObject:
    """What an object means, with what its version cannot say. Raises Unreadable."""
    group, version = group_version(manifest["apiVersion"])
    thing = read(manifest)
    for name, value in _kept(manifest).items():
        if name not in {one.name for one in fields(thing)}:
            continue
        try:
            full = replace(thing, **{name: _typed(thing, name, value)})
            said = sayable(full, group, version)
        except (TypeError, ValueError, AttributeError, Unrenderable):
            continue  # somebody has spoilt the annotation
        if getattr(said, name) == getattr(thing, name):
            thing = full
    return thing


def sayable(thing: SmiObject, group: str, version: str) -> SmiObject:
    """What a version can say of an object."""
    limit = _LIMITS.get(type(thing))
    said: SmiObject = limit(thing, group, version) if limit else thing
    return said


def _target(target: TrafficTarget, group: str, version: str) -> TrafficTarget:
    later = at_least(group, version, "v1alpha3")
    bindings = at_least(group, version, "v1alpha4")
    return replace(
        target,
        port=None if later else target.port,
        rules=tuple(rule for rule in target.rules if later or rule.kind != "UDPRoute"),
        sources=tuple(source for source in target.sources if bindings or source.kind != "IdentityBinding"),
    )


def _route_group(group: RouteGroup, api_group: str, version: str) -> RouteGroup:
    if at_least(api_group, version, "v1alpha2"):
        return group
    return RouteGroup(tuple(_explicit(match) for match in group.matches))


def _explicit(match: HttpMatch) -> HttpMatch:
    """At v1alpha1 there are no headers; path and methods have to be there."""
    path = ".*" if match.path_regex is None else match.path_regex
    return HttpMatch(match.name, path, match.methods or ("*",))


def _tcp_route(route: TcpRoute, group: str, version: str) -> TcpRoute:
    return route if at_least(group, version, "v1alpha4") else TcpRoute()


def _split(split: Split, group: str, version: str) -> Split:
    backends = split.backends if version == "v1alpha1" else whole(split.backends)
    matches = split.matches if at_least(group, version, "v1alpha3") else ()
    return replace(split, backends=backends, matches=matches)


def whole(backends: tuple[Backend, ...]) -> tuple[Backend, ...]:
    """The same proportions in whole numbers."""
    if all(isinstance(backend.weight, int) for backend in backends):
        return backends
    weights = [Decimal(b.weight) if isinstance(b.weight, int) else quantity(b.weight) for b in backends]
    scale = Decimal(10) ** max(0, *(-int(weight.normalize().as_tuple().exponent) for weight in weights))
    pairs = zip(backends, weights, strict=True)  # pragma: no mutate (each has its own)
    return tuple(replace(backend, weight=int(weight * scale)) for backend, weight in pairs)


_LIMITS: dict[type, Callable[[Any, str, str], SmiObject]] = {
    TrafficTarget: _target,
    RouteGroup: _route_group,
    TcpRoute: _tcp_route,
    Split: _split,
}
_PARTS: dict[tuple[type, str], type] = {
    (TrafficTarget, "rules"): Rule,
    (TrafficTarget, "sources"): ServiceAccountRef,
    (RouteGroup, "matches"): HttpMatch,
    (Split, "backends"): Backend,
}


def _typed(thing: SmiObject, name: str, value: Any) -> Any:
    """The value of a field from JSON."""
    if name == "port":
        return int(value)
    part = _PARTS.get((type(thing), name))
    return tuple(part(**_tuples(one)) for one in value) if part else _tuple(value)


def _tuples(source: dict[str, Any]) -> dict[str, Any]:
    return {name: _tuple(value) for name, value in source.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def _kept(manifest: Manifest) -> dict[str, Any]:
    """What the annotation says; one that somebody spoilt says nothing."""
    try:
        kept = json.loads((manifest["metadata"].get("annotations") or {})[KEPT])
    except (KeyError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _with(meta: Manifest, kept: dict[str, Any]) -> Manifest:
    annotations = {name: text for name, text in (meta.get("annotations") or {}).items() if name != KEPT}
    if kept:
        annotations[KEPT] = json.dumps(kept)
    rest = {name: value for name, value in meta.items() if name != "annotations"}
    return {**rest, "annotations": annotations} if annotations else rest
