"""Defects in what the API serves: kinds, versions, verbs, and versions that work together (API-010 to API-040, 090)."""

from __future__ import annotations

from dataclasses import replace

from smi_conformance.cluster.model.api_edits import (
    Answering,
    Manifest,
    is_crd,
    renamed,
    schemas,
    unserved,
    without_verb,
)
from smi_conformance.cluster.model.apiserver import Answer, ApiCall
from smi_conformance.cluster.model.edits import fields_of, with_splits
from smi_conformance.cluster.model.switchboard import API, CRD, MANIFEST, STORED, WORLD, fault
from smi_conformance.model.versions import BASELINE, COMPATIBLE
from smi_conformance.model.world import World

CRDS = "CustomResourceDefinition"


@fault("API-010/crd-absent-or-misnamed", "TrafficTargets are served under another plural", CRD, kind=CRDS)
def traffic_target_misnamed(crd: Manifest) -> Manifest:
    return renamed(crd, plural="targets") if is_crd(crd, "TrafficTarget") else crd


@fault("API-010/cluster-scoped", "TrafficTargets have no namespace", CRD, kind=CRDS)
def traffic_target_cluster_scoped(crd: Manifest) -> Manifest:
    crd["spec"]["scope"] = "Cluster" if is_crd(crd, "TrafficTarget") else crd["spec"]["scope"]
    return crd


@fault("API-010/claimed-not-served", "the claimed version of TrafficTarget is installed and not served", CRD, kind=CRDS)
def traffic_target_unserved(crd: Manifest) -> Manifest:
    return unserved(crd, "TrafficTarget", BASELINE["access"])


@fault("API-010/verb-missing", "TrafficTargets cannot be watched", API)
def traffic_target_unwatched(inner: Answering, call: ApiCall) -> Answer:
    return without_verb(inner, call, "traffictargets", "watch")


@fault("API-010/group-misspelled", "TrafficTargets are served in a group of another name", CRD, kind=CRDS)
def access_misspelled(crd: Manifest) -> Manifest:
    return renamed(crd, group="acces.smi-spec.io") if is_crd(crd, "TrafficTarget") else crd


@fault("API-020/group-spelled-spec", "route groups are served in the group spec.smi-spec.io", CRD, kind=CRDS)
def specs_misspelled(crd: Manifest) -> Manifest:
    return renamed(crd, group="spec.smi-spec.io") if crd["spec"]["group"] == "specs.smi-spec.io" else crd


@fault("API-020/claimed-not-served", "the claimed version of route groups is installed and not served", CRD, kind=CRDS)
def groups_unserved(crd: Manifest) -> Manifest:
    return unserved(crd, "HTTPRouteGroup", BASELINE["specs"])


@fault("API-020/tcproute-missing", "TCPRoutes are served under another plural", CRD, kind=CRDS)
def tcp_route_missing(crd: Manifest) -> Manifest:
    return renamed(crd, plural="tcproutings") if is_crd(crd, "TCPRoute") else crd


@fault("API-020/verb-missing", "TCPRoutes cannot be patched", API)
def tcp_route_unpatched(inner: Answering, call: ApiCall) -> Answer:
    return without_verb(inner, call, "tcproutes", "patch")


@fault("API-021/udproute-missing", "UDPRoutes are served under another plural", CRD, kind=CRDS)
def udp_route_missing(crd: Manifest) -> Manifest:
    return renamed(crd, plural="udproutings") if is_crd(crd, "UDPRoute") else crd


@fault("API-021/cluster-scoped", "UDPRoutes have no namespace", CRD, kind=CRDS)
def udp_route_cluster_scoped(crd: Manifest) -> Manifest:
    crd["spec"]["scope"] = "Cluster" if is_crd(crd, "UDPRoute") else crd["spec"]["scope"]
    return crd


@fault("API-021/ports-pruned", "the ports of a UDPRoute are dropped when it is written", STORED, kind="UDPRoute")
def ports_pruned(route: Manifest) -> Manifest:
    fields_of(route).pop("matches", None)
    return route


@fault("API-030/crd-absent", "TrafficSplits are served under another plural", CRD, kind=CRDS)
def traffic_split_misnamed(crd: Manifest) -> Manifest:
    return renamed(crd, plural="splits") if is_crd(crd, "TrafficSplit") else crd


@fault("API-030/claimed-not-served", "the claimed version of TrafficSplit is installed and not served", CRD, kind=CRDS)
def traffic_split_unserved(crd: Manifest) -> Manifest:
    return unserved(crd, "TrafficSplit", BASELINE["split"])


@fault("API-030/accepted-but-not-watched", "nobody acts on TrafficSplits", MANIFEST, kind="TrafficSplit")
def not_watched(_: Manifest) -> None:
    return None


@fault("API-030/verb-missing", "TrafficSplits cannot be patched", API)
def traffic_split_unpatched(inner: Answering, call: ApiCall) -> Answer:
    return without_verb(inner, call, "trafficsplits", "patch")


@fault("API-040/kind-missing", "IdentityBindings are served under another plural", CRD, kind=CRDS)
def identity_binding_missing(crd: Manifest) -> Manifest:
    return renamed(crd, plural="bindings") if is_crd(crd, "IdentityBinding") else crd


@fault("API-040/match-labels-pruned", "matchLabels of an IdentityBinding are dropped", STORED, kind="IdentityBinding")
def match_labels_pruned(binding: Manifest) -> Manifest:
    selector = fields_of(binding).get("schemes", {}).get("podLabelSelector", {})
    selector.pop("matchLabels", None)
    return binding


@fault("API-040/schemes-flattened", "the schemes of an IdentityBinding move out of it", STORED, kind="IdentityBinding")
def schemes_flattened(binding: Manifest) -> Manifest:
    fields = fields_of(binding)
    fields.update(fields.pop("schemes", {}))
    return binding


@fault("API-040/second-spiffe-id-lost", "only the first SPIFFE identity is kept", STORED, kind="IdentityBinding")
def second_spiffe_id_lost(binding: Manifest) -> Manifest:
    schemes = fields_of(binding).get("schemes", {})
    if "spiffeIdentities" in schemes:
        schemes["spiffeIdentities"] = schemes["spiffeIdentities"][:1]
    return binding


@fault("API-041/unknown-scheme-stored", "any scheme of an IdentityBinding is stored", CRD, kind=CRDS)
def unknown_scheme_stored(crd: Manifest) -> Manifest:
    for schema in schemas(crd, "IdentityBinding"):
        schema["properties"]["schemes"]["x-kubernetes-preserve-unknown-fields"] = True
    return crd


@fault("API-041/known-scheme-lost", "an unknown scheme takes the known ones with it", API)
def known_scheme_lost(inner: Answering, call: ApiCall) -> Answer:
    known = {"podLabelSelector", "spiffeIdentities", "serviceAccount"}
    body = call.body
    if call.method == "POST" and isinstance(body, dict) and body.get("kind") == "IdentityBinding":
        schemes = body["spec"].get("schemes", {})
        kept = schemes if schemes.keys() <= known else {}
        return inner(replace(call, body={**body, "spec": {"schemes": kept}}))
    return inner(call)


@fault("API-090/resolved-at-other-version", "rules find no route group of the version that goes with theirs", WORLD)
def resolved_at_other_version(world: World) -> World:
    paired = {specs for target in world.targets for specs in COMPATIBLE["access", target.version]}
    return replace(world, groups={key: one for key, one in world.groups.items() if one.version not in paired})


@fault("API-090/served-pair-unenforced", "what TrafficTargets grant on routes is not enforced", WORLD)
def pair_unenforced(world: World) -> World:
    return replace(world, posture="permissive" if world.targets else world.posture)


@fault("API-091/resolved-at-other-version", "splits find no route group of the version that goes with theirs", WORLD)
def split_groups_at_other_version(world: World) -> World:
    paired = {specs for split in world.splits for specs in COMPATIBLE.get(("split", split.version), ())}
    return replace(world, groups={key: one for key, one in world.groups.items() if one.version not in paired})


@fault("API-091/matches-never-resolved", "splits with matches steer nothing", WORLD)
def matches_never_resolved(world: World) -> World:
    return with_splits(world, lambda split: None if split.thing.matches else split)
