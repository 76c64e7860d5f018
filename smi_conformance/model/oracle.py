"""The semantics of SMI, executable: who may send what to which pod, and where requests on a Service go.

Written from the register (conformance/requirements.yaml). What the register leaves open is a named reading.
All versions have one meaning here, because `read` has brought their objects into one form.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cached_property
from operator import attrgetter

from smi_conformance.model.matching import any_match
from smi_conformance.model.objects import Backend, HttpMatch, IdentityBinding, ServiceAccountRef, Split, TrafficTarget
from smi_conformance.model.readings import Readings
from smi_conformance.model.render import quantity
from smi_conformance.model.world import Key, Placed, Pod, Protocol, Service, World

TRUST_DOMAIN = "cluster.local"
KINDS = ("HTTPRouteGroup", "TCPRoute", "UDPRoute")
BEFORE_UDP = ("v1alpha1", "v1alpha2")


@dataclass(frozen=True)
class Request:
    """One request, connection or datagram of a client, as it is sent.

    It is addressed to a Service, or to one pod by its address. `identity` is what the client can prove: None
    outside the mesh. `luck` is a number from 0 to 1 that belongs to this request, for whatever is random.
    """

    client: Pod
    protocol: Protocol
    port: int
    service: Service | None = None
    pod: Pod | None = None
    identity: Key | None = None
    host: str = ""
    by: str = "name"  # how the destination was addressed: name, cluster IP or pod IP
    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    http: str = "HTTP/1.1"
    body: int = 0
    luck: float = 0.5

    @property
    def transport(self) -> str:
        """tcp or udp."""
        return "udp" if self.protocol == "udp" else "tcp"

    @cached_property
    def asked(self) -> tuple[object, ...]:
        """What makes two requests equal: all but their luck."""
        return tuple(_all_but_luck(self))

    def lucky(self, luck: float) -> Request:
        """An equal request with its own luck. There are many of them: `dataclasses.replace` takes ten times as long."""
        made = object.__new__(Request)
        vars(made).update(vars(self), asked=self.asked, luck=luck)  # pragma: no mutate (worked out once saves time)
        return made


_all_but_luck = attrgetter(*(one.name for one in fields(Request) if one.name != "luck"))


@dataclass(frozen=True)
class Endpoint:
    """A container port of a pod."""

    pod: Pod
    port: int


@dataclass(frozen=True)
class Choice:
    """One place where requests may go: a Service by its port. `target` stands for another container port than its."""

    service: Key
    port: int
    weight: Decimal = Decimal(1)
    target: int = 0


Choices = tuple[Choice, ...]
Endpoints = tuple[Endpoint, ...]
Shares = dict[Endpoint | None, float]


@dataclass(frozen=True)
class Oracle:
    """What SMI says, under one choice of readings."""

    readings: Readings = field(default_factory=Readings)

    # Access

    def admits(self, world: World, request: Request, pod: Pod, port: int) -> bool:
        """Whether a pod takes a request at one of its container ports: some TrafficTarget has to grant it."""
        if world.posture == "permissive" or not pod.meshed:
            return True
        return any(self.grants(world, target, request, pod, port) for target in world.targets)

    def grants(self, world: World, target: Placed[TrafficTarget], request: Request, pod: Pod, port: int) -> bool:
        """Whether this one TrafficTarget does: by destination, by source, and by port and route."""
        return (
            self.opens(world, target, pod)
            and any(self.stands_for_client(world, target, source, request) for source in target.thing.sources)
            and self.covers(world, target, request, port)
        )

    def opens(self, world: World, target: Placed[TrafficTarget], pod: Pod) -> bool:
        """Whether the pod is the destination of a TrafficTarget."""
        destination, namespace = target.thing.destination, target.key.namespace
        place = destination.namespace or namespace
        if place != namespace and self.readings.target_elsewhere == "ignored":
            return False
        return self._names(world, destination, place, pod, pod.account)

    def stands_for_client(
        self, world: World, target: Placed[TrafficTarget], source: ServiceAccountRef, request: Request
    ) -> bool:
        """Whether a source of a TrafficTarget names the client, by the identity that it proves."""
        place = source.namespace
        if place is None and (self.readings.source_without_namespace == "own" or source.kind == "IdentityBinding"):
            place = target.key.namespace
        if place is None or request.identity is None:
            return False
        return self._names(world, source, place, request.client, request.identity)

    def _names(self, world: World, subject: ServiceAccountRef, place: str, pod: Pod, account: Key) -> bool:
        if subject.kind == "ServiceAccount":
            return account == Key(place, subject.name)
        binding = world.bindings.get(Key(place, subject.name))
        return subject.kind == "IdentityBinding" and binding is not None and self.binds(binding, pod, account)

    def binds(self, binding: Placed[IdentityBinding], pod: Pod, account: Key) -> bool:
        """Whether an IdentityBinding stands for a pod: it says nothing about those of other namespaces."""
        if binding.key.namespace != account.namespace:
            return False
        schemes = binding.thing
        if schemes.pod_labels and schemes.service_account and self.readings.both_schemes == "void":
            return False
        labels = dict(schemes.pod_labels)
        return (
            (bool(labels) and labels.items() <= pod.labels.items())
            or schemes.service_account == account.name
            or any(self.same_spiffe(one, account) for one in schemes.spiffe_ids)
        )

    def same_spiffe(self, written: str, account: Key) -> bool:
        """Whether a SPIFFE id is that of an account."""
        prefixed = "required" if written.startswith("spiffe://") else "absent"
        if self.readings.spiffe_prefix not in ("optional", prefixed):
            return False
        return written.removeprefix("spiffe://") == spiffe(account).removeprefix("spiffe://")

    def covers(self, world: World, target: Placed[TrafficTarget], request: Request, port: int) -> bool:
        """Whether port and routes of a TrafficTarget fit a request. Routes stand in its own namespace."""
        judged = request.port if self.readings.policy_port == "service" else port
        if target.thing.port not in (None, judged):
            return False
        if self.readings.intact_rules == "void" and any(self.dangling(world, target)):
            return False
        if request.protocol == "udp":
            return self._has_port(world, target, "UDPRoute", judged)
        return self._covers_tcp(world, target, request, judged)

    def _covers_tcp(self, world: World, target: Placed[TrafficTarget], request: Request, port: int) -> bool:
        """With a TCPRoute beside route groups HTTP needs both; with a TCPRoute alone its ports are open to HTTP too."""
        kinds = {rule.kind for rule in target.thing.rules}
        ported = "TCPRoute" in kinds and self._has_port(world, target, "TCPRoute", port)
        if request.protocol == "tcp":
            return ported and ("HTTPRouteGroup" not in kinds or self.readings.raw_tcp_beside_http == "admitted")
        if "HTTPRouteGroup" not in kinds:
            return ported
        return (ported or "TCPRoute" not in kinds) and any_match(
            self.matches_of(world, target), request.method, request.path, request.headers, self.readings
        )

    def _has_port(self, world: World, target: Placed[TrafficTarget], kind: str, port: int) -> bool:
        if kind == "UDPRoute" and target.version in BEFORE_UDP:
            return False
        routes = world.tcp_routes if kind == "TCPRoute" else world.udp_routes
        keys = [Key(target.key.namespace, rule.name) for rule in target.thing.rules if rule.kind == kind]
        ports = [routes[key].thing.ports for key in keys if key in routes]
        return any(not listed or port in listed for listed in ports)

    def matches_of(self, world: World, target: Placed[TrafficTarget]) -> Iterator[HttpMatch]:
        """The matches that the rules of a TrafficTarget name; a rule that names none means all of its group."""
        for rule in target.thing.rules:
            group = world.groups.get(Key(target.key.namespace, rule.name)) if rule.kind == "HTTPRouteGroup" else None
            for match in group.thing.matches if group else ():
                if not rule.matches or match.name in rule.matches:
                    yield match

    def dangling(self, world: World, target: Placed[TrafficTarget]) -> Iterator[str]:
        """What a TrafficTarget refers to and does not exist."""
        known = {"HTTPRouteGroup": world.groups, "TCPRoute": world.tcp_routes, "UDPRoute": world.udp_routes}
        for rule in target.thing.rules:
            key = Key(target.key.namespace, rule.name)
            if key not in known.get(rule.kind, {}):
                yield f"{rule.kind} {rule.name}"
            elif rule.kind == "HTTPRouteGroup":
                names = {match.name for match in world.groups[key].thing.matches}
                yield from (f"match {name} of {rule.name}" for name in rule.matches if name not in names)

    # Splits

    def choices(self, world: World, request: Request) -> Choices:
        """The Services that share the requests on a Service, for a client in the mesh; none: they fail."""
        assert request.service is not None
        root = request.service.key
        own = (Choice(root, request.port),)
        split = self.split_of(world, root)
        if split is None or not self.applies(world, split, request):
            return own
        weighted = [(backend, weight_of(backend)) for backend in split.thing.backends]
        if not any(weight > 0 for _, weight in weighted) and self.readings.all_zero == "ignored":
            return own
        found = [Choice(Key(root.namespace, b.service), request.port, weight) for b, weight in weighted if weight > 0]
        if self.readings.absent_backend == "fails":
            return tuple(choice for choice in found if self.has_port(world, choice, request))
        return tuple(choice for choice in found if self.endpoints(world, choice, request))

    def split_of(self, world: World, root: Key) -> Placed[Split] | None:
        """The split in force for a Service."""
        splits = [split for split in world.splits if self.root_of(split) == root]
        if not splits:
            return None
        return splits[0] if self.readings.two_splits == "oldest" else splits[-1]

    def root_of(self, split: Placed[Split]) -> Key:
        """The Service that a split is about: one of its own namespace."""
        name, namespace = split.thing.service, split.key.namespace
        if self.readings.qualified_service == "accepted":
            for suffix in (".svc.cluster.local", ".svc", ""):
                name = name.removesuffix(f".{namespace}{suffix}")
        return Key(namespace, name)

    def applies(self, world: World, split: Placed[Split], request: Request) -> bool:
        """Whether the split takes this request, by its route groups; it has none: yes."""
        if request.by == "cluster IP" and self.readings.cluster_ip == "unsplit":
            return False
        if not split.thing.matches:
            return True
        if request.protocol != "http":
            return False
        keys = [Key(split.key.namespace, name) for name in split.thing.matches]
        matches = [match for key in keys if key in world.groups for match in world.groups[key].thing.matches]
        return any_match(matches, request.method, request.path, request.headers, self.readings)

    def has_port(self, world: World, choice: Choice, request: Request) -> bool:
        """Whether a backend has the called port; one that does not exist has not lost it, but fails."""
        service = world.services.get(choice.service)
        return service is None or service.port(choice.port, request.transport) is not None

    def endpoints(self, world: World, choice: Choice, request: Request) -> Endpoints:
        """The container ports behind the port of a Service: those of its ready pods."""
        service = world.services.get(choice.service)
        port = service.port(choice.port, request.transport) if service else None
        if service is None or port is None:
            return ()
        found = []
        for pod in world.pods_of(service):
            target = choice.target or (
                port.target if isinstance(port.target, int) else pod.named_ports.get(port.target)
            )
            if pod.ready and target:
                found.append(Endpoint(pod, target))
        return tuple(found)

    def shares(self, world: World, request: Request) -> Shares:
        """The share of each endpoint in requests like this one; that of None fails."""
        choices = self.choices(world, request) if request.client.meshed else (Choice(_root(request), request.port),)
        return share_out([(choice, self.endpoints(world, choice, request)) for choice in choices])


def share_out(places: list[tuple[Choice, Endpoints]]) -> Shares:
    """Weights to shares, evenly over the endpoints of each choice; what has no endpoint is None's."""
    total = sum(choice.weight for choice, _ in places)
    shares: defaultdict[Endpoint | None, float] = defaultdict(float)
    for choice, endpoints in places:
        for endpoint in endpoints or (None,):
            shares[endpoint] += float(choice.weight / total) / max(len(endpoints), 1)
    return dict(shares) or {None: 1.0}


def weight_of(backend: Backend) -> Decimal:
    """The value of a weight: a whole number, or a quantity such as 500m. What is none counts as 0."""
    try:
        return Decimal(backend.weight) if isinstance(backend.weight, int) else quantity(backend.weight)
    except ValueError:
        return Decimal(0)


def spiffe(account: Key) -> str:
    """The SPIFFE id of an account."""
    return f"spiffe://{TRUST_DOMAIN}/ns/{account.namespace}/sa/{account.name}"


def _root(request: Request) -> Key:
    assert request.service is not None
    return request.service.key
