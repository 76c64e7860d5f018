"""Defects in the rules of a TrafficTarget: routes, names of matches, references (TA-022, TA-090 to TA-099, TA-110)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from smi_conformance.cluster.model.access_edits import (
    ALL,
    GROUP,
    TCP,
    each_rule,
    for_pod,
    granting_all,
    group_of,
    only,
    opened,
    with_everything,
    with_rules,
    with_sources,
)
from smi_conformance.cluster.model.edits import Manifest, Target, fields_of, with_matches
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.switchboard import ADMISSION, MANIFEST, WORLD, fault
from smi_conformance.model.objects import RouteGroup, Rule
from smi_conformance.model.oracle import Oracle, Request
from smi_conformance.model.world import Key, Pod, World

# Routes


@fault("TA-022/identity-alone-decides", "routes are not looked at", WORLD)
def identity_alone_decides(world: World) -> World:
    return opened(world)


@fault("TA-022/method-unchecked", "methods are not looked at", WORLD)
def method_unchecked(world: World) -> World:
    return with_matches(world, lambda match, _: replace(match, methods=()))


@fault("TA-022/group-is-hint", "a listed source may read what no route names", ADMISSION)
def group_is_hint(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(opened(world) if request.method == "GET" else world, request, pod, port)


@fault("TA-022/second-target-routes-ignored", "routes of the second TrafficTarget are not looked at", ADMISSION)
def second_routes_ignored(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    later = only(world, *for_pod(world, pod)[1:])
    return inner(world, request, pod, port) or inner(opened(later), request, pod, port)


@fault("TA-110/prometheus-reaches-api", "the names of matches do not count where there is one source", WORLD)
def names_ignored_for_one_source(world: World) -> World:
    return each_rule(world, lambda t, rule: replace(rule, matches=()) if len(t.thing.sources) == 1 else rule)


@fault("TA-110/website-reaches-metrics", "the names of matches do not count where there are two sources", WORLD)
def names_ignored_for_two_sources(world: World) -> World:
    return each_rule(world, lambda t, rule: replace(rule, matches=()) if len(t.thing.sources) > 1 else rule)


@fault("TA-110/post-metrics-allowed", "methods do not count for /metrics", WORLD)
def methods_ignored_for_metrics(world: World) -> World:
    return with_matches(world, lambda m, _: replace(m, methods=()) if m.path_regex == "/metrics" else m)


@fault("TA-110/second-source-missing", "of two sources the second is denied", WORLD)
def second_source_missing(world: World) -> World:
    return with_sources(world, lambda sources: sources[:1])


# Names of matches


@fault("TA-090/names-ignored", "a rule grants the whole group", WORLD)
def names_ignored(world: World) -> World:
    return each_rule(world, lambda _, rule: replace(rule, matches=()))


@fault("TA-090/names-ignored-in-second-rule", "only the first rule is limited to its names", WORLD)
def names_ignored_in_second_rule(world: World) -> World:
    return with_rules(world, lambda t: [*t.thing.rules[:1], *(replace(r, matches=()) for r in t.thing.rules[1:])])


@fault("TA-090/chosen-by-position", "a rule grants as many matches as it names, from the first on", WORLD)
def chosen_by_position(world: World) -> World:
    def first(target: Target, rule: Rule) -> Rule:
        names = tuple(match.name for match in group_of(world, target, rule))
        return replace(rule, matches=names[: len(rule.matches)])

    return each_rule(world, first)


@fault("TA-090/other-group-searched", "names are looked up in the last group that has them", WORLD)
def other_group_searched(world: World) -> World:
    def other(target: Target, rule: Rule) -> Rule:
        having = [
            key.name
            for key, group in world.groups.items()
            if key.namespace == target.key.namespace and {m.name for m in group.thing.matches} & set(rule.matches)
        ]
        return replace(rule, name=having[-1]) if having else rule

    return each_rule(world, other)


@fault("TA-091/omitted-grants-nothing", "a rule without names grants nothing", WORLD)
def omitted_grants_nothing(world: World) -> World:
    return each_rule(world, lambda _, rule: rule if rule.matches else None)


@fault("TA-091/first-match-only", "a rule without names grants the first match", WORLD)
def first_match_only(world: World) -> World:
    def first(target: Target, rule: Rule) -> Rule:
        names = tuple(match.name for match in group_of(world, target, rule))
        return rule if rule.matches else replace(rule, matches=names[:1])

    return each_rule(world, first)


@fault("TA-091/omitted-grants-everything", "a rule without names grants every path", WORLD)
def omitted_grants_everything(world: World) -> World:
    return each_rule(with_everything(world), lambda _, rule: rule if rule.matches else Rule(GROUP, ALL))


def narrowed(world: World, pick: Callable[[Sequence[str], int], Sequence[str]]) -> list[World]:
    """Worlds with some of the names of each rule; a rule without names stands for all names of its group."""
    most = max((len(group.thing.matches) for group in world.groups.values()), default=0)

    def picked(target: Target, rule: Rule, place: int) -> Rule:
        names = rule.matches or tuple(match.name for match in group_of(world, target, rule))
        return replace(rule, matches=tuple(pick(names, place)))

    return [each_rule(world, lambda t, r, n=n: picked(t, r, n)) for n in range(most)]  # type: ignore[misc]


def one_by_one(names: Sequence[str], place: int) -> Sequence[str]:
    """One name, the last one again when there are no more."""
    return names[place : place + 1] or names[-1:]


@fault("TA-091/matches-anded", "a request has to fit all matches of a group", ADMISSION)
@fault("TA-092/names-anded", "a request has to fit all matches that a rule names", ADMISSION)
def matches_anded(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    """What a rule names, or all of its group where it names nothing."""
    return all(inner(one, request, pod, port) for one in narrowed(world, one_by_one)) and inner(
        world, request, pod, port
    )


@fault("TA-091/later-match-missed", "matches that are added to a group are missed", WORLD)
class LaterMatchMissed:
    """Remembers the matches that each group had first."""

    def __init__(self) -> None:
        self._first: dict[str, set[str]] = {}

    def __call__(self, world: World) -> World:
        names = {
            key: self._first.setdefault(group.uid, {match.name for match in group.thing.matches})
            for key, group in world.groups.items()
        }
        kept = {
            key: RouteGroup(tuple(match for match in group.thing.matches if match.name in names[key]))
            for key, group in world.groups.items()
        }
        return replace(world, groups={key: replace(g, thing=kept[key]) for key, g in world.groups.items()})


@fault("TA-092/first-name-only", "of several names the first is granted", WORLD)
def first_name_only(world: World) -> World:
    return each_rule(world, lambda _, rule: replace(rule, matches=rule.matches[:1]))


@fault("TA-092/last-name-only", "of several names the last is granted", WORLD)
def last_name_only(world: World) -> World:
    return each_rule(world, lambda _, rule: replace(rule, matches=rule.matches[-1:]))


@fault("TA-096/empty-grants-nothing", "a rule with an empty list grants nothing", MANIFEST, kind="TrafficTarget")
def empty_grants_nothing(manifest: Manifest) -> Manifest:
    fields = fields_of(manifest)
    name = "specs" if "specs" in fields else "rules"
    fields[name] = [rule for rule in fields.get(name, ()) if rule.get("matches") != []]
    return manifest


@fault("TA-096/empty-grants-everything", "a rule with an empty list grants all", MANIFEST, kind="TrafficTarget")
def empty_names_all(manifest: Manifest) -> Manifest:
    fields = fields_of(manifest)
    for rule in [*fields.get("specs", ()), *fields.get("rules", ())]:
        rule["name"] = ALL if rule.get("matches") == [] else rule["name"]
    return manifest


@fault("TA-096/empty-grants-everything", "a rule with an empty list grants all", WORLD)
def everything_exists(world: World) -> World:
    return with_everything(world)


# References that lead nowhere


def missing(world: World, target: Target, rule: Rule) -> bool:
    """Whether a rule refers to a route object that does not exist."""
    known = {GROUP: world.groups, TCP: world.tcp_routes}.get(rule.kind)
    return known is not None and Key(target.key.namespace, rule.name) not in known


@fault("TA-093/missing-group-matches-all", "a missing group grants every request", WORLD)
def missing_group_matches_all(world: World) -> World:
    return each_rule(with_everything(world), lambda t, rule: Rule(GROUP, ALL) if missing(world, t, rule) else rule)


@fault("TA-093/missing-l4-route-all-ports", "a missing TCPRoute grants every port", WORLD)
def missing_route_all_ports(world: World) -> World:
    return each_rule(with_everything(world), lambda t, rule: Rule(TCP, ALL) if missing(world, t, rule) else rule, TCP)


@fault("TA-093/missing-blocks-others", "a dangling reference keeps all TrafficTargets from effect", WORLD)
def missing_blocks_others(world: World) -> World:
    broken = any(True for target in world.targets for _ in Oracle().dangling(world, target))
    return only(world) if broken else world


@fault("TA-093/missing-name-grants-group", "an unknown name grants the whole group", WORLD)
def missing_name_grants_group(world: World) -> World:
    def loose(target: Target, rule: Rule) -> Rule:
        known = {match.name for match in group_of(world, target, rule)}
        return rule if set(rule.matches) <= known else replace(rule, matches=())

    return each_rule(world, loose)


# Namespaces of routes


def elsewhere(world: World, key: Key) -> tuple[Key, ...]:
    """Groups of that name in other namespaces."""
    return tuple(other for other in world.groups if other.name == key.name and other.namespace != key.namespace)


@fault("TA-094/other-namespace-used", "a group of the name in another namespace is used", WORLD)
def other_namespace_used(world: World) -> World:
    others = {key: elsewhere(world, key) for key in world.groups}
    return replace(world, groups={key: world.groups[others[key][0] if others[key] else key] for key in world.groups})


@fault("TA-094/merged-by-name", "groups of one name are merged over namespaces", WORLD)
def groups_merged_by_name(world: World) -> World:
    def merged(key: Key) -> RouteGroup:
        keys = (key, *elsewhere(world, key))
        return RouteGroup(tuple(match for one in keys for match in world.groups[one].thing.matches))

    return replace(world, groups={key: replace(group, thing=merged(key)) for key, group in world.groups.items()})


@fault("TA-094/fallback-to-other-namespace", "for a missing group one of another namespace is used", WORLD)
def fallback_to_other_namespace(world: World) -> World:
    wanted = {Key(t.key.namespace, rule.name) for t in world.targets for rule in t.thing.rules if rule.kind == GROUP}
    found = {key: world.groups[elsewhere(world, key)[0]] for key in wanted if elsewhere(world, key)}
    return replace(world, groups={**found, **world.groups})


# No rules at all


@fault("TA-095/no-rules-means-everything", "a TrafficTarget without rules grants everything", ADMISSION)
def no_rules_means_everything(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    wide = granting_all(world, lambda t: not t.thing.rules, (TCP,))
    return inner(world, request, pod, port) or inner(wide, request, pod, port)


@fault("TA-095/rule-less-opens-tcp", "a TrafficTarget without rules grants raw TCP", ADMISSION)
def rule_less_opens_tcp(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return (
        no_rules_means_everything(inner, world, request, pod, port)
        if request.protocol == "tcp"
        else inner(world, request, pod, port)
    )


@fault("TA-095/last-removal-opens", "a TrafficTarget that loses its last rule grants everything", ADMISSION)
class LastRuleRemoved:
    """Remembers which TrafficTargets had rules."""

    def __init__(self) -> None:
        self._had: set[str] = set()

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        self._had |= {target.uid for target in world.targets if target.thing.rules}
        wide = granting_all(world, lambda t: not t.thing.rules and t.uid in self._had, (TCP,))
        return inner(world, request, pod, port) or inner(wide, request, pod, port)


# Several groups


@fault("TA-098/rules-anded", "a request has to fit every rule", ADMISSION)
def rules_anded(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    most = max((len(target.thing.rules) for target in world.targets), default=0)
    each = [with_rules(world, lambda t, n=n: t.thing.rules[n : n + 1] or t.thing.rules[-1:]) for n in range(most)]  # type: ignore[misc]
    return bool(each) and all(inner(one, request, pod, port) for one in each)


@fault("TA-098/second-rule-ignored", "only the first rule counts", WORLD)
def second_rule_ignored(world: World) -> World:
    return with_rules(world, lambda target: target.thing.rules[:1])


@fault("TA-098/names-collide", "of matches with one name in several groups the last one counts", WORLD)
def names_collide(world: World) -> World:
    last = {(key.namespace, m.name): m for key, group in world.groups.items() for m in group.thing.matches}
    made = {
        key: replace(g, thing=RouteGroup(tuple(last[key.namespace, m.name] for m in g.thing.matches)))
        for key, g in world.groups.items()
    }
    return replace(world, groups=made)


@fault("TA-098/names-union-over-groups", "the names of all rules count for every group", WORLD)
def names_union(world: World) -> World:
    def united(target: Target, rule: Rule) -> Rule:
        names = tuple(name for one in target.thing.rules for name in one.matches)
        return replace(rule, matches=names if rule.matches else ())

    return each_rule(world, united)
