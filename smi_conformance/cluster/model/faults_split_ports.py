"""Defects of traffic splitting: ports of roots and backends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.apiserver import ApiCall
from smi_conformance.cluster.model.edits import with_splits
from smi_conformance.cluster.model.mesh import Choose, Locate
from smi_conformance.cluster.model.notices import Notice
from smi_conformance.cluster.model.split_edits import Splits, choice_of, is_split, listed, own, root_of, split_of
from smi_conformance.cluster.model.switchboard import API, CHOICES, ENDPOINTS, EVENTS, fault
from smi_conformance.model.objects import Backend, Split
from smi_conformance.model.oracle import Choice, Choices, Endpoint, Endpoints, Request, weight_of
from smi_conformance.model.world import Key, Service, ServicePort, World


def _portless(world: World, request: Request) -> list[tuple[Choice, Service]]:
    """The backends with weight whose Service is there and lacks the called port."""
    split = split_of(world, request)
    listed_ = [choice_of(split, b, request) for b in split.thing.backends if weight_of(b)] if split else []
    there = [(choice, world.services[choice.service]) for choice in listed_ if choice.service in world.services]
    return [(choice, service) for choice, service in there if not service.port(request.port, request.transport)]


@fault("SP-050/sent-to-only-port", "a backend that lacks the port is called on its only one", CHOICES)
def sent_to_only_port(inner: Choose, world: World, request: Request) -> Choices:
    others = [replace(choice, port=s.ports[0].number) for choice, s in _portless(world, request) if len(s.ports) == 1]
    return (*inner(world, request), *others)


@fault("SP-050/split-dropped", "a split with a backend that lacks the port does not act on it", CHOICES)
def split_dropped(inner: Choose, world: World, request: Request) -> Choices:
    return own(request) if _portless(world, request) else inner(world, request)


@fault("SP-050/not-included-again", "a backend that lacked a port once gets nothing on it any more", CHOICES)
class NotIncludedAgain:
    """Remembers who lacked which port."""

    def __init__(self) -> None:
        self._lacked: set[tuple[Key, int]] = set()

    def __call__(self, inner: Choose, world: World, request: Request) -> Choices:
        self._lacked.update((choice.service, choice.port) for choice, _ in _portless(world, request))
        return tuple(choice for choice in inner(world, request) if (choice.service, choice.port) not in self._lacked)


def _place(request: Request) -> int:
    """The place of the called port among those of the root."""
    assert request.service
    numbers = [port.number for port in request.service.ports]
    return numbers.index(request.port) if request.port in numbers else 0


@fault("SP-051/first-port-only", "only the first port of a root is split", CHOICES)
def first_port_only(inner: Choose, world: World, request: Request) -> Choices:
    return own(request) if request.service and _place(request) else inner(world, request)


@fault("SP-051/second-port-root-balance", "half of the requests on the second port go to the root's selection", CHOICES)
def second_port_root_balance(inner: Choose, world: World, request: Request) -> Choices:
    second = request.service is not None and _place(request) == 1
    return own(request) if second and request.luck < 0.5 else inner(world, request)


@fault("SP-051/second-port-first-weights", "other ports than the first keep the weights of the creation", CHOICES)
class SecondPortFirstWeights:
    """Remembers what each split said when it was seen first."""

    def __init__(self) -> None:
        self._first: dict[str, Split] = {}

    def __call__(self, inner: Choose, world: World, request: Request) -> Choices:
        for split in world.splits:
            self._first.setdefault(split.uid, split.thing)
        if not request.service or not _place(request):
            return inner(world, request)
        return inner(with_splits(world, lambda split: replace(split, thing=self._first[split.uid])), request)


def _lacks_any(world: World, split: Splits, backend: Backend) -> bool:
    root, service = world.services.get(root_of(split)), world.services.get(Key(split.key.namespace, backend.service))
    if root is None or service is None:
        return False
    return any(not service.port(port.number, port.transport) for port in root.ports)


@fault("SP-052/excluded-for-all-ports", "a backend that lacks a port of the root gets nothing on any", CHOICES)
def excluded_for_all_ports(inner: Choose, world: World, request: Request) -> Choices:
    def full(split: Splits) -> Splits:
        return listed(split, (b for b in split.thing.backends if not _lacks_any(world, split, b)))

    return inner(with_splits(world, full), request)


@fault("SP-052/missing-port-fails", "the share of a backend that has another port of the root fails", CHOICES)
def missing_port_fails(inner: Choose, world: World, request: Request) -> Choices:
    numbers = {port.number for port in request.service.ports} if request.service else set()
    partly = [choice for choice, s in _portless(world, request) if numbers & {port.number for port in s.ports}]
    return (*inner(world, request), *partly)


def _root_port(request: Request) -> ServicePort | None:
    return request.service.port(request.port, request.transport) if request.service else None


def _foreign_target(world: World, request: Request) -> int | None:
    """The targetPort of a split root, where it is a number that none of the root's own pods listens on."""
    port = _root_port(request)
    if port is None or not isinstance(port.target, int) or not request.service or split_of(world, request) is None:
        return None
    heard = any(pod.serves(port.transport, port.target) for pod in world.pods_of(request.service))
    return None if heard else port.target


@fault("SP-054/root-target-port-applied", "backends are called on the root's targetPort over HTTP", ENDPOINTS)
def root_target_port_applied(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    target, found = _foreign_target(world, request), inner(world, choice, request)
    if target is None or request.protocol != "http":
        return found
    return tuple(Endpoint(endpoint.pod, target) for endpoint in found)


@fault(
    "SP-054/root-target-port-in-health", "backends that do not answer on the root's targetPort are left out", CHOICES
)
def root_target_port_in_health(inner: Choose, world: World, request: Request) -> Choices:
    choices = inner(world, request)
    unhealthy = _foreign_target(world, request) is not None and request.protocol == "http"
    return () if unhealthy and is_split(request, choices) else choices


@fault("SP-060/root-target-port-applied-to-tcp", "backends are called on the root's targetPort over raw TCP", ENDPOINTS)
def root_target_port_applied_to_tcp(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    target, found = _foreign_target(world, request), inner(world, choice, request)
    if target is None or request.protocol != "tcp":
        return found
    return tuple(Endpoint(endpoint.pod, target) for endpoint in found)


@fault("SP-055/share-fails", "the share of a backend that lacks the port fails", CHOICES)
def share_fails(inner: Choose, world: World, request: Request) -> Choices:
    return (*inner(world, request), *(choice for choice, _ in _portless(world, request)))


@fault("SP-055/share-to-first-backend", "the share of a backend that lacks the port goes to the first other", CHOICES)
def share_to_first_backend(inner: Choose, world: World, request: Request) -> Choices:
    choices, lost = inner(world, request), [choice.weight for choice, _ in _portless(world, request)]
    return (replace(choices[0], weight=sum(lost, choices[0].weight)), *choices[1:]) if choices else choices


@fault("SP-055/share-to-root", "the share of a backend that lacks the port goes to the root's selection", CHOICES)
def share_to_root(inner: Choose, world: World, request: Request) -> Choices:
    lost = [replace(own(request)[0], weight=choice.weight) for choice, _ in _portless(world, request)]
    return (*inner(world, request), *lost)


@fault("SP-056/matched-by-name", "a backend that lacks the port is called on the one of the same name", CHOICES)
def matched_by_name(inner: Choose, world: World, request: Request) -> Choices:
    port, found = _root_port(request), []
    for choice, service in _portless(world, request):
        found += [replace(choice, port=p.number) for p in service.ports if port and p.name and p.name == port.name]
    return (*inner(world, request), *found)


def _two_ports(request: Request) -> list[int]:
    """The container ports behind a root with two ports."""
    ports = request.service.ports if request.service else ()
    return [port.target for port in ports if isinstance(port.target, int)] if len(ports) == 2 else []


def _crossed(found: Endpoints, targets: list[int]) -> Endpoints:
    other = dict(zip(targets, reversed(targets), strict=True))
    return tuple(Endpoint(endpoint.pod, other.get(endpoint.port, endpoint.port)) for endpoint in found)


@fault("SP-057/ports-crossed", "of a root with two ports each leads to the other one of the last backend", ENDPOINTS)
def ports_crossed(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    found, split = inner(world, choice, request), split_of(world, request)
    last = bool(split) and split is not None and split.thing.backends[-1].service == choice.service.name
    return _crossed(found, _two_ports(request)) if last and len(_two_ports(request)) == 2 else found


@fault(
    "SP-057/second-port-sent-to-first", "the second port of a root leads to the first of its first backend", ENDPOINTS
)
def second_port_sent_to_first(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    found, split = inner(world, choice, request), split_of(world, request)
    first = split is not None and [b.service for b in split.thing.backends[:1]] == [choice.service.name]
    if not first or len(_two_ports(request)) < 2 or not _place(request):
        return found
    return _crossed(found, _two_ports(request))


PORTS = "BackendWithoutPort"


@fault("SP-058/silent-exclusion", "nothing is told of a backend that lacks a port", EVENTS)
def silent_exclusion(found: list[Notice]) -> list[Notice]:
    return [notice for notice in found if notice.reason != PORTS]


@fault("SP-058/event-elsewhere", "it is told of the namespace and not of the split", EVENTS)
def event_elsewhere(found: list[Notice]) -> list[Notice]:
    return [replace(notice, kind="Namespace") if notice.reason == PORTS else notice for notice in found]


@fault("SP-058/event-without-name", "what is told does not name the backend", EVENTS)
def event_without_name(found: list[Notice]) -> list[Notice]:
    return [replace(notice, text="a backend lacks a port") if notice.reason == PORTS else notice for notice in found]


@fault("SP-058/warning-on-healthy", "every split has a Warning event", API)
def warning_on_healthy(inner: Any, call: ApiCall) -> Any:
    status, body = inner(call)
    if call.method != "GET" or not call.path.endswith("/events") or status != 200:
        return status, body
    space = call.path.split("/")[4]
    splits = inner(replace(call, path=f"/apis/split.smi-spec.io/v1alpha4/namespaces/{space}/trafficsplits"))[1]["items"]
    return status, {**body, "items": [*body["items"], *map(_warning, splits)]}


def _warning(split: dict[str, Any]) -> dict[str, Any]:
    meta = split["metadata"]
    involved = {"kind": "TrafficSplit", "name": meta["name"], "namespace": meta["namespace"]}
    return {"type": "Warning", "reason": "Splitting", "message": "traffic is split", "involvedObject": involved}


def _service_port(world: World, choice: Choice, request: Request) -> ServicePort | None:
    service = world.services.get(choice.service)
    return service.port(choice.port, request.transport) if service else None


@fault("SP-059/named-unresolved", "a targetPort that is a name leads nowhere", ENDPOINTS)
def named_unresolved(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    port = _service_port(world, choice, request)
    return () if port and isinstance(port.target, str) else inner(world, choice, request)


@fault("SP-059/name-resolved-once", "a targetPort that is a name is looked up in the first pod only", ENDPOINTS)
def name_resolved_once(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    port, found = _service_port(world, choice, request), inner(world, choice, request)
    if not found or port is None or isinstance(port.target, int):
        return found
    return tuple(Endpoint(endpoint.pod, found[0].port) for endpoint in found)


def _named_alike(inner: Choose, world: World, request: Request, *, unnamed_only: bool) -> Choices:
    port, kept = _root_port(request), []
    for choice in inner(world, request):
        other = _service_port(world, choice, request)
        differs = other is not None and port is not None and other.name != port.name
        if not differs or (unnamed_only and other is not None and other.name):
            kept.append(choice)
    return tuple(kept)


@fault("SP-061/name-and-number-required", "a backend's port counts only when it is named as the root's", CHOICES)
def name_and_number_required(inner: Choose, world: World, request: Request) -> Choices:
    return _named_alike(inner, world, request, unnamed_only=False)


@fault("SP-061/unnamed-excluded", "a backend whose port has no name is left out", CHOICES)
def unnamed_excluded(inner: Choose, world: World, request: Request) -> Choices:
    return _named_alike(inner, world, request, unnamed_only=True)
