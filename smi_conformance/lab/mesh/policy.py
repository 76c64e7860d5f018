"""Access control: which client may send what to which port of a pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from smi_conformance.lab.mesh.model import (
    ANYONE,
    UNKNOWN,
    Account,
    Binding,
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

ROUTES = ("HTTPRouteGroup", "TCPRoute", "UDPRoute")


@dataclass(frozen=True)
class Grant:
    """What one TrafficTarget opens. `matches` None: it names no route group; `ports` None: all ports.

    With `tcp` false the target names no TCPRoute, so it opens no raw TCP and its HTTP routes hold on every port. `udp`
    are the ports that it opens to datagrams; None: all. `limit` is the only port that any of this holds on.
    """

    name: Name
    sources: tuple[str, ...]
    matches: tuple[HttpMatch, ...] | None
    ports: frozenset[int] | None
    tcp: bool
    udp: frozenset[int] | None = frozenset()
    limit: int | None = None


@dataclass(frozen=True)
class HttpRule:
    """A kind of request that is let through.

    `sources` and `except_sources` hold identities of pods, or prefixes that end in `*`; `addresses` limits the rule to
    client IPs. `percent` is the share of the fitting requests that the rule lets through.
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
    """Who may open connections to a TCP port; `plain`: without TLS as well; `seconds`: cut after that long.

    With `checked_late` the application is connected first, and the source checked when it sends something.
    """

    sources: tuple[str, ...] = ()
    plain: bool = False
    seconds: float = 0
    idle_seconds: float = 0
    checked_late: bool = False


@dataclass(frozen=True)
class Inbound:
    """What a pod's proxy lets in.

    A request has to fit a rule of every set in `http`. `plain` are the rules for requests without TLS; None refuses
    them. `governed` says whether any TrafficTarget has the pod as its destination. `udp` are the sources
    whose datagrams a port takes; ANYONE there is everybody.
    """

    pod: Pod
    http_ports: frozenset[int]
    http: tuple[tuple[HttpRule, ...], ...]
    tcp: Mapping[int, TcpPort]
    governed: bool
    plain: tuple[HttpRule, ...] | None = None
    plain_codec: str = "AUTO"
    open: bool = False
    udp: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

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
    grants = grants_for(state, pod)
    return Inbound(
        pod,
        http,
        (tuple(rule for grant in grants for rule in http_rules(grant)),),
        {number: TcpPort(tcp_sources(grants, number)) for number in tcp},
        governed=any(opens(state, target, pod) for target in state.targets),
        udp={number: udp_sources(grants, number) for number in udp_ports_of(state, pod)},
    )


def opens(state: State, target: Target, pod: Pod) -> bool:
    """Whether the pod is the destination of a TrafficTarget."""
    binding = state.bindings.get(target.binding) if target.binding else None
    return target.destination == pod.account or bool(binding and binding.binds(pod))


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


def udp_ports_of(state: State, pod: Pod) -> list[int]:
    """The container ports that Services give the pod for datagrams."""
    ports = [port for service in selecting(state, pod) for port in service.udp_ports.values()]
    return sorted({number for port in ports if (number := container_port(port, pod))})


def container_port(port: ServicePort, pod: Pod) -> int | None:
    """The number of the pod's port behind a Service port; None for a name the pod does not use."""
    return port.target if isinstance(port.target, int) else pod.named_ports.get(port.target)


def grants_for(state: State, pod: Pod) -> list[Grant]:
    """What all TrafficTargets open whose destination the pod is."""
    return [grant_of(state, target) for target in state.targets if opens(state, target, pod)]


def grants_of(state: State, account: Account) -> list[Grant]:
    """What all TrafficTargets for one account open."""
    return [grant_of(state, target) for target in state.targets if target.destination == account]


def grant_of(state: State, target: Target) -> Grant:
    """What one TrafficTarget opens; references that lead nowhere open nothing."""
    kinds = {rule.kind for rule in target.rules}
    return Grant(
        target.name,
        tuple(identities(state, target)),
        _matches(state, target) if "HTTPRouteGroup" in kinds else None,
        _ports(target, "TCPRoute", state.tcp_routes),
        "TCPRoute" in kinds,
        _ports(target, "UDPRoute", state.udp_routes),
        target.port,
    )


def identities(state: State, target: Target) -> list[str]:
    """Whom the sources of a TrafficTarget mean; an IdentityBinding that does not exist means nobody."""
    found = [account.spiffe for account in target.sources]
    for binding in (state.bindings[name] for name in target.bound_sources if name in state.bindings):
        found += [account.spiffe for account in binding.accounts]
        found += [pod.own_identity for pod in state.pods if pod.meshed and binding.selects(pod)]
    return list(dict.fromkeys(found))


def _matches(state: State, target: Target) -> tuple[HttpMatch, ...]:
    return tuple(
        match
        for rule in target.rules
        if rule.kind == "HTTPRouteGroup"
        for match in state.groups.get(Name(target.name.namespace, rule.name), ())
        if not rule.matches or match.name in rule.matches
    )


def _ports(target: Target, kind: str, known: Mapping[Name, frozenset[int] | None]) -> frozenset[int] | None:
    names = [Name(target.name.namespace, rule.name) for rule in target.rules if rule.kind == kind]
    routes = [known[name] for name in names if name in known]
    if any(ports is None for ports in routes):
        return None
    return frozenset(port for ports in routes for port in ports or ())


def http_rules(grant: Grant) -> list[HttpRule]:
    """With a TCPRoute beside route groups a request needs both; with a TCPRoute alone its ports are open to HTTP."""
    if not grant.sources:
        return []
    if grant.matches is None and not grant.tcp:
        return []
    ports = _within(grant.limit, grant.ports if grant.tcp else None)
    return [HttpRule(grant.sources, ports, match) for match in ((None,) if grant.matches is None else grant.matches)]


def _within(limit: int | None, ports: frozenset[int] | None) -> frozenset[int] | None:
    """The ports that are left of some, or of all."""
    if limit is None:
        return ports
    return frozenset({limit}) & ports if ports is not None else frozenset({limit})


def _covers(grant: Grant, ports: frozenset[int] | None, port: int) -> bool:
    left = _within(grant.limit, ports)
    return left is None or port in left


def tcp_sources(grants: list[Grant], port: int) -> tuple[str, ...]:
    """The clients whose raw TCP connections to a container port are let through."""
    opening = [grant for grant in grants if grant.tcp and _covers(grant, grant.ports, port)]
    return tuple(sorted({source for grant in opening for source in grant.sources}))


def udp_sources(grants: list[Grant], port: int) -> tuple[str, ...]:
    """The clients whose datagrams to a container port are let through."""
    opening = [grant for grant in grants if _covers(grant, grant.udp, port)]
    return tuple(sorted({source for grant in opening for source in grant.sources}))


def mistakes(state: State) -> list[Mistake]:
    """TrafficTargets that refer to something missing or unknown, or whose destination is in another namespace.

    IdentityBindings whose schemes exclude each other.
    """
    found = []
    for target in state.targets:
        about = _reference(target)
        if target.destination is None and target.binding is None:
            text = "the destination is no ServiceAccount or IdentityBinding of this namespace: nothing is granted"
            found.append(Mistake(about, "InvalidDestination", text))
        found += [Mistake(about, "UnknownKind", text) for text in _unknown(target)]
        found += [Mistake(about, "BindingNotFound", text) for text in _unbound(state, target)]
        found += [Mistake(about, "RouteNotFound", text) for text in _dangling(state, target)]
    text = "podLabelSelector and serviceAccount exclude each other; whoever fits one of them is bound"
    exclusive = [binding for binding in state.bindings.values() if binding.labels and binding.account]
    return found + [Mistake(_reference(binding), "ExclusiveSchemes", text) for binding in exclusive]


def _unknown(target: Target) -> list[str]:
    meant = "which the version of this object does not define: it means nothing"
    subjects = [target.strange_destination] if target.strange_destination else []
    named = [(subject.kind, subject.name.name) for subject in (*subjects, *target.strange_sources)]
    named += [(rule.kind, rule.name) for rule in target.rules if rule.kind not in ROUTES]
    return [f"{name} is of kind {kind.removeprefix(UNKNOWN)!r}, {meant}" for kind, name in named]


def _unbound(state: State, target: Target) -> list[str]:
    named = (*((target.binding,) if target.binding else ()), *target.bound_sources)
    return [
        f"IdentityBinding {name} does not exist and stands for nobody" for name in named if name not in state.bindings
    ]


def _reference(item: Target | Binding) -> dict[str, str]:
    is_target = isinstance(item, Target)
    return {
        "apiVersion": f"access.smi-spec.io/{'v1alpha3' if is_target else 'v1alpha4'}",
        "kind": "TrafficTarget" if is_target else "IdentityBinding",
        "namespace": item.name.namespace,
        "name": item.name.name,
        "uid": item.uid,
    }


def _dangling(state: State, target: Target) -> list[str]:
    texts = []
    for rule in target.rules:
        name = Name(target.name.namespace, rule.name)
        if name not in {"TCPRoute": state.tcp_routes, "UDPRoute": state.udp_routes}.get(rule.kind, (name,)):
            texts.append(f"{rule.kind} {rule.name} does not exist and grants nothing")
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
