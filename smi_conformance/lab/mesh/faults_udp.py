"""Defects of UDP: in what TrafficTargets with UDPRoutes open, and in the splitting of flows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from smi_conformance.lab.mesh.envoy import Resources
from smi_conformance.lab.mesh.faults_tcp import opened_to, regranted, together, with_ports, without
from smi_conformance.lab.mesh.model import ANYONE, Json, Pod, State
from smi_conformance.lab.mesh.policy import Grant, Inbound
from smi_conformance.lab.mesh.splits import Outbound
from smi_conformance.lab.mesh.switchboard import fault

NONE: frozenset[int] = frozenset()


def agent_is_told(name: str, change: Callable[[Json], Json]) -> Callable[[Resources, State, Pod], Resources]:
    """What the sidecars' agents get under a name, and something more."""

    def told(resources: Resources, _state: State, _pod: Pod) -> Resources:
        items = [item | change(item) if item["name"] == name else item for item in resources.datagrams]
        return replace(resources, datagrams=items)

    return told


@fault("TA-012/udp-bypasses-mesh", "every datagram is let in", "inbound")
def udp_bypasses_mesh(inbound: Inbound, _state: State) -> Inbound:
    return replace(inbound, udp=dict.fromkeys(inbound.udp, (ANYONE,)))


@fault("TA-012/udproute-ignored", "rules of kind UDPRoute are ignored", "state")
def udproute_ignored(state: State) -> State:
    return without(state, lambda rule, _rules: rule.kind == "UDPRoute")


@fault("TA-012/any-source-admitted", "a port that a UDPRoute opens is open to everybody", "inbound")
def any_source_admitted(inbound: Inbound, _state: State) -> Inbound:
    return replace(inbound, udp={port: (ANYONE,) if sources else () for port, sources in inbound.udp.items()})


reply_flow_opens_port = fault(
    "TA-012/reply-flow-opens-port", "a port that took a datagram is open to everybody until a policy changes", "proxy"
)(agent_is_told("inbound", lambda _item: {"remembering": True}))


@fault("TA-104/udp-ports-from-tcproute", "beside a TCPRoute, a UDPRoute opens the ports of the TCPRoute", "inbound")
def udp_ports_from_tcproute(inbound: Inbound, state: State) -> Inbound:
    def taken(grant: Grant) -> Grant:
        return replace(grant, udp=grant.ports) if grant.tcp and grant.udp != NONE else grant

    return regranted(inbound, state, taken)


@fault("TA-104/protocol-ignored", "a TCPRoute opens its ports to UDP too, and a UDPRoute to raw TCP", "inbound")
def protocol_ignored(inbound: Inbound, state: State) -> Inbound:
    def both(grant: Grant) -> Grant:
        ports = together(grant.ports, grant.udp)
        return replace(grant, tcp=grant.tcp or grant.udp != NONE, ports=ports, udp=ports)

    return regranted(inbound, state, both)


@fault("TA-104/last-port-lost", "of several ports of a TCPRoute or UDPRoute the highest stays closed", "state")
def last_port_lost(state: State) -> State:
    def all_but_last(ports: list[int]) -> Iterable[int]:
        return ports[:-1] or ports

    tcp, udp = with_ports(state.tcp_routes, all_but_last), with_ports(state.udp_routes, all_but_last)
    return replace(state, tcp_routes=tcp, udp_routes=udp)


@fault("TA-109/http-policy-opens-udp", "a TrafficTarget that names route groups only opens every UDP port", "inbound")
def http_policy_opens_udp(inbound: Inbound, state: State) -> Inbound:
    def opening(grant: Grant) -> Grant:
        return replace(grant, udp=None) if grant.matches is not None and not grant.tcp and grant.udp == NONE else grant

    return regranted(inbound, state, opening)


@fault("TA-109/udp-unfiltered-after-grant", "a source of any TrafficTarget may send to every UDP port", "inbound")
def udp_unfiltered_after_grant(inbound: Inbound, state: State) -> Inbound:
    return regranted(inbound, state, lambda grant: replace(grant, udp=None))


@fault("TS-072/ports-ignored", "a UDPRoute with ports stands for all ports", "state")
def udp_ports_ignored(state: State) -> State:
    return replace(state, udp_routes=dict.fromkeys(state.udp_routes))


replies_dropped = fault("TS-072/replies-dropped", "answers from granted UDP ports get lost", "proxy")(
    agent_is_told("inbound", lambda item: {"mute": sorted({port for _, port in item["granted"]})})
)


@fault("TS-072/second-port-lost", "of two ports of a UDPRoute only the lower one is opened", "state")
def second_port_lost(state: State) -> State:
    lost = with_ports(state.udp_routes, lambda ports: ports[:1] if len(ports) == 2 else ports)
    return replace(state, udp_routes=lost)


@fault("TS-074/empty-matches-none", "a UDPRoute without ports opens none", "state")
def empty_udp_matches_none(state: State) -> State:
    return replace(state, udp_routes={name: ports or NONE for name, ports in state.udp_routes.items()})


@fault("TS-074/first-port-only", "a UDPRoute without ports opens the lowest port only", "inbound")
def first_udp_port_only(inbound: Inbound, state: State) -> Inbound:
    first = frozenset(sorted(inbound.udp)[:1])
    return regranted(inbound, state, lambda grant: replace(grant, udp=first) if grant.udp is None else grant)


@fault("TS-074/empty-opens-tcp", "a UDPRoute without ports opens every port to raw TCP as well", "inbound")
def empty_udp_opens_tcp(inbound: Inbound, state: State) -> Inbound:
    return opened_to(inbound, state, lambda grant: grant.udp is None)


@fault("TA-114/udproute-opens-tcp", "a UDPRoute opens its ports to raw TCP as well", "inbound")
def udproute_opens_tcp(inbound: Inbound, state: State) -> Inbound:
    def opening(grant: Grant) -> Grant:
        return replace(grant, tcp=grant.tcp or grant.udp != NONE, ports=together(grant.ports, grant.udp))

    return regranted(inbound, state, opening)


@fault("TA-114/udproute-drops-tcproute", "beside a UDPRoute the TCPRoutes of a TrafficTarget are ignored", "state")
def udproute_drops_tcproute(state: State) -> State:
    def dropped(kind: str, kinds: set[str]) -> bool:
        return kind == "TCPRoute" and "UDPRoute" in kinds

    return without(state, lambda rule, rules: dropped(rule.kind, {other.kind for other in rules}))


@fault("SP-092/udp-root-balance", "flows keep the root's own balance", "outbound")
def udp_root_balance(outbound: Outbound, _state: State) -> Outbound:
    return replace(outbound, datagrams=())


udp_per_datagram = fault("SP-092/udp-per-datagram", "every datagram to a split root is sent by weight anew", "proxy")(
    agent_is_told("outbound", lambda _item: {"per_datagram": True})
)
