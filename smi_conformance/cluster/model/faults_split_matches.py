"""Defects of traffic splitting: splits that are limited to the requests of route groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.edits import with_matches, with_splits
from smi_conformance.cluster.model.mesh import Choose
from smi_conformance.cluster.model.split_edits import Splits, choice_of, is_split, listed, own, split_of
from smi_conformance.cluster.model.switchboard import CHOICES, MANIFEST, PROXY, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.matching import any_match
from smi_conformance.model.objects import HttpMatch, RouteGroup, Split
from smi_conformance.model.oracle import Choices, Request, weight_of
from smi_conformance.model.readings import Readings
from smi_conformance.model.world import Key, Placed, World

Manifest = dict[str, Any]
Groups = Placed[RouteGroup]
NOT_THERE = "not-there"


def matching(split: Splits, names: Iterable[str]) -> Splits:
    """The same split with other route groups."""
    return replace(split, thing=replace(split.thing, matches=tuple(names)))


def for_segments(world: World, change: Callable[[Splits], Splits]) -> World:
    """Other splits where they have route groups."""
    return with_splits(world, lambda split: change(split) if split.thing.matches else split)


def groups_of(world: World, split: Splits) -> list[Groups]:
    """The route groups of a split that exist."""
    keys = [Key(split.key.namespace, name) for name in split.thing.matches]
    return [world.groups[key] for key in keys if key in world.groups]


def fits(matches: Iterable[HttpMatch], request: Request) -> bool:
    """Whether a request fits any of the matches."""
    return any_match(matches, request.method, request.path, request.headers, Readings())


def segment_of(world: World, request: Request) -> Splits | None:
    """The split on the called Service, if it has route groups."""
    split = split_of(world, request)
    return split if split and split.thing.matches else None


def everything_to(split: Splits, request: Request) -> Choices:
    """All backends with weight."""
    return tuple(choice_of(split, backend, request) for backend in split.thing.backends if weight_of(backend))


def _ignored(world: World) -> World:
    return for_segments(world, lambda split: matching(split, ()))


@fault("SP-070/matches-ignored", "all requests are split, whatever the matches", WORLD)
def matches_ignored(world: World) -> World:
    return _ignored(world)


@fault("SP-070/matched-unweighted", "under a split with matches the backends with weight get equal shares", WORLD)
def matched_unweighted(world: World) -> World:
    return for_segments(
        world, lambda s: listed(s, (replace(b, weight=1) if weight_of(b) else b for b in s.thing.backends))
    )


@fault("SP-070/condition-inverted", "requests that do not match are split, and the others are not", CHOICES)
def condition_inverted(inner: Choose, world: World, request: Request) -> Choices:
    split, choices = segment_of(world, request), inner(world, request)
    if split is None:
        return choices
    return own(request) if is_split(request, choices) else everything_to(split, request)


@fault("SP-070/first-request-only", "only the first request of a connection is matched", PROXY)
def first_request_only(inner: Carry, exchange: Exchange) -> Answer:
    if not exchange.connection.count or segment_of(exchange.world, exchange.request) is None:
        return inner(exchange)
    kept = with_splits(exchange.world, lambda split: None if split.thing.matches else split)
    return inner(replace(exchange, world=kept))


@fault("SP-070/second-match-ignored", "of a route group only the first match counts for a split", CHOICES)
def second_match_ignored(inner: Choose, world: World, request: Request) -> Choices:
    return inner(with_matches(world, lambda match, place: None if place else match), request)


@fault("SP-071/unmatched-split-too", "requests that do not match are split over all backends, evenly", CHOICES)
def unmatched_split_too(inner: Choose, world: World, request: Request) -> Choices:
    split, choices = segment_of(world, request), inner(world, request)
    return everything_to(split, request) if split and not is_split(request, choices) else choices


@fault("SP-071/unmatched-dropped", "requests that do not match fail", CHOICES)
def unmatched_dropped(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    return () if segment_of(world, request) and not is_split(request, choices) else choices


@fault("SP-071/unmatched-to-zero-backend", "requests that do not match go to the backend of weight 0", CHOICES)
def unmatched_to_zero_backend(inner: Choose, world: World, request: Request) -> Choices:
    split, choices = segment_of(world, request), inner(world, request)
    zeros = [choice_of(split, b, request) for b in split.thing.backends if not weight_of(b)] if split else []
    return tuple(zeros) if zeros and not is_split(request, choices) else choices


@fault("SP-071/missing-header-fails", "requests that lack a header of the matches fail", CHOICES)
def missing_header_fails(inner: Choose, world: World, request: Request) -> Choices:
    split, choices = segment_of(world, request), inner(world, request)
    if split is None or is_split(request, choices):
        return choices
    asked = {name for group in groups_of(world, split) for m in group.thing.matches for name, _ in m.headers}
    sent = {name.lower() for name, _ in request.headers}
    return () if {name.lower() for name in asked} - sent else choices


@fault("SP-073/groups-anded", "a request has to fit every route group of a split", CHOICES)
def groups_anded(inner: Choose, world: World, request: Request) -> Choices:
    split, choices = segment_of(world, request), inner(world, request)
    if split is None or all(fits(group.thing.matches, request) for group in groups_of(world, split)):
        return choices
    return own(request)


@fault("SP-073/first-group-only", "of several route groups only the first counts", WORLD)
def first_group_only(world: World) -> World:
    return for_segments(world, lambda split: matching(split, split.thing.matches[:1]))


@fault("SP-073/headers-mixed", "of the headers of a match any one is enough", CHOICES)
def headers_mixed(inner: Choose, world: World, request: Request) -> Choices:
    split = segment_of(world, request)
    matches = [match for group in groups_of(world, split) for match in group.thing.matches] if split else []
    alone = [replace(match, headers=(one,)) for match in matches for one in match.headers]
    return everything_to(split, request) if split and fits(alone, request) else inner(world, request)


@fault("SP-073/same-name-overwrites", "of matches with one name in several groups only the last counts", CHOICES)
def same_name_overwrites(inner: Choose, world: World, request: Request) -> Choices:
    split, choices = segment_of(world, request), inner(world, request)
    if split is None:
        return choices
    by_name = {match.name: match for group in groups_of(world, split) for match in group.thing.matches}
    return choices if fits(by_name.values(), request) else own(request)


@fault("SP-075/headers-only-evaluated", "in a split only the headers of a match count", CHOICES)
def headers_only_evaluated(inner: Choose, world: World, request: Request) -> Choices:
    return inner(with_matches(world, lambda match, _: replace(match, path_regex=None, methods=())), request)


@fault("SP-075/no-headers-never-applies", "in a split a match without headers fits nothing", CHOICES)
def no_headers_never_applies(inner: Choose, world: World, request: Request) -> Choices:
    return inner(with_matches(world, lambda match, _: match if match.headers else None), request)


@fault("SP-075/no-headers-applies-to-all", "in a split a match without headers fits everything", CHOICES)
def no_headers_applies_to_all(inner: Choose, world: World, request: Request) -> Choices:
    return inner(with_matches(world, lambda match, _: match if match.headers else HttpMatch(match.name)), request)


def _missing(world: World, split: Splits) -> int:
    return len(split.thing.matches) - len(groups_of(world, split))


@fault("SP-076/missing-splits-all", "a split none of whose route groups exists takes all requests", WORLD)
def missing_splits_all(world: World) -> World:
    return for_segments(world, lambda split: split if groups_of(world, split) else matching(split, ()))


@fault("SP-076/missing-fails", "requests fail while a route group is missing", CHOICES)
def missing_fails(inner: Choose, world: World, request: Request) -> Choices:
    split = segment_of(world, request)
    return () if split and _missing(world, split) else inner(world, request)


@fault("SP-076/one-missing-of-two-splits-all", "a split some of whose route groups are missing takes all", WORLD)
def one_missing_of_two_splits_all(world: World) -> World:
    def changed(split: Splits) -> Splits:
        return matching(split, ()) if groups_of(world, split) and _missing(world, split) else split

    return for_segments(world, changed)


class KnownGroups:
    """Lets splits see other route groups than there are; access is not touched."""

    def __call__(self, inner: Choose, world: World, request: Request) -> Choices:
        return inner(replace(world, groups=self.known(world)), request)

    def known(self, world: World) -> dict[Key, Groups]:
        """The route groups as splits know them."""
        raise NotImplementedError


@fault("SP-077/edits-ignored", "splits keep a route group as it was when a request first met it", CHOICES)
@fault("TS-080/edit-updates-access-only", "an edit of a route group counts for access and not for splits", CHOICES)
class EditsIgnored(KnownGroups):
    """Remembers each group by its uid."""

    def __init__(self) -> None:
        self._first: dict[str, Groups] = {}

    def known(self, world: World) -> dict[Key, Groups]:
        return {key: self._first.setdefault(group.uid, group) for key, group in world.groups.items()}


@fault("SP-077/late-group-missed", "a route group that is newer than the split is never seen by it", CHOICES)
def late_group_missed(inner: Choose, world: World, request: Request) -> Choices:
    split = split_of(world, request)
    born = split.created if split else 0
    groups = {key: group for key, group in world.groups.items() if not split or group.created <= born}
    return inner(replace(world, groups=groups), request)


@fault("SP-077/stale-after-delete", "a deleted route group goes on to count for splits", CHOICES)
class StaleAfterDelete(KnownGroups):
    """Remembers each group by its name."""

    def __init__(self) -> None:
        self._last: dict[Key, Groups] = {}

    def known(self, world: World) -> dict[Key, Groups]:
        self._last.update(world.groups)
        return self._last


@fault("SP-078/omitted-matches-nothing", "a split without matches takes no request", WORLD)
def omitted_matches_nothing(world: World) -> World:
    return with_splits(world, lambda split: split if split.thing.matches else None)


@fault("SP-078/other-splits-matches-used", "a split without matches uses those of another one beside it", WORLD)
def other_splits_matches_used(world: World) -> World:
    def changed(split: Splits) -> Splits:
        others = [o for o in world.splits if o.thing.matches and o.key.namespace == split.key.namespace]
        return matching(split, others[0].thing.matches) if others and not split.thing.matches else split

    return with_splits(world, changed)


def _elsewhere(world: World, key: Key) -> list[Groups]:
    return [group for other, group in world.groups.items() if other.name == key.name and other != key]


def _wanted(world: World) -> set[Key]:
    return {Key(split.key.namespace, name) for split in world.splits for name in split.thing.matches}


@fault("SP-079/other-namespace-group-used", "a missing route group is taken from another namespace", CHOICES)
def other_namespace_group_used(inner: Choose, world: World, request: Request) -> Choices:
    missing = {key: _elsewhere(world, key) for key in _wanted(world) if key not in world.groups}
    taken = {key: found[0] for key, found in missing.items() if found}
    return inner(replace(world, groups={**world.groups, **taken}), request)


@fault("SP-079/groups-merged-by-name", "route groups of one name are merged over namespaces", CHOICES)
def groups_merged_by_name(inner: Choose, world: World, request: Request) -> Choices:
    def merged(key: Key, group: Groups) -> Groups:
        more = [match for other in _elsewhere(world, key) for match in other.thing.matches]
        return replace(group, thing=RouteGroup((*group.thing.matches, *more)))

    groups = {key: merged(key, group) for key, group in world.groups.items()}
    return inner(replace(world, groups=groups), request)


class KnownMatches:
    """Remembers the matches of each split."""

    def __init__(self) -> None:
        self.before: dict[str, Split] = {}

    def __call__(self, world: World) -> World:
        return with_splits(world, lambda split: matching(split, self.counting(split)))

    def counting(self, split: Splits) -> tuple[str, ...]:
        """The names that count."""
        raise NotImplementedError


@fault("SP-080/needs-recreate", "the matches that a split was created with stay in force", WORLD)
class NeedsRecreate(KnownMatches):
    """The first ones."""

    def counting(self, split: Splits) -> tuple[str, ...]:
        return self.before.setdefault(split.uid, split.thing).matches


@fault("SP-080/removal-ignored", "matches that are taken out of a split stay in force", WORLD)
class RemovalIgnored(KnownMatches):
    """The last ones that there were."""

    def counting(self, split: Splits) -> tuple[str, ...]:
        if split.thing.matches or split.uid not in self.before:
            self.before[split.uid] = split.thing
        return self.before[split.uid].matches


def _empty(manifest: Manifest) -> bool:
    return bool(manifest["spec"].get("matches") == [])


@fault(
    "SP-081/empty-matches-nothing",
    "a split with an empty list of matches takes no request",
    MANIFEST,
    kind="TrafficSplit",
)
def empty_matches_nothing(manifest: Manifest) -> Manifest | None:
    return None if _empty(manifest) else manifest


@fault("SP-081/empty-fails", "requests fail under a split with an empty list of matches", MANIFEST, kind="TrafficSplit")
def empty_fails(manifest: Manifest) -> Manifest:
    if _empty(manifest):
        manifest["spec"]["backends"] = [{"service": NOT_THERE, "weight": 1}]
    return manifest
