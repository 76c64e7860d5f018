"""Traffic splitting: where a client's proxy sends what is addressed to a Service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from smi_conformance.lab.mesh.model import (
    Account,
    HttpMatch,
    Mistake,
    Name,
    Service,
    ServicePort,
    Split,
    State,
)


@dataclass(frozen=True)
class Choice:
    """One possible destination: a port of a Service. `target` sends to that container port instead of its own."""

    service: Name
    port: int
    weight: int = 1
    target: int = 0


@dataclass(frozen=True)
class Branch:
    """The destinations of the requests that fit `match` (None: all). No choice with weight: nothing is healthy.

    `split` is the TrafficSplit that they come from.
    """

    choices: tuple[Choice, ...]
    match: HttpMatch | None = None
    percent: int = 100
    split: Name | None = None


@dataclass(frozen=True)
class VirtualPort:
    """A port of a Service as clients call it; `branches` are tried in order, the last one takes everything."""

    service: Service
    port: ServicePort
    branches: tuple[Branch, ...]
    split: Split | None = None


@dataclass(frozen=True)
class Outbound:
    """Where the calls of a client go: through Services, and directly to the addresses of meshed pods.

    `datagrams` are the UDP ports that are split; those of all other Services are left to Kubernetes.
    """

    ports: tuple[VirtualPort, ...]
    direct: Mapping[Account, tuple[str, ...]] = field(default_factory=dict)
    datagrams: tuple[VirtualPort, ...] = ()


def outbound(state: State) -> Outbound:
    """The same for every client. Services without meshed pods and without a split are none of the mesh's business."""
    meshed = [pod for pod in state.pods if pod.meshed]
    roots = roots_of(state)
    ports = []
    for service in state.services.values():
        split = roots.get(service.name)
        if service.vip and (split or any(service.selects(pod) for pod in meshed)):
            ports += [
                VirtualPort(service, port, branches_of(state, service, port, split), split)
                for port in service.ports.values()
            ]
    direct: dict[Account, tuple[str, ...]] = {}
    for pod in meshed:
        if pod.ip:
            direct[pod.account] = (*direct.get(pod.account, ()), pod.ip)
    return Outbound(tuple(ports), direct, datagrams(state))


def datagrams(state: State) -> tuple[VirtualPort, ...]:
    """The UDP ports of the roots of splits. A split with `matches` is about HTTP and leaves datagrams alone."""
    return tuple(
        VirtualPort(root, port, branches_of(state, root, port, split), split)
        for name, split in roots_of(state).items()
        if split.groups is None and (root := state.services.get(name)) and root.vip
        for port in root.udp_ports.values()
    )


def roots_of(state: State) -> dict[Name, Split]:
    """The split in force for each root: of several the one created first."""
    roots: dict[Name, Split] = {}
    for split in state.splits:
        roots.setdefault(split.root, split)
    return roots


def branches_of(state: State, root: Service, port: ServicePort, split: Split | None) -> tuple[Branch, ...]:
    """Without a split, or for what its matches leave out, the root's own selection serves."""
    own = Branch((Choice(root.name, port.number),))
    if split is None:
        return (own,)
    choices = tuple(
        Choice(Name(split.name.namespace, backend.service), port.number, backend.weight)
        for backend in split.backends
        if backend.weight and serves(state, split, backend.service, port.number, udp=port.protocol == "udp")
    )
    if split.groups is None:
        return (Branch(choices, split=split.name),)
    if port.protocol != "http":
        return (own,)
    return (*(Branch(choices, match, split=split.name) for match in matches_of(state, split)), own)


def serves(state: State, split: Split, backend: str, port: int, *, udp: bool = False) -> bool:
    """Whether the backend exists and has the called port."""
    service = state.services.get(Name(split.name.namespace, backend))
    return service is not None and port in (service.udp_ports if udp else service.ports)


def matches_of(state: State, split: Split) -> list[HttpMatch]:
    """The matches of all route groups of a split, as alternatives."""
    names = [Name(split.name.namespace, group) for group in split.groups or ()]
    return [match for name in names for match in state.groups.get(name, ())]


def mistakes(state: State) -> list[Mistake]:
    """Splits that name something missing, backends without the called port, or a root that is split before them."""
    roots = roots_of(state)
    found = []
    for split in state.splits:
        about = reference(split)
        found += [Mistake(about, reason, text) for reason, text in _wrong(state, split)]
        if roots[split.root] is not split:
            text = f"{split.root.name} is split by {roots[split.root].name.name} already: this split has no effect"
            found.append(Mistake(about, "RootSplitTwice", text))
    return found


def _wrong(state: State, split: Split) -> list[tuple[str, str]]:
    root, found = state.services.get(split.root), []
    if root is None:
        found.append(("RootNotFound", f"Service {split.root.name} does not exist: this split has no effect"))
    for backend in split.backends:
        if Name(split.name.namespace, backend.service) not in state.services:
            found.append(("BackendNotFound", f"backend {backend.service} does not exist and is left out"))
            continue
        missing = [
            str(port) for port in (root.ports if root else ()) if not serves(state, split, backend.service, port)
        ]
        missing += [
            f"{port}/UDP"
            for port in (root.udp_ports if root else ())
            if not serves(state, split, backend.service, port, udp=True)
        ]
        if missing:
            text = f"backend {backend.service} has no port {', '.join(missing)} and is left out there"
            found.append(("BackendWithoutPort", text))
    for group in split.groups or ():
        if Name(split.name.namespace, group) not in state.groups:
            found.append(("RouteNotFound", f"HTTPRouteGroup {group} does not exist and matches nothing"))
    return found


def reference(split: Split) -> dict[str, str]:
    """What an Event says of a split."""
    return {
        "apiVersion": "split.smi-spec.io/v1alpha4",
        "kind": "TrafficSplit",
        "namespace": split.name.namespace,
        "name": split.name.name,
        "uid": split.uid,
    }
