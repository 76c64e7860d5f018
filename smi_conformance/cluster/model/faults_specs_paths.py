"""Defects in the reading of pathRegex (TS-010 to TS-018, TS-024)."""

from __future__ import annotations

import re
from dataclasses import replace

from smi_conformance.cluster.model.edits import with_groups, with_matches
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.specs_edits import (
    ANYWHERE,
    compiles,
    literal_prefix,
    searched,
    with_headers,
    with_paths,
)
from smi_conformance.cluster.model.switchboard import ADMISSION, WORLD, fault
from smi_conformance.model.matching import compiled
from smi_conformance.model.objects import HttpMatch, RouteGroup
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Pod, World


@fault("TS-010/unanchored", "pathRegex is searched anywhere in the path", WORLD)
def unanchored(world: World) -> World:
    return with_matches(world, lambda match, _: searched(match))


@fault("TS-010/searched-in-whole-url", "pathRegex is searched in host, path and query", ADMISSION)
def searched_in_whole_url(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    url = replace(request, path=f"{request.host}{request.path}".replace("?", "&"))
    return inner(unanchored(world), url, pod, port)


@fault("TS-010/first-branch-anchored-only", "in an alternation only the first branch is anchored", WORLD)
def first_branch_anchored_only(world: World) -> World:
    def loose(path: str) -> str:
        first, bar, others = path.partition("|")
        return f"{first}|{ANYWHERE}(?:{others})" if bar else path

    return with_paths(world, loose)


@fault("TS-010/second-match-unanchored", "only the first match of a group is anchored", WORLD)
def second_match_unanchored(world: World) -> World:
    return with_matches(world, lambda match, place: searched(match) if place else match)


@fault("TS-011/whole-path-match", "pathRegex has to fit the complete path", WORLD)
def whole_path_match(world: World) -> World:
    return with_paths(world, lambda path: rf"(?:{path})\Z")


@fault("TS-011/prefix-cut-at-slash", "further characters are accepted only after a slash", WORLD)
def prefix_cut_at_slash(world: World) -> World:
    return with_paths(world, lambda path: rf"(?:{path})(?:/.*)?\Z")


@fault("TS-012/taken-literally", "pathRegex is compared as plain text", WORLD)
def taken_literally(world: World) -> World:
    return with_paths(world, re.escape)


@fault("TS-012/cut-to-literal-prefix", "only the plain beginning of pathRegex counts", WORLD)
def cut_to_literal_prefix(world: World) -> World:
    return with_paths(world, lambda path: re.escape(literal_prefix(path)))


@fault("TS-012/dot-escaped", "a dot in pathRegex stands for a dot only", WORLD)
def dot_escaped(world: World) -> World:
    return with_paths(world, lambda path: path.replace(".", r"\."))


@fault("TS-012/second-branch-lost", "of an alternation only the first branch matches", WORLD)
def second_branch_lost(world: World) -> World:
    return with_paths(world, lambda path: re.sub(r"\|[^()|]*", "", path))


@fault("TS-012/plus-read-as-space", "a plus sign in pathRegex is decoded as a space", WORLD)
def plus_read_as_space(world: World) -> World:
    return with_paths(world, lambda path: path.replace("+", " "))


@fault("TS-013/dollar-rejected", "a match whose pathRegex ends with a dollar sign is rejected", WORLD)
def dollar_rejected(world: World) -> World:
    return with_paths(world, lambda path: None if path.endswith("$") else path)


@fault("TS-013/dollar-ignored", "a dollar sign at the end of pathRegex is stripped", WORLD)
def dollar_ignored(world: World) -> World:
    return with_paths(world, lambda path: path.removesuffix("$"))


@fault("TS-013/dollar-literal", "a dollar sign at the end of pathRegex is a character of the path", WORLD)
def dollar_literal(world: World) -> World:
    return with_paths(world, lambda path: f"{path[:-1]}[$]" if path.endswith("$") else path)


@fault("TS-014/query-part-of-path", "pathRegex has to fit the complete path with its query", ADMISSION)
def query_part_of_path(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(whole_path_match(world), replace(request, path=request.path.replace("?", "&")), pod, port)


@fault("TS-014/query-with-special-characters-denied", "a query with slashes or encoded signs is denied", ADMISSION)
def special_query_denied(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    query = request.path.partition("?")[2]
    return not any(sign in query for sign in "/%") and inner(world, request, pod, port)


@fault("TS-016/case-ignored", "the letter case of paths is ignored", WORLD)
def case_ignored(world: World) -> World:
    return with_paths(world, lambda path: f"(?i:{path})")


def with_missing_path(world: World, path: str | None) -> World:
    """Matches by headers without a path get one; None takes them out."""

    def changed(match: HttpMatch, _: int) -> HttpMatch | None:
        if match.path_regex is not None or not match.headers:
            return match
        return None if path is None else replace(match, path_regex=path)

    return with_matches(world, changed)


@fault("TS-017/missing-matches-nothing", "a match by headers without pathRegex matches nothing", WORLD)
def missing_path_matches_nothing(world: World) -> World:
    return with_missing_path(world, None)


@fault("TS-017/missing-matches-root-only", "a match by headers without pathRegex matches only /", WORLD)
def missing_path_matches_root(world: World) -> World:
    return with_missing_path(world, r"/\Z")


@fault("TS-017/empty-expression-compiled", "a missing pathRegex has to fit the complete path", WORLD)
def empty_expression_compiled(world: World) -> World:
    return with_missing_path(world, r"\Z")


@fault("TS-018/bad-expression-matches-all", "a pathRegex that does not compile matches every path", WORLD)
def bad_expression_matches_all(world: World) -> World:
    return with_paths(world, lambda path: path if compiled(path) else "")


@fault("TS-018/bad-header-filter-dropped", "a header filter that does not compile is left out", WORLD)
def bad_header_filter_dropped(world: World) -> World:
    return with_headers(world, lambda one, _: one if compiled(one[1]) else None)


@fault(
    "TS-024/blocks-later-configuration", "as long as an expression does not compile, no change of policy counts", WORLD
)
class BlocksLaterConfiguration:
    """Keeps the policies from before."""

    def __init__(self) -> None:
        self._good = World()

    def __call__(self, world: World) -> World:
        if all(compiles(match) for group in world.groups.values() for match in group.thing.matches):
            self._good = world
        return replace(world, targets=self._good.targets, groups=self._good.groups)


@fault("TS-024/group-lost", "a route group with an expression that does not compile grants nothing", WORLD)
def group_lost(world: World) -> World:
    return with_groups(world, lambda group: group if all(map(compiles, group.matches)) else RouteGroup(()))
