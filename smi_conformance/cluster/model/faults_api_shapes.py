"""Defects in the shapes of TrafficTargets and route groups that the API takes (API-060 to API-077)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from smi_conformance.cluster.model.api_edits import (
    Answering,
    Manifest,
    changing,
    optional,
    refusing,
    schemas,
    written,
)
from smi_conformance.cluster.model.apiserver import Answer, ApiCall
from smi_conformance.cluster.model.edits import fields_of, with_groups, with_matches, with_policy
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.switchboard import ADMISSION, API, CRD, MANIFEST, STORED, WORLD, fault
from smi_conformance.model.objects import HttpMatch, RouteGroup, TrafficTarget
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Pod, World

CRDS = "CustomResourceDefinition"
TARGET, GROUP = "TrafficTarget", "HTTPRouteGroup"
METHODS = ("*", "GET", "HEAD", "PUT", "POST", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
LATER = ("v1alpha2", "v1alpha3", "v1alpha4")


@fault("API-060/missing-sources-accepted", "a TrafficTarget without sources is accepted", CRD, kind=CRDS)
def missing_sources(crd: Manifest) -> Manifest:
    return optional(crd, TARGET, "sources")


@fault("API-060/missing-rules-accepted", "a TrafficTarget without rules is accepted", CRD, kind=CRDS)
def missing_rules(crd: Manifest) -> Manifest:
    return optional(crd, TARGET, "rules")


@fault("API-060/missing-destination-accepted", "a TrafficTarget without destination is accepted", CRD, kind=CRDS)
def missing_destination(crd: Manifest) -> Manifest:
    return optional(crd, TARGET, "destination")


@fault("API-061/v1alpha1-layout-ignored", "TrafficTargets of v1alpha1 are not read", MANIFEST, kind=TARGET)
def first_layout_ignored(target: Manifest) -> Manifest | None:
    return None if str(target["apiVersion"]).endswith("v1alpha1") else target


@fault("API-061/rules-not-read", "the reader looks for specs where rules stand", MANIFEST, kind=TARGET, versions=LATER)
def rules_not_read(target: Manifest) -> Manifest:
    fields = fields_of(target)
    fields["rules"] = fields.get("specs", [])
    return target


def any_layout(crd: Manifest, kind: str) -> Manifest:
    """The definition takes objects of any layout and prunes what it does not know."""
    for version in crd["spec"]["versions"] if crd["spec"]["names"]["kind"] == kind else ():
        version["schema"]["openAPIV3Schema"].pop("required", None)
    return crd


@fault(
    "API-061/wrong-layout-allows-all",
    "a TrafficTarget in the wrong layout is accepted and allows everything",
    CRD,
    kind=CRDS,
)
def wrong_target_accepted(crd: Manifest) -> Manifest:
    return any_layout(crd, TARGET)


@fault(
    "API-061/wrong-layout-allows-all", "a TrafficTarget in the wrong layout is accepted and allows everything", WORLD
)
def wrong_target_allows_all(world: World) -> World:
    empty = any(not target.thing.destination.name for target in world.targets)
    return replace(world, posture="permissive" if empty else world.posture)


@fault("API-062/empty-list-accepted", "a TrafficTarget with an empty list is accepted", CRD, kind=CRDS)
def empty_list_accepted(crd: Manifest) -> Manifest:
    for schema in schemas(crd, TARGET):
        for field in ("rules", "sources"):
            schema["properties"].get(field, {}).pop("minItems", None)
    return crd


@fault("API-062/empty-list-accepted-on-patch", "a patch may empty the lists of a TrafficTarget", API)
def empty_list_accepted_on_patch(inner: Answering, call: ApiCall) -> Answer:
    fields = written(call, TARGET) if call.method == "PATCH" else None
    emptied = fields is not None and any(fields.get(field) == [] for field in ("rules", "sources"))
    return inner(replace(call, method="GET", body=None)) if emptied else inner(call)


def _kinds(fields: Manifest) -> list[str]:
    return [one.get("kind", "") for one in (fields.get("destination", {}), *fields.get("sources", ()))]


@fault("API-063/serviceaccount-refused", "subjects of kind ServiceAccount are refused at v1alpha4", API)
def service_account_refused(inner: Answering, call: ApiCall) -> Answer:
    return _refusing_kind(inner, call, "ServiceAccount")


@fault("API-063/identitybinding-refused", "subjects of kind IdentityBinding are refused", API)
def identity_binding_refused(inner: Answering, call: ApiCall) -> Answer:
    return _refusing_kind(inner, call, "IdentityBinding")


def _refusing_kind(inner: Answering, call: ApiCall, kind: str) -> Answer:
    def bad(fields: Manifest) -> bool:
        return "/v1alpha4/" in call.path and kind in _kinds(fields)

    return refusing(inner, call, TARGET, bad, f"Unsupported value: {kind!r}")


@fault("API-063/one-side-only", "IdentityBindings are resolved as destinations and not as sources", WORLD)
def one_side_only(world: World) -> World:
    def changed(target: TrafficTarget) -> TrafficTarget:
        return replace(target, sources=tuple(one for one in target.sources if one.kind == "ServiceAccount"))

    return with_policy(world, changed)


@fault("API-064/group-pruned", "the group of a subject is dropped", STORED, kind=TARGET)
def group_pruned(target: Manifest) -> Manifest:
    fields = fields_of(target)
    for one in (fields.get("destination", {}), *fields.get("sources", ())):
        one.pop("group", None)
    return target


@fault("API-064/group-refused", "a subject with a group is refused", API)
def group_refused(inner: Answering, call: ApiCall) -> Answer:
    def bad(fields: Manifest) -> bool:
        return any("group" in one for one in (fields.get("destination", {}), *(fields.get("sources") or ())))

    return refusing(inner, call, TARGET, bad, "unknown field group")


@fault(
    "API-070/wrong-layout-matches-all",
    "a route group in the wrong layout is accepted and matches everything",
    CRD,
    kind=CRDS,
)
def wrong_group_accepted(crd: Manifest) -> Manifest:
    return any_layout(crd, GROUP)


@fault(
    "API-070/wrong-layout-matches-all", "a route group in the wrong layout is accepted and matches everything", WORLD
)
def wrong_group_matches_all(world: World) -> World:
    return with_groups(world, lambda group: group if group.matches else RouteGroup((HttpMatch("all"),)))


@fault("API-070/v1alpha3-layout-unread", "matches under spec are not read", MANIFEST, kind=GROUP, versions=LATER[1:])
def later_layout_unread(group: Manifest) -> Manifest:
    fields_of(group)["matches"] = []
    return group


@fault("API-071/unnamed-match-accepted", "a match without a name is accepted", CRD, kind=CRDS)
def unnamed_match_accepted(crd: Manifest) -> Manifest:
    return names_repeated(optional(crd, GROUP, "name", "matches"))


def names_repeated(crd: Manifest) -> Manifest:
    """The names of matches are no key of their list."""
    for schema in schemas(crd, GROUP):
        schema["properties"]["matches"].pop("x-kubernetes-list-type", None)
        schema["properties"]["matches"].pop("x-kubernetes-list-map-keys", None)
    return crd


@fault("API-071/empty-name-accepted", "a match with an empty name is accepted", CRD, kind=CRDS)
def empty_name_accepted(crd: Manifest) -> Manifest:
    for schema in schemas(crd, GROUP):
        schema["properties"]["matches"]["items"]["properties"]["name"].pop("minLength", None)
    return crd


def _some_map(fields: Manifest) -> bool:
    return any(isinstance(match.get("headers"), dict) for match in fields.get("matches", ()))


@fault("API-072/map-refused", "headers as a map are refused", API)
def map_refused(inner: Answering, call: ApiCall) -> Answer:
    return refusing(inner, call, GROUP, _some_map, 'Invalid value: "object": headers must be of type array')


def with_headers(group: Manifest, change: Callable[[object], object]) -> Manifest:
    """The same route group with another headers field, wherever there is one."""
    for match in fields_of(group).get("matches", ()):
        if "headers" in match:
            match["headers"] = change(match["headers"])
    return group


@fault("API-072/map-pruned", "headers as a map are stored empty", STORED, kind=GROUP)
def map_pruned(group: Manifest) -> Manifest:
    return with_headers(group, lambda headers: {} if isinstance(headers, dict) else headers)


@fault("API-073/standard-method-refused", "the methods PATCH and TRACE are refused", API)
def standard_method_refused(inner: Answering, call: ApiCall) -> Answer:
    def bad(fields: Manifest) -> bool:
        return any({"PATCH", "TRACE"} & set(match.get("methods") or ()) for match in fields.get("matches", ()))

    return refusing(inner, call, GROUP, bad, "Unsupported value for methods")


@fault("API-073/list-shortened", "of several methods the first is stored", STORED, kind=GROUP)
def list_shortened(group: Manifest) -> Manifest:
    for match in fields_of(group).get("matches", ()):
        match["methods"] = match.get("methods", [])[:1]
    return group


@fault("API-074/duplicate-name-unstable", "of two matches of one name, one counts by chance", CRD, kind=CRDS)
def duplicates_accepted(crd: Manifest) -> Manifest:
    return names_repeated(crd)


@fault("API-074/duplicate-name-unstable", "of two matches of one name, one counts by chance", ADMISSION)
def duplicates_unstable(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    def kept(group: RouteGroup) -> RouteGroup:
        named = {match.name: match for match in sorted(group.matches, key=lambda _: request.luck < 1 / 2)}
        first = {match.name: match for match in reversed(group.matches)}
        return RouteGroup(tuple((named if request.luck < 1 / 2 else first).values()))

    return inner(with_groups(world, kept), request, pod, port)


def _first(headers: object) -> object:
    return dict(list(headers.items())[:1]) if isinstance(headers, dict) else list(headers or ())[:1]  # type: ignore[call-overload]


@fault("API-076/only-first-entry-kept", "of several header filters the first is stored", STORED, kind=GROUP)
def only_first_entry_kept(group: Manifest) -> Manifest:
    return with_headers(group, _first)


@fault("API-076/entries-pruned", "header filters are stored empty", STORED, kind=GROUP)
def entries_pruned(group: Manifest) -> Manifest:
    return with_headers(group, lambda headers: {})


@fault("API-076/lost-on-update", "an update drops header filters", API)
def lost_on_update(inner: Answering, call: ApiCall) -> Answer:
    def bare(fields: Manifest) -> None:
        for match in fields.get("matches", ()):
            match.pop("headers", None)

    return inner(changing(call, bare, GROUP) if call.method in ("PUT", "PATCH") else call)


@fault("API-077/unknown-method-widens", "an unknown method stands for all", WORLD)
def unknown_method_widens(world: World) -> World:
    def widened(match: HttpMatch, _: int) -> HttpMatch:
        return match if set(match.methods) <= set(METHODS) else replace(match, methods=())

    return with_matches(world, widened)


@fault("API-077/unknown-method-drops-group", "an unknown method takes its whole group with it", WORLD)
def unknown_method_drops_group(world: World) -> World:
    def whole(group: RouteGroup) -> RouteGroup:
        return group if all(set(match.methods) <= set(METHODS) for match in group.matches) else RouteGroup(())

    return with_groups(world, whole)
