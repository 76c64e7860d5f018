"""What the specification says for certain: the oracle under every reading of every open question.

Open are the named readings (smi_conformance/model/readings.py), and what the register calls tentative or
contradictory. Only what holds under all of them may be held against a mesh.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any, Literal

from fuzz.cases import HTTP_PORTS
from smi_conformance.model.matching import compiled
from smi_conformance.model.objects import HttpMatch, RouteGroup, TrafficTarget
from smi_conformance.model.oracle import Choice, Oracle, Request
from smi_conformance.model.readings import Readings
from smi_conformance.model.world import Key, Placed, Pod, World

Ruling = Literal["grants", "denies", "open"]
Target = Placed[TrafficTarget]
GROUP, TCP = "HTTPRouteGroup", "TCPRoute"
MAIN_PORT = HTTP_PORTS[0]
PLAIN = Oracle()


def admission(world: World, request: Request, pod: Pod, port: int) -> Ruling:
    """Whether a pod has to admit a request, must not, or may do either. TrafficTargets add up (TA-050)."""
    if not pod.meshed:
        return "grants"
    found = {ruling(world, target, request, pod, port) for target in world.targets}
    return "grants" if "grants" in found else "open" if "open" in found else "denies"


def ruling(world: World, target: Target, request: Request, pod: Pod, port: int) -> Ruling:
    """The same of one TrafficTarget."""
    sources = target.thing.sources
    if not PLAIN.opens(world, target, pod):
        return "denies"
    if not any(PLAIN.stands_for_client(world, target, source, request) for source in sources):
        return "denies"
    found = set(_answers(world, target, request, pod, port))
    return "open" if len(found) > 1 else "grants" if found == {True} else "denies"


def _answers(world: World, target: Target, request: Request, pod: Pod, port: int) -> Iterator[bool]:
    """What the TrafficTarget says under one set of readings after the other."""
    groups, routes = _only(target, GROUP), _only(target, TCP)
    for seen, oracle in _frames(world, target, request):

        def says(part: Target, seen: World = seen, oracle: Oracle = oracle) -> bool:
            return oracle.grants(seen, part, request, pod, port)

        yield says(target)
        if request.protocol != "http":
            continue
        if groups and routes:  # TA-100: whether HTTP needs both, the routes alone, or either
            yield says(groups)
            yield says(groups) or says(routes)
        elif routes or port != MAIN_PORT:  # TA-102, TA-101: whether TCPRoutes admit HTTP, and routes hold on all ports
            yield False


def _only(target: Target, kind: str) -> Target | None:
    """The TrafficTarget with its rules of one kind; None when it has none."""
    rules = tuple(rule for rule in target.thing.rules if rule.kind == kind)
    return replace(target, thing=replace(target.thing, rules=rules)) if rules else None


def _frames(world: World, target: Target, request: Request) -> Iterator[tuple[World, Oracle]]:
    """The worlds and readings that may differ for a request under a TrafficTarget."""
    matches = list(PLAIN.matches_of(world, target)) if request.protocol == "http" else []
    worlds = [world, _anchored(world)] if any(map(_open_ended, matches)) else [world]
    for seen, readings in product(worlds, _readings(matches, request)):
        yield seen, Oracle(readings)


def _readings(matches: Iterable[HttpMatch], request: Request) -> Iterator[Readings]:
    """The combinations of readings that a request can tell apart."""
    filters = [expression for match in matches for _, expression in match.headers]
    empty = any(found and found.fullmatch("") for found in map(compiled, filters))
    choices: dict[str, tuple[Any, ...]] = {
        "header_fit": ("whole", "part") if filters else ("whole",),
        "empty_fits_absent": (False, True) if empty else (False,),
        "raw_tcp_beside_http": ("admitted", "denied") if request.protocol == "tcp" else ("admitted",),
        "get_stands_for_head": (False, True) if request.method == "HEAD" else (False,),
        "dollar_and_query": ("path only", "with query") if "?" in request.path else ("path only",),
    }
    for values in product(*choices.values()):
        yield Readings(**dict(zip(choices, values, strict=True)))


def _open_ended(match: HttpMatch) -> bool:
    """Whether it matters for an expression that a path may go on after it."""
    return bool(match.path_regex) and not str(match.path_regex).endswith((".*", "$"))


def _anchored(world: World) -> World:
    """TS-011: the expressions of paths have to fit to the end."""
    return _with_matches(world, world.groups, lambda match: replace(match, path_regex=f"(?:{match.path_regex})$"))


def _with_matches(world: World, keys: Iterable[Key], change: Any) -> World:
    """Other matches of some route groups; None takes a match out."""
    groups = dict(world.groups)
    for key in keys:
        found = (change(match) for match in groups[key].thing.matches)
        groups[key] = replace(groups[key], thing=RouteGroup(tuple(match for match in found if match)))
    return replace(world, groups=groups)


def routings(world: World, request: Request) -> list[tuple[Choice, ...]]:
    """Where a request on a Service may be sent: one list of Services with weights for each reading."""
    assert request.service
    split = PLAIN.split_of(world, request.service.key)
    if split is None or not split.thing.matches:
        return [PLAIN.choices(world, request)]
    keys = [Key(split.key.namespace, name) for name in split.thing.matches]
    listed = [match for key in keys for match in world.groups[key].thing.matches]
    worlds = [world]
    if any(map(_open_ended, listed)):
        worlds.append(_anchored(world))
    if any(match.path_regex != ".*" or match.methods != ("*",) for match in listed):
        worlds += _by_headers(world, keys)
    found = (Oracle(readings).choices(seen, request) for seen in worlds for readings in _readings(listed, request))
    return list(dict.fromkeys(found))


def _by_headers(world: World, keys: Iterable[Key]) -> list[World]:
    """SP-075: in a split header filters alone may count; a match without any then fits all requests, or none."""

    def bare(match: HttpMatch) -> HttpMatch:
        return replace(match, path_regex=None, methods=())

    def bare_with_headers(match: HttpMatch) -> HttpMatch | None:
        return bare(match) if match.headers else None

    return [_with_matches(world, keys, change) for change in (bare, bare_with_headers)]
