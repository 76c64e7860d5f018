"""SMI objects by their meaning, free of API versions; `render` writes them in one.

What is None or empty is left out of the manifest where the version allows it, and means what its absence
means.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceAccountRef:
    """A workload identity. Another `kind` than ServiceAccount is written as it is."""

    name: str
    namespace: str | None = None
    kind: str = "ServiceAccount"


@dataclass(frozen=True)
class HttpMatch:
    """Requests whose path, method and headers fit: regular expressions, for headers by their name."""

    name: str
    path_regex: str | None = None
    methods: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RouteGroup:
    """Requests that fit any of the matches."""

    matches: tuple[HttpMatch, ...]


@dataclass(frozen=True)
class TcpRoute:
    """TCP traffic to these ports of the Service; to all of them when there are none."""

    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class UdpRoute:
    """UDP traffic to these ports of the Service; to all of them when there are none."""

    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A reference to a route object by kind and name, for a route group to some of its matches or to all."""

    kind: str
    name: str
    matches: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrafficTarget:
    """Lets sources send to the destination what the rules say; `port` is that of access up to v1alpha2."""

    destination: ServiceAccountRef
    sources: tuple[ServiceAccountRef, ...]
    rules: tuple[Rule, ...]
    port: int | None = None


@dataclass(frozen=True)
class Backend:
    """A Service and its weight: a whole number, or a Kubernetes quantity such as "500m"."""

    service: str
    weight: int | str


@dataclass(frozen=True)
class Split:
    """Spreads what is sent to a root Service over backends; `matches` names route groups that limit it."""

    service: str
    backends: tuple[Backend, ...]
    matches: tuple[str, ...] = ()


@dataclass(frozen=True)
class IdentityBinding:
    """Workloads of its namespace that fit any of the schemes. Exists from access v1alpha4 on."""

    pod_labels: tuple[tuple[str, str], ...] = ()
    spiffe_ids: tuple[str, ...] = ()
    service_account: str | None = None


SmiObject = RouteGroup | TcpRoute | UdpRoute | TrafficTarget | Split | IdentityBinding
