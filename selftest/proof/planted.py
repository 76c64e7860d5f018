"""Bugs of the interplay of policies that no scenario lists and no register names, for the model's mesh.

    python -m selftest.proof.planted fuzz --cluster model --fault PLANTED/names-of-two-groups

runs the command line with these switches beside the usual ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.access_edits import GROUP, TCP, destination_of, with_rules, with_sources
from smi_conformance.cluster.model.edits import Target, with_groups, with_splits, with_targets
from smi_conformance.cluster.model.mesh import Admit, Choose
from smi_conformance.cluster.model.switchboard import ADMISSION, CHOICES, WORLD, fault
from smi_conformance.model.objects import HttpMatch, RouteGroup, Rule
from smi_conformance.model.oracle import Choices, Request
from smi_conformance.model.world import Key, Pod, World

Hook = Callable[..., Any]
PLANTED: dict[str, tuple[str, Hook]] = {}


def planted(slug: str, at: str) -> Callable[[Hook], Hook]:
    """List a bug under PLANTED/slug; its docstring says what is broken."""

    def listed(hook: Hook) -> Hook:
        PLANTED[f"PLANTED/{slug}"] = at, hook
        return hook

    return listed


def _kinds(target: Target) -> set[str]:
    return {rule.kind for rule in target.thing.rules}


def _groups(target: Target) -> set[str]:
    return {rule.name for rule in target.thing.rules if rule.kind == GROUP}


@planted("shadowed-by-tcp", WORLD)
def shadowed_by_tcp(world: World) -> World:
    """A TrafficTarget with a TCPRoute takes the HTTP rules from older ones for the same destination and source."""

    def shadowed(target: Target) -> Target | None:
        later = world.targets[world.targets.index(target) + 1 :]
        same = [one for one in later if destination_of(one) == destination_of(target) and TCP in _kinds(one)]
        hidden = {source for one in same for source in one.thing.sources}
        kept = tuple(source for source in target.thing.sources if source not in hidden)
        return replace(target, thing=replace(target.thing, sources=kept)) if TCP not in _kinds(target) else target

    return with_targets(world, shadowed)


@planted("filters-ored-with-methods", WORLD)
def filters_ored_with_methods(world: World) -> World:
    """The header filters of a match that names several methods are alternatives."""

    def ored(match: HttpMatch) -> list[HttpMatch]:
        several = len(match.methods) > 1 and len(match.headers) > 1
        return [replace(match, headers=(one,)) for one in match.headers] if several else [match]

    return with_groups(world, lambda group: RouteGroup(tuple(one for match in group.matches for one in ored(match))))


@planted("first-filters-for-all-of-three", WORLD)
def first_filters_for_all_of_three(world: World) -> World:
    """In a group of three matches or more, those without header filters get the ones of the first."""

    def merged(group: RouteGroup) -> RouteGroup:
        first = group.matches[0].headers
        return RouteGroup(tuple(replace(match, headers=match.headers or first) for match in group.matches))

    return with_groups(world, lambda group: merged(group) if len(group.matches) > 2 else group)


@planted("methods-of-equal-path", WORLD)
def methods_of_equal_path(world: World) -> World:
    """Two matches of one path share the list of methods: that of the one that was read last."""

    def shared(group: RouteGroup) -> RouteGroup:
        last = {match.path_regex: match.methods for match in group.matches}
        return RouteGroup(tuple(replace(match, methods=last[match.path_regex]) for match in group.matches))

    return with_groups(world, shared)


@planted("names-of-two-groups", WORLD)
def names_of_two_groups(world: World) -> World:
    """The match names of a rule are ignored when its TrafficTarget refers to two groups."""

    def bare(target: Target) -> Iterator[Rule]:
        several = len(_groups(target)) > 1
        yield from (replace(rule, matches=()) if several else rule for rule in target.thing.rules)

    return with_rules(world, bare)


@planted("names-pooled", WORLD)
def names_pooled(world: World) -> World:
    """The match names of all rules of a TrafficTarget are looked up in each of its groups."""

    def pooled(target: Target) -> Iterator[Rule]:
        names = tuple(name for rule in target.thing.rules for name in rule.matches)
        yield from (replace(rule, matches=names) if rule.matches else rule for rule in target.thing.rules)

    return with_rules(world, pooled)


@planted("tcp-port-opens-http", ADMISSION)
def tcp_port_opens_http(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    """A TCPRoute beside route groups opens HTTP on every port that the TCPRoute does not list."""
    own = [t for t in world.targets if destination_of(t) == pod.account and {GROUP, TCP} <= _kinds(t)]
    asked = replace(request, protocol="tcp")
    leaks = request.protocol == "http" and any(
        inner(replace(world, targets=(target,)), asked, pod, listed)
        for target in own
        for rule in target.thing.rules
        if rule.kind == TCP
        for listed in world.tcp_routes[Key(target.key.namespace, rule.name)].thing.ports
        if listed != port
    )
    return leaks or inner(world, request, pod, port)


@planted("split-needs-both-groups", CHOICES)
def split_needs_both_groups(inner: Choose, world: World, request: Request) -> Choices:
    """A request has to fit every group that a split names."""
    assert request.service
    found = [s for s in world.splits if s.thing.service == request.service.key.name and s.thing.matches]
    plain = replace(world, splits=())
    for split in found:
        for name in split.thing.matches:
            alone = replace(split, thing=replace(split.thing, matches=(name,)))
            if inner(replace(world, splits=(alone,)), request) == inner(plain, request):
                return inner(plain, request)
    return inner(world, request)


@planted("split-group-of-target", WORLD)
def split_group_of_target(world: World) -> World:
    """A route group that a TrafficTarget refers to is lost for splits that name another one as well."""
    used = {name for target in world.targets for name in _groups(target)}

    def left(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in used) or names[:1] if len(names) > 1 else names

    return with_splits(world, lambda s: replace(s, thing=replace(s.thing, matches=left(s.thing.matches))))


@planted("shared-group-shares-sources", WORLD)
def shared_group_shares_sources(world: World) -> World:
    """TrafficTargets of one destination that refer to the same group share their sources."""

    def shared(target: Target) -> Target:
        alike = [
            one for one in world.targets
            if destination_of(one) == destination_of(target) and _groups(one) & _groups(target)
        ]  # fmt: skip
        sources = tuple(dict.fromkeys(source for one in alike for source in one.thing.sources))
        return replace(target, thing=replace(target.thing, sources=sources))

    return with_targets(world, shared)


@planted("namespace-lost-in-lists", WORLD)
def namespace_lost_in_lists(world: World) -> World:
    """In a list of two sources or more, an account of another namespace stands for the one in the target's own."""
    return with_sources(
        world,
        lambda sources: [
            *sources, *(replace(one, namespace=_home(world)) for one in sources if 1 < len(sources) < 4)
        ],
    )  # fmt: skip


def _home(world: World) -> str:
    return world.targets[0].key.namespace


@planted("denied-backend-fails-over", CHOICES)
def denied_backend_fails_over(inner: Choose, world: World, request: Request) -> Choices:
    """Where a client may call none of the weighted backends, those of weight 0 get its requests."""
    found = inner(world, request)
    listed = {split.thing.service: split for split in world.splits}
    split = listed.get(request.service.key.name) if request.service else None
    open_to = {t.thing.destination.name for t in world.targets if _lists(t, request) and t.key.name[0] != "p"}
    if split is None or any(f"sa-{one.service.name}" in open_to for one in found):
        return found
    spare = [one for one in split.thing.backends if one.weight == 0 and f"sa-{one.service}" in open_to]
    return tuple(replace(found[0], service=Key(split.key.namespace, one.service)) for one in spare) or found


def _lists(target: Target, request: Request) -> bool:
    return any(Key(str(one.namespace), one.name) == request.identity for one in target.thing.sources)


def register() -> None:
    """Make the bugs switches of the model. Not on import: the register knows nothing of them."""
    for name, (at, hook) in PLANTED.items():
        fault(name, " ".join(str(hook.__doc__).split()), at)(hook)


if __name__ == "__main__":
    from smi_conformance.cli import main

    register()
    main()
    sys.exit()
