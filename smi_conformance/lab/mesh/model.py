"""What the mesh knows: the objects of the cluster it acts on, read once and immutable from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Json = dict[str, Any]
Protocol = Literal["http", "tcp", "udp"]

#: A source pattern that fits every client whose certificate the mesh signed; on a plain-text port: everybody.
ANYONE = "*"
#: How a kind begins that the version of its object does not define.
UNKNOWN = "unknown "
TRUST_DOMAIN = "cluster.local"


class Name(NamedTuple):
    """Namespace and name of an object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Account(Name):
    """A ServiceAccount: the identity of a workload."""

    @property
    def spiffe(self) -> str:
        """The SPIFFE ID that certificates of the account carry."""
        return f"spiffe://{TRUST_DOMAIN}/ns/{self.namespace}/sa/{self.name}"


def pod_identity(pod: Name) -> str:
    """The DNS name of a pod's certificate. Names may hold dots, namespaces do not: no two pods share one."""
    return f"{pod.name}.{pod.namespace}.pod.smi-reference"


@dataclass(frozen=True)
class Pod:
    """A pod that has not ended. `ip` is empty until the network gave it one."""

    name: Name
    ip: str
    account: Account
    labels: Mapping[str, str]
    meshed: bool
    owner: str
    created: str
    restarts: int
    named_ports: Mapping[str, int]

    @property
    def own_identity(self) -> str:
        """The DNS name in the pod's certificate beside its account's SPIFFE ID: it tells pods of one account apart."""
        return pod_identity(self.name)

    @property
    def identities(self) -> tuple[str, str]:
        """What a rule may name to mean this pod."""
        return self.account.spiffe, self.own_identity


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service; `target` is the container port's number or name."""

    number: int
    protocol: Protocol
    target: int | str
    endpoints: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Service:
    """A Service; `vip` is empty for headless ones. `ports` are those of TCP."""

    name: Name
    uid: str
    vip: str
    selector: Mapping[str, str]
    ports: Mapping[int, ServicePort]
    udp_ports: Mapping[int, ServicePort] = field(default_factory=dict)

    def selects(self, pod: Pod) -> bool:
        """Whether the pod is behind this Service, ready or not."""
        same = pod.name.namespace == self.name.namespace
        return bool(self.selector) and same and self.selector.items() <= pod.labels.items()


@dataclass(frozen=True)
class HeaderFilter:
    """A condition on a header; `kind` is how the value is compared with `expression`."""

    name: str
    expression: str
    kind: Literal["regex", "exact", "contains", "absent"] = "regex"


@dataclass(frozen=True)
class HttpMatch:
    """One match of a route group. `path` is the expression as written, `pattern` what the whole path has to fit."""

    name: str = ""
    path: str = ""
    pattern: str = ""
    methods: tuple[str, ...] = ()
    headers: tuple[HeaderFilter, ...] = ()
    position: int = 0
    override_method: bool = False
    whole_url: str = ""


@dataclass(frozen=True)
class Rule:
    """A rule of a TrafficTarget; empty `matches` stands for all of the group."""

    kind: str
    name: str
    matches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """A destination or source as it was written. A kind that the version does not define begins with UNKNOWN."""

    kind: str
    name: Name


@dataclass(frozen=True)
class Target:
    """A TrafficTarget; sources without a namespace are not among `sources`, for nothing says whom they mean.

    `destination` is None where it is no ServiceAccount of the own namespace; `binding` is the IdentityBinding that is
    the destination instead. `port` limits everything that the target grants to that port. The kind of a rule that the
    version of the object does not define begins with UNKNOWN; subjects of such a kind are the strange ones.
    """

    name: Name
    uid: str
    destination: Account | None
    sources: tuple[Account, ...]
    rules: tuple[Rule, ...]
    binding: Name | None = None
    bound_sources: tuple[Name, ...] = ()
    port: int | None = None
    strange_destination: Subject | None = None
    strange_sources: tuple[Subject, ...] = ()


@dataclass(frozen=True)
class Binding:
    """An IdentityBinding: pods of its namespace that carry all `labels`, or whose account or SPIFFE ID is named.

    No labels select no pod; `account` is empty if there is none. SPIFFE IDs are without their scheme.
    """

    name: Name
    uid: str
    labels: Mapping[str, str]
    spiffe: tuple[str, ...]
    account: str

    def selects(self, pod: Pod) -> bool:
        """Whether the pod is in the namespace and has the labels."""
        same = pod.name.namespace == self.name.namespace
        return bool(self.labels) and same and self.labels.items() <= pod.labels.items()

    @property
    def accounts(self) -> list[Account]:
        """The accounts named, in whichever way. It says nothing about those of other namespaces."""
        namespace = self.name.namespace
        named = [Account(namespace, self.account)] if self.account else []
        own = f"{TRUST_DOMAIN}/ns/{namespace}/sa/"
        return named + [Account(namespace, one.removeprefix(own)) for one in self.spiffe if one.startswith(own)]

    def binds(self, pod: Pod) -> bool:
        """Whether the pod is one of those that are meant."""
        return self.selects(pod) or pod.account in self.accounts


@dataclass(frozen=True)
class Backend:
    """A backend of a split: a Service of the split's namespace and its weight."""

    service: str
    weight: int


@dataclass(frozen=True)
class Split:
    """A TrafficSplit; `groups` None means that all requests are split."""

    name: Name
    uid: str
    root: Name
    backends: tuple[Backend, ...]
    groups: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Mistake:
    """Something that a user wrote and that can have no effect; becomes an Event on the object."""

    object: Mapping[str, str]
    reason: str
    message: str


@dataclass(frozen=True)
class State:
    """All the mesh knows at one moment; SMI objects are ordered by their creation.

    `without_ports` are the TCPRoutes that leave their ports out, which stands for all ports as an empty list does.
    """

    pods: tuple[Pod, ...] = ()
    services: Mapping[Name, Service] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    groups: Mapping[Name, tuple[HttpMatch, ...]] = field(default_factory=dict)
    tcp_routes: Mapping[Name, frozenset[int] | None] = field(default_factory=dict)
    splits: tuple[Split, ...] = ()
    udp_routes: Mapping[Name, frozenset[int] | None] = field(default_factory=dict)
    without_ports: frozenset[Name] = frozenset()
    bindings: Mapping[Name, Binding] = field(default_factory=dict)
    posture: str = "deny"
    mistakes: tuple[Mistake, ...] = ()

    def pods_of(self, service: Service) -> list[Pod]:
        """The pods a Service selects."""
        return [pod for pod in self.pods if service.selects(pod)]

    def accounts_of(self, service: Name) -> set[Account]:
        """The accounts of the pods a Service selects; empty for an unknown Service."""
        found = self.services.get(service)
        return {pod.account for pod in self.pods_of(found)} if found else set()
