"""Defects of raw TCP: in what TrafficTargets with TCPRoutes open, and in the splitting of connections."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from smi_conformance.lab.mesh import envoy, envoy_inbound, envoy_outbound, policy
from smi_conformance.lab.mesh.envoy import Resources
from smi_conformance.lab.mesh.faults_access import with_tcp
from smi_conformance.lab.mesh.faults_split import own_selection, target_of, with_split_choices, with_splits
from smi_conformance.lab.mesh.faults_versions import BEFORE_SPEC, body
from smi_conformance.lab.mesh.model import ANYONE, Json, Name, Pod, Rule, State
from smi_conformance.lab.mesh.policy import Grant, HttpRule, Inbound, TcpPort
from smi_conformance.lab.mesh.splits import Choice, Outbound, VirtualPort
from smi_conformance.lab.mesh.switchboard import fault

#: A server name beside the proxies' usual one, and how names of chains and clusters end that use it.
RAW, RAW_END = "raw.smi-reference.mesh", "|raw"
HTTP = ("http/1.0", "http/1.1", "h2c")
Routes = Mapping[Name, frozenset[int] | None]
NONE: frozenset[int] = frozenset()


def regranted(inbound: Inbound, state: State, change: Callable[[Grant], Grant]) -> Inbound:
    """The same pod with other grants for raw TCP and UDP; HTTP stays as it is."""
    if inbound.open:
        return inbound
    grants = [change(grant) for grant in policy.grants_for(state, inbound.pod)]
    tcp = {port: replace(rule, sources=policy.tcp_sources(grants, port)) for port, rule in inbound.tcp.items()}
    return replace(inbound, tcp=tcp, udp={port: policy.udp_sources(grants, port) for port in inbound.udp})


def opened_to(inbound: Inbound, state: State, which: Callable[[Grant], bool]) -> Inbound:
    """The same pod, with every port open to raw TCP for the sources of some of its grants."""
    return regranted(inbound, state, lambda grant: replace(grant, tcp=True, ports=None) if which(grant) else grant)


def together(one: frozenset[int] | None, other: frozenset[int] | None) -> frozenset[int] | None:
    """The ports of both; None stands for all."""
    return None if one is None or other is None else one | other


def with_ports(routes: Routes, change: Callable[[list[int]], Iterable[int]]) -> Routes:
    """The same routes with other ports, which come in order; those for all ports stay."""
    return {name: frozenset(change(sorted(ports))) if ports else ports for name, ports in routes.items()}


def without(state: State, dropped: Callable[[Rule, Sequence[Rule]], bool]) -> State:
    """The same TrafficTargets without some of their rules."""
    targets = (replace(t, rules=tuple(rule for rule in t.rules if not dropped(rule, t.rules))) for t in state.targets)
    return replace(state, targets=tuple(targets))


def opened_by_port(rule: HttpRule) -> bool:
    """Whether the rule stands for a TCPRoute alone, which has nothing to say of requests."""
    return rule.request is None


@fault("TA-102/http-on-granted-port-denied", "a TCPRoute alone opens no port to HTTP", "inbound")
def http_on_granted_port_denied(inbound: Inbound, _state: State) -> Inbound:
    if inbound.open:
        return inbound
    return replace(inbound, http=tuple(tuple(r for r in rules if not opened_by_port(r)) for rules in inbound.http))


@fault("TA-102/http-admitted-on-all-ports", "a TCPRoute alone opens every port to HTTP", "inbound")
def http_admitted_on_all_ports(inbound: Inbound, _state: State) -> Inbound:
    def wider(rule: HttpRule) -> HttpRule:
        return replace(rule, ports=None) if opened_by_port(rule) and rule.ports != NONE else rule

    return replace(inbound, http=tuple(tuple(map(wider, rules)) for rules in inbound.http))


@fault("TA-103/http-policy-opens-tcp", "a TrafficTarget that names route groups only opens every TCP port", "inbound")
def http_policy_opens_tcp(inbound: Inbound, state: State) -> Inbound:
    return opened_to(inbound, state, lambda grant: grant.matches is not None and not grant.tcp and grant.udp == NONE)


@fault("TA-103/no-tcproute-means-all-ports", "a TrafficTarget without TCPRoute opens every TCP port", "inbound")
def no_tcproute_means_all_ports(inbound: Inbound, state: State) -> Inbound:
    return opened_to(inbound, state, lambda grant: not grant.tcp)


def granted_ports(inbound: Inbound, change: Callable[[TcpPort], TcpPort]) -> Inbound:
    """The same with other TCP ports, as far as a TCPRoute opens them."""
    return with_tcp(inbound, lambda _place, port: change(port) if port.sources else port)


@fault("TA-106/http-only-identity", "a TCP port that a TCPRoute opens is open to everybody", "inbound")
def http_only_identity(inbound: Inbound, _state: State) -> Inbound:
    return granted_ports(inbound, lambda port: replace(port, sources=(ANYONE,), plain=True))


@fault("TA-106/any-meshed-client", "a TCP port that a TCPRoute opens is open to the whole mesh", "inbound")
def any_meshed_client(inbound: Inbound, _state: State) -> Inbound:
    return granted_ports(inbound, lambda port: replace(port, sources=(ANYONE,)))


@fault("TA-106/banner-leaks", "the server of a granted TCP port is connected before the source is checked", "inbound")
def banner_leaks(inbound: Inbound, _state: State) -> Inbound:
    return granted_ports(inbound, lambda port: replace(port, checked_late=True))


@fault("TA-106/plain-tcp-accepted", "a TCP port that a TCPRoute opens takes plain TCP as well", "inbound")
def plain_tcp_accepted(inbound: Inbound, _state: State) -> Inbound:
    return granted_ports(inbound, lambda port: replace(port, plain=True))


@fault("TA-103/non-http-bytes-pass", "on HTTP ports, bytes that are not HTTP pass", "proxy")
def non_http_bytes_pass(resources: Resources, state: State, _pod: Pod) -> Resources:
    """The client's proxy tells them apart and gives them another server name, by which the server's knows them."""
    for listener in resources.listeners:
        outbound = listener["name"] == "outbound"
        extra = _raw_out(listener, resources, state) if outbound else list(map(_raw_in, _http_chains(listener)))
        listener["filter_chains"] = [*listener["filter_chains"], *extra]
    return resources


def _http_chains(listener: Json) -> list[Json]:
    chains = [chain for chain in listener["filter_chains"] if any(f["name"] == "http" for f in chain["filters"])]
    return [chain for chain in chains if "transport_socket" in chain]


def _raw_in(chain: Json) -> Json:
    match = chain["filter_chain_match"] | {"server_names": [RAW]}
    return chain | {
        "name": chain["name"] + RAW_END,
        "filter_chain_match": match,
        "filters": [envoy_inbound.to_application()],
    }


def _raw_out(listener: Json, resources: Resources, state: State) -> list[Json]:
    inspector = envoy.named("http_inspector", "extensions.filters.listener.http_inspector.v3.HttpInspector")
    listener["listener_filters"] = [*listener["listener_filters"], inspector]
    listener["continue_on_listener_filters_timeout"] = True
    known = {cluster["name"]: cluster for cluster in resources.clusters}
    made = {name: chain for name, chain in _http_ports(listener, state).items() if name in known}
    resources.clusters += [_raw_cluster(known[name]) for name in made]
    for name, (chosen, port) in made.items():
        chosen[port] = _by_protocol(name)
    return [{"name": name + RAW_END, "filters": [envoy.tcp_proxy(cluster=name + RAW_END)]} for name in made]


def _http_ports(listener: Json, state: State) -> dict[str, tuple[Json, str]]:
    """By the name of its cluster, where the listener chooses the chain of each HTTP port of a Service."""
    by_address = _choices(listener["filter_chain_matcher"])
    return {
        envoy_outbound.cluster_name(Choice(service.name, port.number)): (
            _choices(by_address[service.vip]["matcher"]),
            str(port.number),
        )
        for service in state.services.values()
        for port in service.ports.values()
        if port.protocol == "http" and service.vip in by_address
    }


def _choices(matcher: Json) -> Json:
    made: Json = matcher["matcher_tree"]["exact_match_map"]["map"]
    return made


def _by_protocol(name: str) -> Json:
    http = envoy_outbound.use_chain(envoy_outbound.HTTP_CHAIN)
    made = envoy_outbound.by_input("ApplicationProtocolInput", {f"'{p}'": http for p in HTTP})
    made["matcher"]["on_no_match"] = envoy_outbound.use_chain(name + RAW_END)
    return made


def _raw_cluster(cluster: Json) -> Json:
    text = json.dumps(cluster | {"name": cluster["name"] + RAW_END}).replace(f'"{envoy.SERVER_NAME}"', f'"{RAW}"')
    made: Json = json.loads(text)
    return made


@fault(
    "TA-108/tcproute-ignored", "before v1alpha3, rules of kind TCPRoute are ignored", "convert", versions=BEFORE_SPEC
)
def tcproute_ignored(item: Json, _written: Json) -> Json:
    if item["kind"] == "TrafficTarget":
        fields = body(item)
        fields["rules"] = [rule for rule in fields.get("rules", ()) if rule["kind"] != "TCPRoute"]
    return item


@fault("TA-108/port-ignored-for-tcp", "destination.port limits no raw TCP", "inbound")
def port_ignored_for_tcp(inbound: Inbound, state: State) -> Inbound:
    return regranted(inbound, state, lambda grant: replace(grant, limit=None))


@fault("TA-108/empty-tcproute-grants-nothing", "a TCPRoute that names no ports opens none", "state")
def empty_tcproute_grants_nothing(state: State) -> State:
    return replace(state, tcp_routes={name: ports or NONE for name, ports in state.tcp_routes.items()})


@fault("SP-060/root-target-port-applied-to-tcp", "backends get TCP on the root's own targetPort", "outbound")
def root_target_port_applied_to_tcp(outbound: Outbound, state: State) -> Outbound:
    def shared(port: VirtualPort, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        target = target_of(state, Choice(port.service.name, port.port.number))
        return tuple(replace(choice, target=target) for choice in choices)

    return with_tcp_choices(outbound, shared)


def with_tcp_choices(
    outbound: Outbound, change: Callable[[VirtualPort, tuple[Choice, ...]], tuple[Choice, ...]]
) -> Outbound:
    """The same with other destinations of TCP connections that are split."""

    def tcp_only(port: VirtualPort, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        return change(port, choices) if port.port.protocol == "tcp" else choices

    return with_split_choices(outbound, tcp_only)


@fault("SP-089/tcp-root-balance", "TCP connections keep the root's own balance", "outbound")
def tcp_root_balance(outbound: Outbound, _state: State) -> Outbound:
    def own(port: VirtualPort) -> VirtualPort:
        return replace(port, branches=(own_selection(port),)) if port.port.protocol == "tcp" else port

    return with_splits(outbound, own)


@fault("SP-089/tcp-first-backend-only", "all TCP connections go to the first backend with weight", "outbound")
def tcp_first_backend_only(outbound: Outbound, _state: State) -> Outbound:
    return with_tcp_choices(outbound, lambda _port, choices: choices[:1])


@fault("SP-089/tcp-weights-ignored", "TCP connections are shared equally by the backends with weight", "outbound")
def tcp_weights_ignored(outbound: Outbound, _state: State) -> Outbound:
    return with_tcp_choices(outbound, lambda _port, choices: tuple(replace(c, weight=1) for c in choices))
