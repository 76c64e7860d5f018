"""Defects in the reading of header filters (TS-030 to TS-038)."""

from __future__ import annotations

import re
from dataclasses import replace

from smi_conformance.cluster.model.edits import with_groups, with_matches
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.specs_edits import Header, with_headers, without
from smi_conformance.cluster.model.switchboard import ADMISSION, WORLD, fault
from smi_conformance.model.objects import HttpMatch, RouteGroup
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Pod, World


@fault("TS-030/compared-literally", "a header has to equal the text of its expression", WORLD)
def compared_literally(world: World) -> World:
    return with_headers(world, lambda one, _: (one[0], re.escape(one[1])))


@fault("TS-030/filter-ignored", "header filters are ignored", WORLD)
def filter_ignored(world: World) -> World:
    return with_headers(world, lambda one, _: None)


@fault("TS-030/expression-as-substring", "a header fits if it holds a plain part of the expression", WORLD)
def expression_as_substring(world: World) -> World:
    return with_headers(world, lambda one, _: (one[0], _substring(one[1])))


def _substring(expression: str) -> str:
    literal = max(re.findall(r"[A-Za-z]+", expression), key=len, default="")
    return f".*{literal}.*"


@fault("TS-030/first-value-only", "of a header that is sent twice only the first value is judged", ADMISSION)
def first_value_only(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    first = dict(reversed([(name.lower(), value) for name, value in request.headers]))
    return inner(world, replace(request, headers=tuple(first.items())), pod, port)


@fault("TS-030/value-case-ignored", "the letter case of header values is ignored", WORLD)
def value_case_ignored(world: World) -> World:
    return with_headers(world, lambda one, _: (one[0], f"(?i:{one[1]})"))


@fault("TS-031/filters-ored", "the filters of a match are alternatives", WORLD)
def filters_ored(world: World) -> World:
    def split(group: RouteGroup) -> RouteGroup:
        made = [replace(m, headers=(one,)) for m in group.matches for one in m.headers]
        return RouteGroup((*made, *(match for match in group.matches if not match.headers)))

    return with_groups(world, split)


@fault("TS-031/last-filter-only", "only the last filter of a match counts", WORLD)
def last_filter_only(world: World) -> World:
    return with_matches(world, lambda match, _: replace(match, headers=match.headers[-1:]))


@fault("TS-031/third-filter-lost", "of three filters only two are checked", WORLD)
def third_filter_lost(world: World) -> World:
    return with_matches(world, lambda match, _: replace(match, headers=match.headers[:2]))


@fault("TS-032/matches-anded", "a request has to fit the headers of all matches", WORLD)
def matches_anded(world: World) -> World:
    def joined(group: RouteGroup) -> RouteGroup:
        everything = tuple(one for match in group.matches for one in match.headers)
        return RouteGroup(tuple(replace(match, headers=everything) for match in group.matches))

    return with_groups(world, joined)


@fault("TS-032/first-match-only", "only the first match of a group counts", WORLD)
def first_match_only(world: World) -> World:
    return with_groups(world, lambda group: RouteGroup(group.matches[:1]))


@fault("TS-032/headers-mixed", "further filters of a match move to the next match", WORLD)
def headers_mixed(world: World) -> World:
    def mixed(group: RouteGroup) -> RouteGroup:
        moved = [match.headers[1:] for match in group.matches]
        shifted = [*moved[-1:], *moved[:-1]]
        pairs = zip(group.matches, shifted, strict=True)
        return RouteGroup(tuple(replace(m, headers=(*m.headers[:1], *more)) for m, more in pairs))

    return with_groups(world, mixed)


@fault("TS-033/any-condition-suffices", "one of path, methods and headers is enough", WORLD)
def any_condition_suffices(world: World) -> World:
    def split(group: RouteGroup) -> RouteGroup:
        return RouteGroup(tuple(part for match in group.matches for part in _conditions(match)))

    return with_groups(world, split)


def _conditions(match: HttpMatch) -> list[HttpMatch]:
    parts = [
        HttpMatch(match.name, path_regex=match.path_regex) if match.path_regex is not None else None,
        HttpMatch(match.name, methods=match.methods) if match.methods else None,
        HttpMatch(match.name, headers=match.headers) if match.headers else None,
    ]
    return [part for part in parts if part]


@fault("TS-033/headers-ignored-with-path", "where a path is given, headers are not checked", WORLD)
def headers_ignored_with_path(world: World) -> World:
    return with_matches(world, lambda match, _: match if match.path_regex is None else replace(match, headers=()))


@fault("TS-033/method-ignored-with-headers", "where headers are given, methods are not checked", WORLD)
def method_ignored_with_headers(world: World) -> World:
    return with_matches(world, lambda match, _: replace(match, methods=()) if match.headers else match)


def _without_absent(world: World, request: Request, first: int) -> World:
    """Filters from a place on are left out where the request lacks the header."""
    sent = {name.lower() for name, _ in request.headers}

    def kept(one: Header, place: int) -> Header | None:
        return None if place >= first and one[0].lower() not in sent else one

    return with_headers(world, kept)


@fault("TS-034/absent-header-matches", "a filter on a header that is absent holds", ADMISSION)
def absent_header_matches(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(_without_absent(world, request, 0), request, pod, port)


@fault("TS-034/absent-in-second-filter-matches", "from the second filter on, an absent header fits", ADMISSION)
def absent_in_second_filter_matches(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(_without_absent(world, request, 1), request, pod, port)


@fault("TS-035/name-case-sensitive", "header names are compared with their letter case", ADMISSION)
def name_case_sensitive(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    sent = {name for name, _ in request.headers}

    def compared(one: Header, _: int) -> Header:
        return one if one[0] in sent else ("no-such-header", one[1])

    return inner(with_headers(world, compared), request, pod, port)


def _upper_case(match: HttpMatch) -> bool:
    return any(name != name.lower() for name, _ in match.headers)


@fault("TS-035/upper-case-filter-lost", "a match with capitals in a filter's name is lost", WORLD)
def upper_case_filter_lost(world: World) -> World:
    return without(world, _upper_case)


@fault("TS-035/http2-only-lower-case", "over HTTP/2 filters with capitals in their name never hold", ADMISSION)
def http2_only_lower_case(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    known = upper_case_filter_lost(world) if request.http == "HTTP/2" else world
    return inner(known, request, pod, port)


@fault("TS-038/syntax-unsupported", "a match with anchors or non-greedy groups in a filter is lost", WORLD)
def syntax_unsupported(world: World) -> World:
    return without(world, lambda match: any("^" in text or "*?" in text for _, text in match.headers))


@fault("TS-038/cookie-split-or-joined", "pairs of a cookie are split and joined anew before matching", ADMISSION)
def cookie_split_or_joined(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    pairs = [
        (name, part.strip())
        for name, value in request.headers
        for part in (value.split(";") if name.lower() == "cookie" else [value])
    ]
    return inner(world, replace(request, headers=tuple(pairs)), pod, port)


@fault("TS-038/double-anchoring", "anchors inside an expression count as characters", WORLD)
def double_anchoring(world: World) -> World:
    return with_headers(world, lambda one, _: (one[0], re.sub(r"^\^|\$$", r"\\\g<0>", one[1])))
