"""What the mesh knows: the objects of the cluster it acts on, read once and immutable from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Json = dict[str, Any]
Protocol = Literal["http", "tcp"]

#: A source pattern that fits every client whose certificate the mesh signed; on a plain-text port: everybody.
ANYONE = "*"
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


@dataclass(frozen=True)
class ServicePort:
    """A TCP port of a Service; `target` is the container port's number or name."""

    number: int
    protocol: Protocol
    target: int | str
    endpoints: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Service:
    """A Service; `vip` is empty for headless ones."""

    name: Name
    uid: str
    vip: str
    selector: Mapping[str, str]
    ports: Mapping[int, ServicePort]

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
class Target:
    """A TrafficTarget; sources without a namespace are not among `sources`, for nothing says whom they mean."""

    name: Name
    uid: str
    destination: Account | None
    sources: tuple[Account, ...]
    rules: tuple[Rule, ...]


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
    """All the mesh knows at one moment; SMI objects are ordered by their creation."""

    pods: tuple[Pod, ...] = ()
    services: Mapping[Name, Service] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    groups: Mapping[Name, tuple[HttpMatch, ...]] = field(default_factory=dict)
    tcp_routes: Mapping[Name, frozenset[int] | None] = field(default_factory=dict)
    splits: tuple[Split, ...] = ()
    posture: str = "deny"
    mistakes: tuple[Mistake, ...] = ()

    def pods_of(self, service: Service) -> list[Pod]:
        """The pods a Service selects."""
        return [pod for pod in self.pods if service.selects(pod)]

    def accounts_of(self, service: Name) -> set[Account]:
        """The accounts of the pods a Service selects; empty for an unknown Service."""
        found = self.services.get(service)
        return {pod.account for pod in self.pods_of(found)} if found else set()
