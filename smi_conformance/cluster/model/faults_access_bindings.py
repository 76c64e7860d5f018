"""Defects in IdentityBindings, access v1alpha4 (TA-200 to TA-211)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from smi_conformance.cluster.model.access_edits import accounts, only, with_sources
from smi_conformance.cluster.model.edits import Manifest, with_policy, with_targets
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.switchboard import ADMISSION, MANIFEST, WORLD, fault
from smi_conformance.model.objects import IdentityBinding, ServiceAccountRef, TrafficTarget
from smi_conformance.model.oracle import Request, spiffe
from smi_conformance.model.world import Key, Placed, Pod, World

BINDING = "IdentityBinding"
ANY_LABEL = "*any*"
Found = Placed[IdentityBinding]


def with_bindings(world: World, change: Callable[[Found], IdentityBinding]) -> World:
    """Other contents of every IdentityBinding."""
    return replace(world, bindings={key: replace(one, thing=change(one)) for key, one in world.bindings.items()})


def schemes_of(binding: IdentityBinding) -> list[IdentityBinding]:
    """Each scheme that is set, alone."""
    each = [
        IdentityBinding(pod_labels=binding.pod_labels),
        IdentityBinding(spiffe_ids=binding.spiffe_ids),
        IdentityBinding(service_account=binding.service_account),
    ]
    return [one for one in each if one != IdentityBinding()]


def everybody(world: World, namespace: str) -> IdentityBinding:
    """A binding for all pods of a namespace."""
    return IdentityBinding(spiffe_ids=tuple(spiffe(Key(namespace, a.name)) for a in accounts(world)))


def each_source(world: World, change: Callable[[ServiceAccountRef], Iterable[ServiceAccountRef]]) -> World:
    """Other sources in the place of each that is an IdentityBinding."""
    return with_sources(
        world, lambda sources: (new for one in sources for new in (change(one) if one.kind == BINDING else [one]))
    )


# References


@fault("TA-200/binding-ignored", "references to IdentityBindings lead nowhere", WORLD)
def binding_ignored(world: World) -> World:
    return replace(world, bindings={})


@fault("TA-200/name-read-as-account", "the name of a binding is read as that of an account", WORLD)
@fault("TA-201/name-read-as-account", "the name of a binding is read as that of an account", WORLD)
def name_read_as_account(world: World) -> World:
    def plain(target: TrafficTarget) -> TrafficTarget:
        sources = tuple(replace(source, kind="ServiceAccount") for source in target.sources)
        return replace(target, sources=sources, destination=replace(target.destination, kind="ServiceAccount"))

    return with_policy(world, plain)


@fault("TA-200/source-side-only", "bindings count as sources only", WORLD)
def source_side_only(world: World) -> World:
    return with_targets(world, lambda t: None if t.thing.destination.kind == BINDING else t)


@fault("TA-201/destination-side-only", "bindings count as destinations only", WORLD)
def destination_side_only(world: World) -> World:
    return each_source(world, lambda _: ())


@fault("TA-201/first-binding-only", "of several bindings in the sources the first one counts", WORLD)
def first_binding_only(world: World) -> World:
    def cut(sources: tuple[ServiceAccountRef, ...]) -> list[ServiceAccountRef]:
        later = [source for source in sources if source.kind == BINDING][1:]
        return [source for source in sources if source not in later]

    return with_sources(world, cut)


# Schemes


@fault("TA-202/schemes-anded", "of a binding with several schemes all would have to fit at once", WORLD)
def schemes_anded(world: World) -> World:
    return with_bindings(world, lambda b: b.thing if len(schemes_of(b.thing)) < 2 else IdentityBinding())


@fault("TA-202/first-scheme-only", "of several schemes the first one counts", WORLD)
def first_scheme_only(world: World) -> World:
    return with_bindings(world, lambda b: next(iter(schemes_of(b.thing)), b.thing))


def with_ids(world: World, change: Callable[[tuple[str, ...]], Iterable[str]]) -> World:
    """Other SPIFFE ids in every binding."""
    return with_bindings(world, lambda b: replace(b.thing, spiffe_ids=tuple(change(b.thing.spiffe_ids))))


@fault("TA-204/prefix-match", "a SPIFFE id fits all that begin with it", WORLD)
def prefix_match(world: World) -> World:
    known = [spiffe(pod.account).removeprefix("spiffe://") for pod in world.pods]
    return with_ids(world, lambda ids: (k for k in known for one in ids if k.startswith(one.removeprefix("spiffe://"))))


@fault("TA-204/trust-domain-ignored", "the trust domain of a SPIFFE id is not looked at", WORLD)
def trust_domain_ignored(world: World) -> World:
    return with_ids(world, lambda ids: (f"cluster.local/ns/{one.partition('/ns/')[2]}" for one in ids))


@fault("TA-204/first-id-only", "of several SPIFFE ids the first one counts", WORLD)
def first_id_only(world: World) -> World:
    return with_ids(world, lambda ids: ids[:1])


@fault("TA-204/order-matters", "SPIFFE ids have to be listed in their order", WORLD)
def order_matters(world: World) -> World:
    return with_ids(world, lambda ids: ids if list(ids) == sorted(ids) else ())


@fault("TA-205/all-namespaces", "the account of a binding is one in every namespace", WORLD)
def account_in_all_namespaces(world: World) -> World:
    def spread(source: ServiceAccountRef) -> list[ServiceAccountRef]:
        binding = world.bindings.get(Key(source.namespace or "", source.name))
        name = binding.thing.service_account if binding else None
        return [source, *(account for account in accounts(world) if account.name == name)]

    return each_source(world, spread)


@fault("TA-205/target-namespace-used", "the account of a binding is one of the TrafficTarget's namespace", WORLD)
def target_namespace_used(world: World) -> World:
    def moved(target: TrafficTarget, namespace: str) -> TrafficTarget:
        return replace(target, sources=tuple(near(source, namespace) for source in target.sources))

    def near(source: ServiceAccountRef, namespace: str) -> ServiceAccountRef:
        binding = world.bindings.get(Key(source.namespace or "", source.name)) if source.kind == BINDING else None
        name = binding.thing.service_account if binding else None
        return ServiceAccountRef(name, namespace) if name else source

    return with_targets(world, lambda t: replace(t, thing=moved(t.thing, t.key.namespace)))


# Namespaces


def anywhere(inner: Admit, world: World, request: Request, pod: Pod, port: int, *, clients: bool) -> bool:
    """Whether bindings would admit the request if its pods stood in a namespace that has bindings."""
    bound = only(world, *(t for t in world.targets if BINDING in (t.thing.destination.kind, *_kinds(t.thing))))
    spaces = {key.namespace for key in world.bindings}
    servers = [replace(pod, account=Key(space, pod.account.name)) for space in spaces]
    requests = [request, *(moved_client(request, space) for space in spaces if clients and request.identity)]
    return any(inner(bound, one, server, port) for one in requests for server in [pod, *servers])


def moved_client(request: Request, namespace: str) -> Request:
    """The same request of a client in another namespace."""
    account = Key(namespace, request.client.account.name)
    return replace(request, identity=account, client=replace(request.client, account=account))


def _kinds(target: TrafficTarget) -> list[str]:
    return [source.kind for source in target.sources]


@fault("TA-206/selector-cluster-wide", "label selectors of bindings look at all namespaces", ADMISSION)
def selector_cluster_wide(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or anywhere(inner, world, request, pod, port, clients=True)


@fault("TA-206/opened-as-destination-only", "bindings open destinations of other namespaces", ADMISSION)
def opened_as_destination(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or anywhere(inner, world, request, pod, port, clients=False)


@fault("TA-206/merged-by-name", "bindings of one name are merged over namespaces", WORLD)
def bindings_merged_by_name(world: World) -> World:
    def same_name(source: ServiceAccountRef) -> list[ServiceAccountRef]:
        return [replace(source, namespace=key.namespace) for key in world.bindings if key.name == source.name]

    return each_source(world, same_name)


# Labels


def with_more(world: World, variants: Callable[[Found], list[IdentityBinding]]) -> World:
    """Sources that are bindings stand for more of them, beside themselves."""
    added: dict[Key, Found] = {}
    more: dict[Key, list[str]] = {}
    for key, binding in world.bindings.items():
        for place, thing in enumerate(variants(binding)):
            name = f"{key.name}#{place}"
            added[Key(key.namespace, name)] = replace(binding, key=Key(key.namespace, name), thing=thing)
            more.setdefault(key, []).append(name)

    def spread(source: ServiceAccountRef) -> list[ServiceAccountRef]:
        names = more.get(Key(source.namespace or "", source.name), [])
        return [source, *(replace(source, name=name) for name in names)]

    return replace(each_source(world, spread), bindings={**world.bindings, **added})


@fault("TA-207/any-label-suffices", "a pod with one of the labels is bound", WORLD)
def any_label_suffices(world: World) -> World:
    return with_more(world, lambda b: [IdentityBinding(pod_labels=(pair,)) for pair in b.thing.pod_labels])


@fault("TA-207/keys-only", "a pod with the keys of the labels is bound", WORLD)
def label_keys_only(world: World) -> World:
    def alike(binding: Found) -> list[IdentityBinding]:
        keys = [key for key, _ in binding.thing.pod_labels]
        found = {
            tuple((key, pod.labels[key]) for key in keys) for pod in world.pods if keys and {*keys} <= {*pod.labels}
        }
        return [IdentityBinding(pod_labels=pairs) for pairs in sorted(found)]

    return with_more(world, alike)


@fault("TA-207/empty-selector-matches-all", "an empty selector binds every pod", MANIFEST, kind=BINDING)
def mark_empty_selector(manifest: Manifest) -> Manifest:
    selector = (manifest["spec"].get("schemes") or {}).get("podLabelSelector")
    if selector is not None and not selector.get("matchLabels"):
        selector["matchLabels"] = {ANY_LABEL: ""}
    return manifest


@fault("TA-207/empty-selector-matches-all", "an empty selector binds every pod", WORLD)
def empty_selector_matches_all(world: World) -> World:
    def wide(binding: Found) -> IdentityBinding:
        marked = (ANY_LABEL, "") in binding.thing.pod_labels
        return everybody(world, binding.key.namespace) if marked else binding.thing

    return with_bindings(world, wide)


@fault("TA-210/labels-read-once", "the labels of a pod are read once", WORLD)
class LabelsReadOnce:
    """Remembers the first labels of each pod."""

    def __init__(self) -> None:
        self._first: dict[str, dict[str, str]] = {}

    def __call__(self, world: World) -> World:
        frozen = [replace(pod, labels=self._first.setdefault(pod.uid, dict(pod.labels))) for pod in world.pods]
        return replace(world, pods=tuple(frozen))


@fault("TA-210/unlabel-missed", "labels that a pod has lost still count", WORLD)
class UnlabelMissed:
    """Remembers all labels of each pod."""

    def __init__(self) -> None:
        self._all: dict[str, dict[str, str]] = {}

    def __call__(self, world: World) -> World:
        for pod in world.pods:
            self._all[pod.uid] = {**self._all.get(pod.uid, {}), **pod.labels}
        return replace(world, pods=tuple(replace(pod, labels=dict(self._all[pod.uid])) for pod in world.pods))


# Bindings that are missing or empty


@fault("TA-208/unresolved-admits-anyone", "a missing binding in the sources admits everybody", WORLD)
def unresolved_admits_anyone(world: World) -> World:
    def wide(source: ServiceAccountRef) -> list[ServiceAccountRef]:
        return [source] if Key(source.namespace or "", source.name) in world.bindings else accounts(world)

    return each_source(world, wide)


@fault("TA-208/stale-after-delete", "deleted bindings stay in force", WORLD)
class DeletedBindingsStay:
    """Remembers each binding as it was last."""

    def __init__(self) -> None:
        self._last: dict[Key, Found] = {}

    def __call__(self, world: World) -> World:
        self._last = {**self._last, **world.bindings}
        return replace(world, bindings=dict(self._last))


@fault("TA-208/late-binding-missed", "a binding that is missing when a TrafficTarget comes is never found", WORLD)
class LateBindingMissed:
    """Remembers which bindings stood when a TrafficTarget appeared."""

    def __init__(self) -> None:
        self._known: dict[str, set[Key]] = {}

    def __call__(self, world: World) -> World:
        for target in world.targets:
            self._known.setdefault(target.uid, set(world.bindings))

        def cut(target: TrafficTarget, known: set[Key]) -> TrafficTarget:
            good = [s for s in target.sources if s.kind != BINDING or Key(s.namespace or "", s.name) in known]
            return replace(target, sources=tuple(good))

        return with_targets(world, lambda t: replace(t, thing=cut(t.thing, self._known[t.uid])))


@fault("TA-211/empty-schemes-match-all", "a binding without schemes stands for all pods", WORLD)
def empty_schemes_match_all(world: World) -> World:
    empty = IdentityBinding()
    return with_bindings(world, lambda b: everybody(world, b.key.namespace) if b.thing == empty else b.thing)


@fault("TA-211/last-scheme-removal-opens", "a binding that loses its last scheme stands for all pods", WORLD)
class LastSchemeRemoved:
    """Remembers which bindings had schemes."""

    def __init__(self) -> None:
        self._had: set[str] = set()

    def __call__(self, world: World) -> World:
        self._had |= {binding.uid for binding in world.bindings.values() if binding.thing != IdentityBinding()}

        def wide(binding: Found) -> IdentityBinding:
            lost = binding.thing == IdentityBinding() and binding.uid in self._had
            return everybody(world, binding.key.namespace) if lost else binding.thing

        return with_bindings(world, wide)
