"""Access control: which client may send what to which port of a pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from smi_conformance.lab.mesh.model import (
    ANYONE,
    Account,
    HttpMatch,
    Mistake,
    Name,
    Pod,
    Protocol,
    Service,
    ServicePort,
    State,
    Target,
)


@dataclass(frozen=True)
class Grant:
    """What one TrafficTarget opens. `matches` None: it names no route group; `ports` None: all ports.

    With `tcp` false the target names no TCPRoute, so it opens no raw TCP and its HTTP routes hold on every port.
    """

    name: Name
    sources: tuple[str, ...]
    matches: tuple[HttpMatch, ...] | None
    ports: frozenset[int] | None
    tcp: bool


@dataclass(frozen=True)
class HttpRule:
    """A kind of request that is let through.

    `sources` and `except_sources` hold SPIFFE IDs or prefixes that end in `*`; `addresses` limits the rule to client
    IPs. `percent` is the share of the fitting requests that the rule lets through.
    """

    sources: tuple[str, ...]
    ports: frozenset[int] | None = None
    request: HttpMatch | None = None
    except_sources: tuple[str, ...] = ()
    addresses: tuple[str, ...] | None = None
    protocol: str = ""
    percent: int = 100


@dataclass(frozen=True)
class TcpPort:
    """Who may open connections to a TCP port; `plain`: without TLS as well; `seconds`: cut after that long."""

    sources: tuple[str, ...] = ()
    plain: bool = False
    seconds: float = 0
    idle_seconds: float = 0


@dataclass(frozen=True)
class Inbound:
    """What a pod's proxy lets in.

    A request has to fit a rule of every set in `http`. `plain` are the rules for requests without TLS; None refuses
    them. `governed` says whether any TrafficTarget has the pod's account as its destination.
    """

    pod: Pod
    http_ports: frozenset[int]
    http: tuple[tuple[HttpRule, ...], ...]
    tcp: Mapping[int, TcpPort]
    governed: bool
    plain: tuple[HttpRule, ...] | None = None
    plain_codec: str = "AUTO"
    open: bool = False

    def with_rules(self, *rules: HttpRule) -> Inbound:
        """The same with rules added to the only set."""
        return replace(self, http=((*self.rules, *rules),))

    @property
    def rules(self) -> tuple[HttpRule, ...]:
        """All rules, whatever their set."""
        return tuple(rule for rules in self.http for rule in rules)


OPEN = HttpRule(sources=(ANYONE,))


def inbound(state: State, pod: Pod) -> Inbound:
    """What the pod lets in: in the permissive posture everything, whatever TrafficTargets say."""
    ports = ports_of(state, pod)
    http = frozenset(number for number, protocol in ports.items() if protocol == "http")
    tcp = [number for number, protocol in ports.items() if protocol == "tcp"]
    if state.posture == "permissive":
        opened = {number: TcpPort((ANYONE,), plain=True) for number in tcp}
        return Inbound(pod, http, ((OPEN,),), opened, governed=False, plain=(OPEN,), open=True)
    grants = grants_of(state, pod.account)
    return Inbound(
        pod,
        http,
        (tuple(rule for grant in grants for rule in http_rules(grant)),),
        {number: TcpPort(tcp_sources(grants, number)) for number in tcp},
        governed=is_governed(state, pod.account),
    )


def is_governed(state: State, account: Account) -> bool:
    """Whether any TrafficTarget has the account as its destination."""
    return any(target.destination == account for target in state.targets)


def ports_of(state: State, pod: Pod) -> dict[int, Protocol]:
    """The container ports that Services give the pod. If two disagree, HTTP wins, for it is judged more closely."""
    ports: dict[int, Protocol] = {}
    for service in state.services.values():
        if not service.selects(pod):
            continue
        for port in service.ports.values():
            number = container_port(port, pod)
            if number and ports.get(number) != "http":
                ports[number] = port.protocol
    return dict(sorted(ports.items()))


def container_port(port: ServicePort, pod: Pod) -> int | None:
    """The number of the pod's port behind a Service port; None for a name the pod does not use."""
    return port.target if isinstance(port.target, int) else pod.named_ports.get(port.target)


def grants_of(state: State, account: Account) -> list[Grant]:
    """What all TrafficTargets for one destination open."""
    return [grant_of(state, target) for target in state.targets if target.destination == account]


def grant_of(state: State, target: Target) -> Grant:
    """What one TrafficTarget opens; references that lead nowhere open nothing."""
    kinds = {rule.kind for rule in target.rules}
    return Grant(
        target.name,
        tuple(source.spiffe for source in target.sources),
        _matches(state, target) if "HTTPRouteGroup" in kinds else None,
        _tcp_ports(state, target),
        "TCPRoute" in kinds,
    )


def _matches(state: State, target: Target) -> tuple[HttpMatch, ...]:
    return tuple(
        match
        for rule in target.rules
        if rule.kind == "HTTPRouteGroup"
        for match in state.groups.get(Name(target.name.namespace, rule.name), ())
        if not rule.matches or match.name in rule.matches
    )


def _tcp_ports(state: State, target: Target) -> frozenset[int] | None:
    names = [Name(target.name.namespace, rule.name) for rule in target.rules if rule.kind == "TCPRoute"]
    routes = [state.tcp_routes[name] for name in names if name in state.tcp_routes]
    if any(ports is None for ports in routes):
        return None
    return frozenset(port for ports in routes for port in ports or ())


def http_rules(grant: Grant) -> list[HttpRule]:
    """With a TCPRoute beside route groups a request needs both; with a TCPRoute alone its ports are open to HTTP."""
    if not grant.sources:
        return []
    if grant.matches is None:
        return [HttpRule(grant.sources, grant.ports)] if grant.tcp else []
    ports = grant.ports if grant.tcp else None
    return [HttpRule(grant.sources, ports, match) for match in grant.matches]


def tcp_sources(grants: list[Grant], port: int) -> tuple[str, ...]:
    """The clients whose raw TCP connections to a container port are let through."""
    sources = {
        source
        for grant in grants
        if grant.tcp and (grant.ports is None or port in grant.ports)
        for source in grant.sources
    }
    return tuple(sorted(sources))


def mistakes(state: State) -> list[Mistake]:
    """TrafficTargets that refer to something missing, or whose destination is in another namespace."""
    found = []
    for target in state.targets:
        about = _reference(target)
        if target.destination is None:
            text = "the destination is no ServiceAccount of this namespace: nothing is granted"
            found.append(Mistake(about, "InvalidDestination", text))
        found += [Mistake(about, "RouteNotFound", text) for text in _dangling(state, target)]
    return found


def _reference(target: Target) -> dict[str, str]:
    return {
        "apiVersion": "access.smi-spec.io/v1alpha3",
        "kind": "TrafficTarget",
        "namespace": target.name.namespace,
        "name": target.name.name,
        "uid": target.uid,
    }


def _dangling(state: State, target: Target) -> list[str]:
    texts = []
    for rule in target.rules:
        name = Name(target.name.namespace, rule.name)
        if rule.kind == "TCPRoute" and name not in state.tcp_routes:
            texts.append(f"TCPRoute {rule.name} does not exist and grants nothing")
        if rule.kind == "HTTPRouteGroup":
            known = {match.name for match in state.groups.get(name, ())}
            missing = [match for match in rule.matches if match not in known]
            if name not in state.groups:
                texts.append(f"HTTPRouteGroup {rule.name} does not exist and grants nothing")
            elif missing:
                texts.append(f"HTTPRouteGroup {rule.name} has no match {', '.join(missing)}: nothing is granted for it")
    return texts


def selecting(state: State, pod: Pod) -> list[Service]:
    """The Services a pod is behind."""
    return [service for service in state.services.values() if service.selects(pod)]
