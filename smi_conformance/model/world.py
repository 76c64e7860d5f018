"""The world of a mesh at one moment: pods, Services and SMI objects, free of API versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from smi_conformance.model.objects import (
    IdentityBinding,
    RouteGroup,
    SmiObject,
    Split,
    TcpRoute,
    TrafficTarget,
    UdpRoute,
)

Protocol = Literal["http", "tcp", "udp"]
T = TypeVar("T", bound=SmiObject)


class Key(NamedTuple):
    """Namespace and name of an object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Pod:
    """A pod that has an address.

    `listens` maps the ports of its echo server to what is spoken there (http, tcp, tcp-server-first, udp, ...).
    `owner` is the Deployment; `created` orders pods by age.
    """

    key: Key
    uid: str
    ip: str
    account: Key
    labels: Mapping[str, str] = field(default_factory=dict)
    meshed: bool = True
    ready: bool = True
    owner: str = ""
    created: int = 0
    named_ports: Mapping[str, int] = field(default_factory=dict)
    listens: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.uid)  # pragma: no mutate (any hash is right; this one is fast)

    def serves(self, protocol: str, port: int) -> str | None:
        """What is spoken at a port; None where nobody listens. `protocol` is tcp or udp."""
        return self.listens.get((protocol, port))


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service. `target` is a number or the name of a container port."""

    number: int
    protocol: Protocol
    target: int | str
    name: str = ""

    @property
    def transport(self) -> str:
        """tcp or udp."""
        return "udp" if self.protocol == "udp" else "tcp"


@dataclass(frozen=True)
class Service:
    """A Service; `address` is empty for headless ones and those of type ExternalName."""

    key: Key
    uid: str = ""
    address: str = ""
    selector: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[ServicePort, ...] = ()
    external: str = ""
    """The name that a Service of type ExternalName stands for."""

    def __hash__(self) -> int:
        return hash(self.key)  # pragma: no mutate (as above)

    def port(self, number: int, transport: str = "tcp") -> ServicePort | None:
        """The port of this number."""
        return next((p for p in self.ports if p.number == number and p.transport == transport), None)

    def selects(self, pod: Pod) -> bool:
        """Whether the pod is behind the Service, ready or not."""
        same = pod.key.namespace == self.key.namespace
        return bool(self.selector) and same and self.selector.items() <= pod.labels.items()


@dataclass(frozen=True)
class Placed(Generic[T]):
    """An SMI object where it stands; `created` orders objects by age."""

    key: Key
    thing: T
    uid: str = ""
    created: int = 0
    version: str = ""
    """The API version it was read in, such as v1alpha3."""


@dataclass(frozen=True)
class World:
    """All that a mesh knows at one moment. SMI objects and pods are in order of creation.

    `posture` deny: what is not granted is denied; permissive: access is not enforced.
    """

    pods: tuple[Pod, ...] = ()
    services: Mapping[Key, Service] = field(default_factory=dict)
    targets: tuple[Placed[TrafficTarget], ...] = ()
    groups: Mapping[Key, Placed[RouteGroup]] = field(default_factory=dict)
    tcp_routes: Mapping[Key, Placed[TcpRoute]] = field(default_factory=dict)
    udp_routes: Mapping[Key, Placed[UdpRoute]] = field(default_factory=dict)
    bindings: Mapping[Key, Placed[IdentityBinding]] = field(default_factory=dict)
    splits: tuple[Placed[Split], ...] = ()
    posture: str = "deny"

    def pods_of(self, service: Service) -> list[Pod]:
        """The pods that a Service selects, ready or not. Not to be changed."""
        if service not in self._selected:
            self._selected[service] = [pod for pod in self.pods if service.selects(pod)]
        return self._selected[service]

    @cached_property
    def _selected(self) -> dict[Service, list[Pod]]:
        return {}

    @cached_property
    def worked_out(self) -> dict[Any, Any]:
        """What anybody has found out about this world and may want to know again, by a key of their own."""
        return {}

    def accounts_of(self, service: Key) -> set[Key]:
        """The accounts of the pods that a Service selects; none for an unknown Service."""
        found = self.services.get(service)
        return {pod.account for pod in self.pods_of(found)} if found else set()

    @cached_property
    def by_ip(self) -> Mapping[str, Pod]:
        """Pods by their address."""
        return {pod.ip: pod for pod in self.pods if pod.ip}

    @cached_property
    def by_address(self) -> Mapping[str, Service]:
        """Services by their cluster IP."""
        return {service.address: service for service in self.services.values() if service.address}


def keyed(placed: Iterable[Placed[T]]) -> dict[Key, Placed[T]]:
    """Objects of one kind by their key."""
    return {one.key: one for one in placed}
