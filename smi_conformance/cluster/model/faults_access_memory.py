"""Defects of controllers that remember: changes and deletions that are missed (TA-097, TA-099, TA-113, TA-120 to
TA-122)."""

from __future__ import annotations

from dataclasses import replace

from smi_conformance.cluster.model.access_edits import (
    ALL,
    TCP,
    destination_of,
    each_rule,
    group_of,
    with_everything,
    with_rules,
)
from smi_conformance.cluster.model.edits import Target, newest_of_several, with_targets
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.switchboard import ADMISSION, VIEW, WORLD, fault
from smi_conformance.model.objects import RouteGroup, Rule, TcpRoute, TrafficTarget
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Key, Placed, Pod, World

Group = Placed[RouteGroup]
Route = Placed[TcpRoute]


# Route groups


@fault("TA-097/routes-not-watched", "groups are read once", WORLD)
class GroupsReadOnce:
    """Remembers each group as it was first."""

    def __init__(self) -> None:
        self._first: dict[Key, Group] = {}

    def __call__(self, world: World) -> World:
        self._first = {**world.groups, **self._first}
        return replace(world, groups=dict(self._first))


@fault("TA-097/stale-after-delete", "deleted groups stay in force", WORLD)
class DeletedGroupsStay:
    """Remembers each group as it was last."""

    def __init__(self) -> None:
        self._last: dict[Key, Group] = {}

    def __call__(self, world: World) -> World:
        self._last = {**self._last, **world.groups}
        return replace(world, groups=dict(self._last))


@fault("TA-097/one-user-updated", "of the TrafficTargets that use a group only the first follows its edits", WORLD)
class OneUserUpdated:
    """Keeps each group as it was first for the other users."""

    def __init__(self) -> None:
        self._first: dict[Key, Group] = {}

    def __call__(self, world: World) -> World:
        self._first = {**world.groups, **self._first}
        users: dict[Key, str] = {}

        def frozen(target: Target, rule: Rule) -> Rule:
            user = users.setdefault(Key(target.key.namespace, rule.name), target.uid)
            return rule if user == target.uid else replace(rule, name=f"{rule.name}{ALL}")

        kept = {Key(key.namespace, f"{key.name}{ALL}"): group for key, group in self._first.items()}
        return each_rule(replace(world, groups={**world.groups, **kept}), frozen)


@fault("TA-099/late-group-missed", "a rule whose group is missing at first never grants", WORLD)
class LateGroupMissed:
    """Remembers which rules led somewhere when their TrafficTarget appeared."""

    def __init__(self) -> None:
        self._good: dict[str, set[str]] = {}

    def __call__(self, world: World) -> World:
        for target in world.targets:
            found = {rule.name for rule in target.thing.rules if Key(target.key.namespace, rule.name) in world.groups}
            self._good.setdefault(target.uid, found)
        return each_rule(world, lambda t, rule: rule if rule.name in self._good[t.uid] else None)


@fault("TA-099/late-name-missed", "a name that is missing at first in its group never grants", WORLD)
class LateNameMissed:
    """Remembers names that were looked up in vain."""

    def __init__(self) -> None:
        self._missed: set[tuple[str, str, str]] = set()

    def __call__(self, world: World) -> World:
        for target in world.targets:
            for rule in target.thing.rules:
                known = {match.name for match in group_of(world, target, rule)}
                vain = [name for name in rule.matches if known and name not in known]
                self._missed |= {(target.uid, rule.name, name) for name in vain}
        return each_rule(world, self._without)

    def _without(self, target: Target, rule: Rule) -> Rule | None:
        names = tuple(name for name in rule.matches if (target.uid, rule.name, name) not in self._missed)
        return replace(rule, matches=names) if names or not rule.matches else None


@fault("TA-099/late-after-delete-missed", "a group that is created again is not picked up", WORLD)
class RecreatedGroupMissed:
    """Remembers the first object under each name."""

    def __init__(self) -> None:
        self._uids: dict[Key, str] = {}

    def __call__(self, world: World) -> World:
        groups = {key: g for key, g in world.groups.items() if self._uids.setdefault(key, g.uid) == g.uid}
        return replace(world, groups=groups)


# TCPRoutes


@fault("TA-113/tcproutes-not-watched", "TCPRoutes are read once", WORLD)
class RoutesReadOnce:
    """Remembers each TCPRoute as it was first."""

    def __init__(self) -> None:
        self._first: dict[Key, Route] = {}

    def __call__(self, world: World) -> World:
        self._first = {**world.tcp_routes, **self._first}
        return replace(world, tcp_routes=dict(self._first))


@fault("TA-113/removed-port-stays", "ports that a TCPRoute once had stay open", WORLD)
class RemovedPortStays:
    """Remembers all ports of each TCPRoute."""

    def __init__(self) -> None:
        self._ports: dict[str, tuple[int, ...]] = {}

    def __call__(self, world: World) -> World:
        return replace(world, tcp_routes={key: self._grown(route) for key, route in world.tcp_routes.items()})

    def _grown(self, route: Route) -> Route:
        known = self._ports.get(route.uid, ())
        self._ports[route.uid] = tuple(dict.fromkeys((*known, *route.thing.ports)))
        return replace(route, thing=TcpRoute(self._ports[route.uid]))


@fault("TA-113/delete-opens-all-ports", "a deleted TCPRoute leaves all ports open", WORLD)
class DeletedRouteOpens:
    """Remembers which TCPRoutes there were."""

    def __init__(self) -> None:
        self._seen: set[Key] = set()

    def __call__(self, world: World) -> World:
        self._seen |= set(world.tcp_routes)
        gone = self._seen - set(world.tcp_routes)
        wide = with_everything(world)
        return each_rule(wide, lambda t, r: Rule(TCP, ALL) if Key(t.key.namespace, r.name) in gone else r, TCP)


# TrafficTargets


@fault("TA-120/read-at-proxy-start", "a server's proxy reads policies when it first needs them, and never again", VIEW)
class ReadAtStart:
    """Remembers what each pod's proxy read."""

    def __init__(self) -> None:
        self._read: dict[str, World] = {}

    def __call__(self, world: World, pod: Pod) -> World:
        then = self._read.setdefault(pod.uid, world)
        return replace(world, targets=then.targets, groups=then.groups, tcp_routes=then.tcp_routes)


@fault("TA-120/one-replica-missed", "the newest of several server pods learns no policy but the first", VIEW)
class ReplicaMissed:
    """Remembers the first TrafficTarget of each destination."""

    def __init__(self) -> None:
        self._first: dict[Key, str] = {}

    def __call__(self, world: World, pod: Pod) -> World:
        for target in world.targets:
            self._first.setdefault(destination_of(target), target.uid)
        if not newest_of_several(world, pod):
            return world
        return with_targets(world, lambda t: t if self._first[destination_of(t)] == t.uid else None)


@fault("TA-121/stale-after-delete", "deleted TrafficTargets stay in force", WORLD)
class DeletedTargetsStay:
    """Remembers every TrafficTarget as it was last."""

    def __init__(self) -> None:
        self._last: dict[str, Target] = {}

    def __call__(self, world: World) -> World:
        self._last |= {target.uid: target for target in world.targets}
        return replace(world, targets=tuple(self._last.values()))


@fault("TA-121/last-delete-keeps-state", "when the last TrafficTarget is deleted the last state stays", WORLD)
class LastDeleteKeepsState:
    """Remembers the TrafficTargets while there were any."""

    def __init__(self) -> None:
        self._last: tuple[Target, ...] = ()

    def __call__(self, world: World) -> World:
        self._last = world.targets or self._last
        return replace(world, targets=self._last)


@fault("TA-121/delete-opens-all", "a destination that has lost a TrafficTarget admits every client", ADMISSION)
class DeleteOpensAll:
    """Remembers which destination each TrafficTarget had."""

    def __init__(self) -> None:
        self._seen: dict[str, Key] = {}

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        self._seen |= {target.uid: destination_of(target) for target in world.targets}
        here = {target.uid for target in world.targets}
        open_ones = {destination for uid, destination in self._seen.items() if uid not in here}
        return inner(world, request, pod, port) or pod.account in open_ones


@fault("TA-122/update-ignored", "a TrafficTarget stays as it was created", WORLD)
class UpdateIgnored:
    """Remembers each TrafficTarget as it was first."""

    def __init__(self) -> None:
        self._first: dict[str, TrafficTarget] = {}

    def __call__(self, world: World) -> World:
        return with_targets(world, lambda t: replace(t, thing=self._first.setdefault(t.uid, t.thing)))


@fault("TA-122/second-update-ignored", "of the updates of a TrafficTarget only the first acts", WORLD)
class SecondUpdateIgnored:
    """Remembers the first two states of each TrafficTarget."""

    def __init__(self) -> None:
        self._states: dict[str, list[TrafficTarget]] = {}

    def __call__(self, world: World) -> World:
        return with_targets(world, lambda t: replace(t, thing=self._state(t)))

    def _state(self, target: Target) -> TrafficTarget:
        states = self._states.setdefault(target.uid, [])
        if len(states) < 2 and target.thing not in states:
            states.append(target.thing)
        return states[-1]


@fault("TA-122/narrowing-keeps-old", "rules that a TrafficTarget once had stay in force", WORLD)
class NarrowingKeepsOld:
    """Remembers all rules of each TrafficTarget."""

    def __init__(self) -> None:
        self._rules: dict[str, dict[Rule, None]] = {}

    def __call__(self, world: World) -> World:
        for target in world.targets:
            self._rules.setdefault(target.uid, {}).update(dict.fromkeys(target.thing.rules))
        return with_rules(world, lambda t: self._rules[t.uid])
