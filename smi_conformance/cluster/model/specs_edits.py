"""Changes to the matches of route groups, from which faults of the specs area are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from smi_conformance.cluster.model.edits import with_matches
from smi_conformance.model.matching import compiled
from smi_conformance.model.objects import HttpMatch
from smi_conformance.model.world import Key, World

ANYWHERE = "(?s:.*)"
Header = tuple[str, str]


def with_paths(world: World, change: Callable[[str], str | None]) -> World:
    """Other expressions for paths, where there are any; None takes the match out."""

    def changed(match: HttpMatch, _: int) -> HttpMatch | None:
        if match.path_regex is None:
            return match
        path = change(match.path_regex)
        return None if path is None else replace(match, path_regex=path)

    return with_matches(world, changed)


def with_methods(world: World, change: Callable[[tuple[str, ...]], Iterable[str] | None]) -> World:
    """Other methods, where there are any; None takes the match out."""

    def changed(match: HttpMatch, _: int) -> HttpMatch | None:
        methods = change(match.methods) if match.methods else ()
        return None if methods is None else replace(match, methods=tuple(methods))

    return with_matches(world, changed)


def with_headers(world: World, change: Callable[[Header, int], Header | None]) -> World:
    """Other header filters; the function gets each with its place in the match, None takes it out."""

    def changed(match: HttpMatch, _: int) -> HttpMatch:
        filters = [change(one, place) for place, one in enumerate(match.headers)]
        return replace(match, headers=tuple(one for one in filters if one is not None))

    return with_matches(world, changed)


def without(world: World, broken: Callable[[HttpMatch], bool]) -> World:
    """The matches without the broken ones."""
    return with_matches(world, lambda match, _: None if broken(match) else match)


def searched(match: HttpMatch) -> HttpMatch:
    """The match with its path looked for anywhere."""
    return match if match.path_regex is None else replace(match, path_regex=f"{ANYWHERE}(?:{match.path_regex})")


def compiles(match: HttpMatch) -> bool:
    """Whether all expressions of a match do."""
    return all(compiled(text) for text in (match.path_regex or "", *(text for _, text in match.headers)))


def literal_prefix(expression: str) -> str:
    """What stands before the first sign that is special in an expression."""
    return re.split(r"[.\[(|?*+{\\^$]", expression, maxsplit=1)[0]


def idle_groups(world: World) -> list[Key]:
    """The route groups that neither a TrafficTarget nor a split refers to."""
    used = {Key(t.key.namespace, rule.name) for t in world.targets for rule in t.thing.rules}
    used |= {Key(split.key.namespace, name) for split in world.splits for name in split.thing.matches}
    return [key for key in world.groups if key not in used]


def idle_tcp_routes(world: World) -> list[Key]:
    """The TCPRoutes that no TrafficTarget refers to."""
    used = {Key(t.key.namespace, rule.name) for t in world.targets for rule in t.thing.rules if rule.kind == "TCPRoute"}
    return [key for key in world.tcp_routes if key not in used]
