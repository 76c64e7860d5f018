"""Defects in telling identities apart: of sources, of destinations, and their namespaces (TA-013, TA-031 to TA-036,
TA-062 to TA-072)."""

from __future__ import annotations

from dataclasses import replace

from smi_conformance.cluster.model.access_edits import (
    accounts,
    as_listed,
    as_named,
    for_pod,
    granting_all,
    listed,
    only,
    with_sources,
)
from smi_conformance.cluster.model.edits import header_of, with_policy, with_targets
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.switchboard import ADMISSION, UNOBSERVABLE, WORLD, fault
from smi_conformance.model.objects import ServiceAccountRef, TrafficTarget
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Key, Pod, World

NO_PODS_IN_DEFAULT = "it shows at pods of the namespace default only, where a run makes none"
UNOBSERVABLE["TA-062/namespace-default-assumed"] = NO_PODS_IN_DEFAULT
UNOBSERVABLE["TA-072/opened-in-default"] = NO_PODS_IN_DEFAULT


# Destinations


@fault("TA-013/namespace-opened", "the first policy in a namespace opens HTTP to all of it", ADMISSION)
def namespace_opened(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    begun = request.protocol == "http" and any(t.key.namespace == pod.account.namespace for t in world.targets)
    return inner(world, request, pod, port) or begun


@fault("TA-013/destination-ignored", "what is granted on one destination is granted on all", ADMISSION)
def destination_ignored(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return any(inner(world, request, other, port) for other in world.pods if other.meshed)


@fault("TA-013/source-opened-everywhere", "a source may call everything", ADMISSION)
def source_opened_everywhere(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or (request.protocol == "http" and request.identity in listed(world))


@fault("TA-013/second-target-destination-ignored", "only the first TrafficTarget has a destination", ADMISSION)
def second_destination_ignored(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    later = only(world, *world.targets[1:])
    return inner(world, request, pod, port) or any(inner(later, request, p, port) for p in world.pods if p.meshed)


@fault("TA-071/read-as-default-namespace", "a destination without namespace is read as one in default", WORLD)
def destination_in_default(world: World) -> World:
    def placed(target: TrafficTarget) -> TrafficTarget:
        where = target.destination.namespace or "default"
        return replace(target, destination=replace(target.destination, namespace=where))

    return with_policy(world, placed)


@fault("TA-071/without-effect", "a TrafficTarget whose destination has no namespace has no effect", WORLD)
def nameless_without_effect(world: World) -> World:
    return with_targets(world, lambda t: t if t.thing.destination.namespace else None)


@fault("TA-072/opened-in-every-namespace", "a destination without namespace is opened in all of them", ADMISSION)
def opened_in_every_namespace(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    loose = [t for t in world.targets if t.thing.destination.namespace is None]
    moved = [replace(pod, account=Key(t.key.namespace, pod.account.name)) for t in loose]
    return inner(world, request, pod, port) or any(inner(only(world, *loose), request, p, port) for p in moved)


# Where the identity of a client comes from


@fault("TA-031/identity-cached", "the first identity of a Deployment is kept", ADMISSION)
class IdentityCached:
    """Remembers the first account of each Deployment."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], Key | None] = {}

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        owner = (request.client.key.namespace, request.client.owner)
        identity = self._first.setdefault(owner, request.identity)
        return inner(world, replace(request, identity=identity), pod, port)


@fault("TA-031/destination-bound-at-creation", "a Deployment that was opened once stays open", ADMISSION)
class DestinationBound:
    """Remembers who was admitted where."""

    def __init__(self) -> None:
        self._admitted: set[tuple[str, str, Key | None]] = set()

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        pair = (pod.key.namespace, pod.owner, request.identity)
        if inner(world, request, pod, port):
            self._admitted.add(pair)
        return pair in self._admitted


@fault("TA-032/source-namespace-ignored", "the namespace of a source is ignored", ADMISSION)
@fault("TA-032/account-name-only", "sources are compared by the name of the account", ADMISSION)
def source_namespace_ignored(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    """The first is about what the controller writes, the second about what the proxy compares."""
    return inner(world, request, pod, port) or as_named(inner, world, request, pod, port)


@fault("TA-032/cross-namespace-unsupported", "sources of other namespaces are not admitted", ADMISSION)
def cross_namespace_unsupported(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    near = request.identity is not None and request.identity.namespace == pod.account.namespace
    return near and inner(world, request, pod, port)


@fault("TA-032/second-source-namespace-ignored", "the namespace counts for the first source only", ADMISSION)
def second_source_namespace_ignored(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    later = with_sources(world, lambda sources: sources[1:])
    return inner(world, request, pod, port) or as_named(inner, later, request, pod, port)


@fault("TA-033/default-is-anonymous", "pods under the default account are never admitted", ADMISSION)
def default_is_anonymous(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    anonymous = request.identity is not None and request.identity.name == "default"
    return inner(world, request, pod, port) and not anonymous


@fault("TA-033/default-is-any", "a grant for default admits everybody", ADMISSION)
def default_is_any(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or as_listed(inner, defaults(world), request, pod, port)


def defaults(world: World) -> World:
    """The TrafficTargets with no sources but those named default."""
    return with_sources(world, lambda sources: (source for source in sources if source.name == "default"))


@fault("TA-033/default-of-other-namespace", "default of one namespace counts as that of another", ADMISSION)
def default_of_other_namespace(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or as_named(inner, defaults(world), request, pod, port)


@fault("TA-034/forwarded-for-trusted", "the client is who holds the address in X-Forwarded-For", ADMISSION)
def forwarded_for_trusted(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    told = world.by_ip.get(header_of(request, "x-forwarded-for").split(",")[0].strip())
    return inner(world, replace(request, identity=told.account) if told else request, pod, port)


@fault("TA-034/certificate-header-trusted", "the identity is taken from X-Forwarded-Client-Cert", ADMISSION)
def certificate_header_trusted(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    words = header_of(request, "x-forwarded-client-cert").rpartition("URI=")[2].split("/")
    told = Key(words[-3], words[-1]) if len(words) > 3 else request.identity
    return inner(world, replace(request, identity=told), pod, port)


@fault("TA-034/identity-header-kept", "the identity header of the proxy is believed", ADMISSION)
def identity_header_kept(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    words = header_of(request, "l5d-client-id").split(".")
    told = Key(words[1], words[0]) if len(words) > 1 else request.identity
    return inner(world, replace(request, identity=told), pod, port)


@fault("TA-036/same-identity-trusted", "pods of one account trust each other", ADMISSION)
def same_identity_trusted(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or request.identity == pod.account


@fault("TA-036/self-grant-ignored", "a grant of an account to itself has no effect", ADMISSION)
def self_grant_ignored(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) and request.identity != pod.account


@fault("TA-036/same-pod-template-trusted", "pods of one Deployment trust each other", ADMISSION)
def same_pod_template_trusted(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    client = request.client
    kin = (client.key.namespace, client.owner) == (pod.key.namespace, pod.owner)
    return inner(world, request, pod, port) or kin


# What a source stands for


@fault("TA-062/namespace-wildcard", "a source without namespace is in every namespace", WORLD)
@fault("TA-062/name-compared-only", "of a source without namespace the name is compared", WORLD)
def namespace_wildcard(world: World) -> World:
    """Written by the controller or compared by the proxy: the same clients are admitted."""

    def spread(sources: tuple[ServiceAccountRef, ...]) -> list[ServiceAccountRef]:
        known = [
            one for source in sources if not source.namespace for one in accounts(world) if one.name == source.name
        ]
        return [*sources, *known]

    return with_sources(world, spread)


@fault("TA-063/unknown-account-invalidates", "a source without pods makes the TrafficTarget invalid", WORLD)
def unknown_account_invalidates(world: World) -> World:
    known = set(accounts(world))
    return with_targets(world, lambda t: t if set(t.thing.sources) <= known else None)


@fault("TA-063/late-account-missed", "a source that had no pods at first is never admitted", WORLD)
class LateAccountMissed:
    """Remembers what was known when a TrafficTarget appeared."""

    def __init__(self) -> None:
        self._known: dict[str, set[ServiceAccountRef]] = {}

    def __call__(self, world: World) -> World:
        for target in world.targets:
            self._known.setdefault(target.uid, set(accounts(world)))
        return replace(
            world,
            targets=tuple(
                replace(t, thing=replace(t.thing, sources=tuple(s for s in t.thing.sources if s in self._known[t.uid])))
                for t in world.targets
            ),
        )


# Kinds that no version defines

KNOWN = {"HTTPRouteGroup", "TCPRoute", "UDPRoute"}


@fault("TA-066/kind-ignored", "every source and destination is read as a ServiceAccount", WORLD)
def kind_ignored(world: World) -> World:
    def plain(target: TrafficTarget) -> TrafficTarget:
        sources = tuple(replace(source, kind="ServiceAccount") for source in target.sources)
        return replace(target, sources=sources, destination=replace(target.destination, kind="ServiceAccount"))

    return with_policy(world, plain)


def has_unknown_rule(target: TrafficTarget) -> bool:
    """Whether a rule is of a kind that no version defines."""
    return any(rule.kind not in KNOWN for rule in target.rules)


@fault("TA-066/unknown-rule-matches-all", "a rule of an unknown kind grants everything", ADMISSION)
def unknown_rule_matches_all(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    wide = granting_all(world, lambda t: has_unknown_rule(t.thing))
    return inner(world, request, pod, port) or inner(wide, request, pod, port)


@fault("TA-066/rest-of-rules-widened", "beside a rule of an unknown kind the other rules have no limits", ADMISSION)
def rest_of_rules_widened(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    wide = granting_all(world, lambda t: has_unknown_rule(t.thing) and len(t.thing.rules) > 1)
    return inner(world, request, pod, port) or inner(wide, request, pod, port)


def is_strange(target: TrafficTarget) -> bool:
    """Whether any kind in it is unknown."""
    subjects = [target.destination, *target.sources]
    return has_unknown_rule(target) or any(one.kind not in ("ServiceAccount", "IdentityBinding") for one in subjects)


@fault("TA-067/destination-loses-policies", "a strange TrafficTarget takes those of its destination along", ADMISSION)
def destination_loses_policies(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) and not any(is_strange(t.thing) for t in for_pod(world, pod))


@fault("TA-067/later-edits-missed", "beside a strange TrafficTarget edits of the others are missed", WORLD)
class LaterEditsMissed:
    """Remembers TrafficTargets as they were before a strange one came."""

    def __init__(self) -> None:
        self._before: dict[str, TrafficTarget] = {}

    def __call__(self, world: World) -> World:
        if not any(is_strange(target.thing) for target in world.targets):
            self._before = {target.uid: target.thing for target in world.targets}
            return world
        return with_targets(world, lambda t: replace(t, thing=self._before.get(t.uid, t.thing)))
