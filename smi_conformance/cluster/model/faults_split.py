"""Defects of traffic splitting, and of access control behind a split."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from smi_conformance.cluster.model.edits import weighted, with_backends, with_splits
from smi_conformance.cluster.model.mesh import Admit, Choose, Locate
from smi_conformance.cluster.model.switchboard import ADMISSION, CHOICES, ENDPOINTS, PROXY, VIEW, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.objects import Backend, ServiceAccountRef, Split
from smi_conformance.model.oracle import Choice, Choices, Endpoint, Endpoints, Request, weight_of
from smi_conformance.model.world import Key, Placed, Pod, World


def is_split(world: World, request: Request, choices: Choices) -> bool:
    """Whether the choices are those of a split and not the Service's own selection."""
    return request.service is not None and [c.service for c in choices] != [request.service.key]


def own(request: Request) -> Choices:
    """The Service's own selection."""
    assert request.service
    return (Choice(request.service.key, request.port),)


def shares(choices: Choices) -> list[Decimal]:
    """The share of each choice."""
    total = sum((choice.weight for choice in choices), Decimal(0))
    return [choice.weight / total for choice in choices]


@fault("SP-010/weights-ignored", "all backends get the same share", WORLD)
def weights_ignored(world: World) -> World:
    return with_backends(world, lambda backends: weighted(backends, [1] * len(backends)))


@fault("SP-010/weights-swapped", "the weights are applied in reverse order", WORLD)
def weights_swapped(world: World) -> World:
    def swapped(backends: tuple[Backend, ...]) -> list[Backend]:
        return [replace(b, weight=other.weight) for b, other in zip(backends, backends[::-1], strict=True)]

    return with_backends(world, swapped)


@fault("SP-010/third-backend-dropped", "backends after the second are left out", WORLD)
def third_backend_dropped(world: World) -> World:
    return with_backends(world, lambda backends: backends[:2])


@fault("SP-010/heaviest-takes-all", "the heaviest backend gets everything", WORLD)
def heaviest_takes_all(world: World) -> World:
    return with_backends(world, lambda backends: [max(backends, key=weight_of)] if backends else [])


@fault("SP-010/five-points-off", "shares are five points off, where each is at least that large", CHOICES)
def five_points_off(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    spread = shares(choices) if choices else []
    if len(spread) < 2 or min(spread) < Decimal("0.05"):
        return choices
    heaviest, off = spread.index(max(spread)), Decimal("0.05")
    moved = [-off * (len(spread) - 1) if place == heaviest else off for place in range(len(spread))]
    return tuple(replace(c, weight=max(s + m, Decimal(0))) for c, s, m in zip(choices, spread, moved, strict=True))


@fault("SP-010/decoy-leak", "2 % of the split requests go to the root's own selection", CHOICES)
def decoy_leak(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    return own(request) if is_split(world, request, choices) and request.luck < 0.02 else choices


@fault("SP-010/one-client-pod-unsplit", "the second of a namespace's client pods never learns of splits", VIEW)
def one_client_pod_unsplit(world: World, pod: Pod) -> World:
    here = [p for p in world.pods if p.meshed and p.key.namespace == pod.key.namespace]
    clients = [p for p in here if not any(service.selects(p) for service in world.services.values())]
    second = sorted(clients, key=lambda other: other.created)[1:2]  # which stays the same when others come and go
    return replace(world, splits=()) if pod.uid in [other.uid for other in second] else world


@fault("SP-013/zero-read-as-one", "weight 0 is read as unset, and an unset weight as the largest", WORLD)
def zero_read_as_one(world: World) -> World:
    def unset(backends: tuple[Backend, ...]) -> list[Backend]:
        largest = max(backends, key=weight_of).weight if backends else 1
        return [b if weight_of(b) else replace(b, weight=largest) for b in backends]

    return with_backends(world, unset)


@fault("SP-013/zero-invalidates-split", "a split with a weight of 0 is left out", WORLD)
def zero_invalidates_split(world: World) -> World:
    return with_splits(world, lambda split: split if all(map(weight_of, split.thing.backends)) else None)


def spilling(inner: Choose, world: World, request: Request, share: float) -> Choices:
    """Backends of weight 0 together get that share."""
    choices = inner(world, request)
    if not choices or not is_split(world, request, choices) or request.luck >= share:
        return choices
    root = choices[0].service.namespace
    zeros = [b for s in world.splits if s.key.namespace == root for b in s.thing.backends if not weight_of(b)]
    mine = [b for b in zeros if any(b in s.thing.backends and _about(s, request) for s in world.splits)]
    return tuple(Choice(Key(root, b.service), request.port) for b in mine) or choices


def _about(split: Placed[Split], request: Request) -> bool:
    return request.service is not None and request.service.key == Key(split.key.namespace, split.thing.service)


@fault("SP-013/spill-to-zero", "5 % of the requests go to backends of weight 0", CHOICES)
def spill_to_zero(inner: Choose, world: World, request: Request) -> Choices:
    return spilling(inner, world, request, 0.05)


@fault("SP-013/one-percent-to-zero", "1 % of the requests goes to backends of weight 0", CHOICES)
def one_percent_to_zero(inner: Choose, world: World, request: Request) -> Choices:
    return spilling(inner, world, request, 0.01)


@fault("SP-013/zero-keeps-old-share", "a backend that is set to 0 keeps the weight it had", WORLD)
class ZeroKeepsOldShare:
    """Remembers the last weight other than 0 of each backend of each split."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int | str] = {}

    def __call__(self, world: World) -> World:
        return with_splits(world, self._changed)

    def _changed(self, split: Placed[Split]) -> Placed[Split]:
        backends = []
        for backend in split.thing.backends:
            key = split.uid, backend.service
            if weight_of(backend):
                self._last[key] = backend.weight
            backends.append(replace(backend, weight=self._last.get(key, 0)))
        return replace(split, thing=replace(split.thing, backends=tuple(backends)))


def named(request: Request, *forms: str) -> bool:
    """Whether the Host of a request is one of these forms of its Service's name, without the port."""
    assert request.service
    host = request.host.partition(":")[0]
    space, name = request.service.key
    return host in [form.format(svc=name, ns=space) for form in forms]


@fault("SP-020/short-name-only", "only requests with the root's short name as Host are split", CHOICES)
def short_name_only(inner: Choose, world: World, request: Request) -> Choices:
    return inner(world, request) if named(request, "{svc}") else own(request)


@fault("SP-020/fqdn-only", "only requests with the root's full name as Host are split", CHOICES)
def fqdn_only(inner: Choose, world: World, request: Request) -> Choices:
    return inner(world, request) if named(request, "{svc}.{ns}.svc.cluster.local") else own(request)


@fault("SP-020/other-namespaces-bypass", "clients of other namespaces do not see a split", VIEW)
def other_namespaces_bypass(world: World, pod: Pod) -> World:
    return with_splits(world, lambda split: split if split.key.namespace == pod.key.namespace else None)


@fault("SP-020/port-in-host-misses", "requests whose Host was given with a port are not split", CHOICES)
def port_in_host_misses(inner: Choose, world: World, request: Request) -> Choices:
    return own(request) if ":" in request.host else inner(world, request)


class Remembering:
    """Remembers what each split said when it was seen first."""

    def __init__(self) -> None:
        self._first: dict[str, Split] = {}

    def __call__(self, world: World) -> World:
        return with_splits(
            world, lambda s: replace(s, thing=self.seen(s.thing, self._first.setdefault(s.uid, s.thing)))
        )

    def seen(self, split: Split, first: Split) -> Split:
        """What counts of a split."""
        raise NotImplementedError


@fault("SP-032/first-weights-kept", "the backends and weights a split was created with stay in force", WORLD)
class FirstWeightsKept(Remembering):
    """Other fields are followed."""

    def seen(self, split: Split, first: Split) -> Split:
        return replace(split, backends=first.backends)


@fault("SP-032/needs-recreate", "a split stays in force as it was created", WORLD)
class NeedsRecreate(Remembering):
    """No field is followed."""

    def seen(self, split: Split, first: Split) -> Split:
        return first


@fault("SP-032/one-update-behind", "each update of a split brings the one before it into force", WORLD)
class OneUpdateBehind:
    """Remembers the last two contents of each split."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Split, Split]] = {}

    def __call__(self, world: World) -> World:
        return with_splits(world, self._one_behind)

    def _one_behind(self, split: Placed[Split]) -> Placed[Split]:
        before, current = self._last.get(split.uid, (split.thing, split.thing))
        if split.thing != current:
            before = current
        self._last[split.uid] = before, split.thing
        return replace(split, thing=before)


@fault("SP-032/old-connections-keep-weights", "connections keep the splits that they were opened under", PROXY)
def old_connections_keep_weights(inner: Carry, exchange: Exchange) -> Answer:
    memory, world = exchange.connection.memory, exchange.world
    splits = memory.setdefault("splits", world.splits)
    return inner(replace(exchange, world=replace(world, splits=splits)))


@fault("SP-053/shared-target-port", "all backends are called on the first one's container port", ENDPOINTS)
def shared_target_port(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    found = inner(world, choice, request)
    split = next((s for s in world.splits if _about(s, request)), None)
    if split is None or not split.thing.backends or not found:
        return found
    first = Choice(Key(split.key.namespace, split.thing.backends[0].service), choice.port)
    ports = [endpoint.port for endpoint in inner(world, first, request)]
    return tuple(Endpoint(endpoint.pod, ports[0]) for endpoint in found) if ports else found


@fault("SP-053/service-port-as-pod-port", "backends are called on the Service's port number", ENDPOINTS)
def service_port_as_pod_port(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    found = inner(world, choice, request)
    split = any(_about(s, request) for s in world.splits)
    return tuple(Endpoint(endpoint.pod, choice.port) for endpoint in found) if split else found


@fault("SP-053/changed-target-port-missed", "a targetPort that changes later is not followed", ENDPOINTS)
class ChangedTargetPortMissed:
    """Remembers the first container port of each Service port."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, int], int] = {}

    def __call__(self, inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
        found = inner(world, choice, request)
        service = world.services.get(choice.service)
        if not found or service is None:
            return found
        port = self._first.setdefault((service.uid, choice.port), found[0].port)
        return tuple(Endpoint(endpoint.pod, port) for endpoint in found)


@fault("SP-200/grant-opens-all", "a grant for one pod behind a split opens all pods of the split", WORLD)
def grant_opens_all(world: World) -> World:
    opened = list(world.targets)
    for split in world.splits:
        space = split.key.namespace
        services = [Key(space, split.thing.service), *(Key(space, b.service) for b in split.thing.backends)]
        accounts = sorted(set().union(*(world.accounts_of(service) for service in services)))
        for target in world.targets:
            if Key(target.key.namespace, target.thing.destination.name) in accounts:
                opened += [
                    replace(target, thing=replace(target.thing, destination=ServiceAccountRef(a.name, a.namespace)))
                    for a in accounts
                ]
    return replace(world, targets=tuple(opened))


@fault("SP-200/decision-by-root-name", "a request to a root is granted by any grant for the root's pods", ADMISSION)
def decision_by_root_name(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    root = request.service and any(_about(split, request) for split in world.splits)
    pods = world.pods_of(request.service) if root and request.service else []
    return inner(world, request, pod, port) or any(inner(world, request, other, port) for other in pods)


@fault("SP-200/kept-alive-judged-once", "requests on one connection are judged by the pod of the first", PROXY)
def kept_alive_judged_once(inner: Carry, exchange: Exchange) -> Answer:
    if exchange.request.protocol != "http" or exchange.request.service is None:
        return inner(exchange)
    endpoint = exchange.pick()
    if endpoint is None:
        return exchange.fail()
    memory = exchange.connection.memory
    if "admitted" not in memory:
        memory["admitted"] = exchange.admitted(endpoint)
    return exchange.deliver(endpoint) if memory["admitted"] else exchange.refuse()
