"""Defects in the reading of methods (TS-020 to TS-027)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.edits import fields_of, header_of, with_matches
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.specs_edits import with_methods, without
from smi_conformance.cluster.model.switchboard import ADMISSION, MANIFEST, WORLD, fault
from smi_conformance.model.objects import HttpMatch
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Pod, World


@fault("TS-020/method-unchecked", "methods are not checked", WORLD)
def method_unchecked(world: World) -> World:
    return with_methods(world, lambda _: ())


@fault("TS-020/first-method-only", "only the first of the methods counts", WORLD)
def first_method_only(world: World) -> World:
    return with_methods(world, lambda methods: methods[:1])


@fault("TS-020/methods-anded", "a request would need all of the methods at once", WORLD)
def methods_anded(world: World) -> World:
    return with_methods(world, lambda methods: methods if len(methods) < 2 else None)


@fault("TS-020/third-method-lost", "the last of three methods is denied", WORLD)
def third_method_lost(world: World) -> World:
    return with_methods(world, lambda methods: methods[:-1] if len(methods) == 3 else methods)


@fault("TS-020/override-header-honoured", "X-HTTP-Method-Override decides instead of the method", ADMISSION)
def override_header_honoured(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    method = header_of(request, "x-http-method-override", request.method)
    return inner(world, replace(request, method=method), pod, port)


@fault("TS-021/star-literal", "the star is a method of that name", WORLD)
def star_literal(world: World) -> World:
    return with_methods(world, lambda methods: tuple(method for method in methods if method != "*") or None)


@fault("TS-021/star-common-methods-only", "the star means GET and POST", WORLD)
def star_common_methods_only(world: World) -> World:
    return with_methods(world, lambda methods: ("GET", "POST") if "*" in methods else methods)


@fault("TS-021/star-narrowed", "beside other methods the star does not count", WORLD)
def star_narrowed(world: World) -> World:
    return with_methods(world, lambda methods: [m for m in methods if m != "*"] if len(methods) > 1 else methods)


def by_methods_only(match: HttpMatch) -> bool:
    """Whether a match has methods and nothing else."""
    return match.path_regex is None and not match.headers


@fault("TS-022/methods-only-matches-nothing", "a match without path and headers matches nothing", WORLD)
def methods_only_matches_nothing(world: World) -> World:
    return without(world, by_methods_only)


@fault("TS-022/methods-only-matches-all", "a match without path and headers matches every method", WORLD)
def methods_only_matches_all(world: World) -> World:
    return with_matches(world, lambda match, _: replace(match, methods=()) if by_methods_only(match) else match)


@fault("TS-023/missing-matches-nothing", "a match by headers without methods matches nothing", WORLD)
def missing_methods_match_nothing(world: World) -> World:
    return without(world, lambda match: bool(match.headers) and not match.methods)


@fault("TS-023/missing-means-get", "a match by headers without methods means GET", WORLD)
def missing_methods_mean_get(world: World) -> World:
    def changed(match: HttpMatch, _: int) -> HttpMatch:
        return replace(match, methods=("GET",)) if match.headers and not match.methods else match

    return with_matches(world, changed)


def by_path_only(match: HttpMatch) -> bool:
    """Whether a match has a path and nothing else."""
    return match.path_regex is not None and not match.headers and not match.methods


@fault("TS-027/path-only-matches-nothing", "a match with a path only matches nothing", WORLD)
def path_only_matches_nothing(world: World) -> World:
    return without(world, by_path_only)


@fault("TS-027/path-only-means-get", "a match with a path only means GET", WORLD)
def path_only_means_get(world: World) -> World:
    return with_matches(world, lambda match, _: replace(match, methods=("GET",)) if by_path_only(match) else match)


@fault("TS-027/empty-list-matches-nothing", "an empty methods list matches nothing", MANIFEST, kind="HTTPRouteGroup")
def empty_list_matches_nothing(manifest: dict[str, Any]) -> dict[str, Any]:
    fields = fields_of(manifest)
    fields["matches"] = [match for match in fields.get("matches", ()) if match.get("methods") != []]
    return manifest
