"""Defects in ports and protocols: HTTP beside TCP and UDP (TA-012, TA-080, TA-081, TA-100 to TA-114)."""

from __future__ import annotations

from dataclasses import replace

from smi_conformance.cluster.model.access_edits import (
    GROUP,
    TCP,
    UDP,
    as_listed,
    destination_of,
    each_rule,
    first_service,
    for_pod,
    granting_all,
    http_ports,
    listed,
    on_any_port,
    only,
    with_rules,
)
from smi_conformance.cluster.model.edits import Manifest, Target, with_policy, with_ports, with_targets
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.switchboard import ADMISSION, CRD, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.objects import TcpRoute, UdpRoute
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Placed, Pod, World

OLD = ("v1alpha1", "v1alpha2")


def names(target: Target, kind: str) -> bool:
    """Whether a TrafficTarget has a rule of this kind."""
    return any(rule.kind == kind for rule in target.thing.rules)


# destination.port


@fault("TA-080/port-ignored", "destination.port is ignored", WORLD)
def port_ignored(world: World) -> World:
    return with_policy(world, lambda thing: replace(thing, port=None))


@fault("TA-080/one-service-only", "destination.port counts for the first Service of the pods only", ADMISSION)
def port_of_one_service(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    first = request.service == first_service(world, pod)
    return inner(world if first else port_ignored(world), request, pod, port)


@fault("TA-080/second-target-port-ignored", "the second TrafficTarget has the port of the first", WORLD)
def second_port_from_first(world: World) -> World:
    def same(targets: list[Target]) -> list[Target]:
        return [replace(t, thing=replace(t.thing, port=targets[0].thing.port)) for t in targets]

    ports = {t.uid: t for d in {destination_of(t) for t in world.targets} for t in same(_of(world, d))}
    return with_targets(world, lambda t: ports[t.uid])


def _of(world: World, destination: object) -> list[Target]:
    return [target for target in world.targets if destination_of(target) == destination]


@fault("TA-081/first-port-only", "without destination.port the first HTTP port is open", ADMISSION)
def first_port_only(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    limited = only(world, *(target for target in world.targets if target.thing.port))
    return inner(world if port == min(http_ports(pod), default=port) else limited, request, pod, port)


@fault("TA-081/missing-read-as-zero", "without destination.port no port is open", WORLD)
def missing_port_is_zero(world: World) -> World:
    return with_policy(world, lambda thing: replace(thing, port=thing.port or 0))


@fault("TA-081/missing-refused", "the API demands destination.port", CRD)
def missing_port_refused(crd: Manifest) -> Manifest:
    for version in crd["spec"]["versions"] if crd["spec"]["names"]["kind"] == "TrafficTarget" else ():
        schema = version["schema"]["openAPIV3Schema"]
        destination = schema["properties"].get("spec", schema)["properties"]["destination"]
        if "port" in destination["properties"]:
            destination["required"] = [*destination["required"], "port"]
    return crd


# HTTP and TCPRoutes


@fault("TA-100/rules-are-alternatives", "a request has to fit any one of the rules", ADMISSION)
def rules_are_alternatives(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    most = max((len(target.thing.rules) for target in world.targets), default=0)
    each = [with_rules(world, lambda t, n=n: t.thing.rules[n : n + 1]) for n in range(most)]  # type: ignore[misc]
    return any(inner(one, request, pod, port) for one in each)


@fault("TA-100/order-dependent", "port and route are both needed where the TCPRoute is listed first", ADMISSION)
def order_dependent(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    loose = only(world, *(t for t in world.targets if names(t, TCP) and t.thing.rules[0].kind != TCP))
    return inner(world, request, pod, port) or rules_are_alternatives(inner, loose, request, pod, port)


@fault("TA-100/http-routes-ignored", "beside a TCPRoute route groups do not count", WORLD)
def http_routes_ignored(world: World) -> World:
    return each_rule(world, lambda t, rule: None if names(t, TCP) else rule)


@fault("TA-101/denied-without-tcproute", "without a TCPRoute HTTP is denied", WORLD)
def denied_without_tcproute(world: World) -> World:
    return with_targets(world, lambda t: t if names(t, TCP) else None)


@fault("TA-101/first-port-only", "without a TCPRoute the first HTTP port is open", ADMISSION)
def first_http_port_only(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    first = request.protocol != "http" or port == min(http_ports(pod), default=port)
    return inner(world if first else denied_without_tcproute(world), request, pod, port)


@fault("TA-101/new-port-missed", "a port that no Service had at first is not granted", ADMISSION)
class NewPortMissed:
    """Remembers the ports of a pod that Services had when a TrafficTarget appeared."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], set[int | str]] = {}

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        exposed = {p.target for service in world.services.values() if service.selects(pod) for p in service.ports}
        for target in for_pod(world, pod):
            self._known.setdefault((target.uid, pod.uid), exposed)
        knowing = [t for t in for_pod(world, pod) if port in self._known[t.uid, pod.uid]]
        return inner(only(world, *knowing), request, pod, port)


@fault("TA-102/http-on-granted-port-denied", "a TCPRoute alone does not admit HTTP", ADMISSION)
def http_by_tcproute_denied(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    with_groups = only(world, *(target for target in world.targets if names(target, GROUP)))
    return inner(with_groups if request.protocol == "http" else world, request, pod, port)


@fault("TA-102/http-admitted-on-all-ports", "a TCPRoute alone admits HTTP on every port", ADMISSION)
def http_by_tcproute_anywhere(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    alone = only(world, *(target for target in world.targets if not names(target, GROUP)))
    wide = request.protocol == "http" and on_any_port(inner, alone, request, pod)
    return inner(world, request, pod, port) or wide


# Raw TCP


@fault("TA-103/http-policy-opens-tcp", "HTTP routes open every TCP port", ADMISSION)
@fault("TA-103/no-tcproute-means-all-ports", "without a TCPRoute all TCP ports are open", ADMISSION)
def http_policy_opens_tcp(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    """Two reasons for the same: what has HTTP routes and no TCPRoute lets TCP through."""
    wide = granting_all(world, lambda t: names(t, GROUP) and not names(t, TCP), (TCP,))
    return inner(world, request, pod, port) or (request.protocol == "tcp" and inner(wide, request, pod, port))


@fault("TA-103/non-http-bytes-pass", "a source of HTTP may send anything to an HTTP port", ADMISSION)
def non_http_bytes_pass(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    on_http = request.protocol == "tcp" and port in http_ports(pod)
    return (on_http and http_policy_opens_tcp(inner, world, request, pod, port)) or inner(world, request, pod, port)


@fault("TA-106/http-only-identity", "TCP that is granted to one client is granted to all", ADMISSION)
def http_only_identity(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    anyone = request.protocol == "tcp" and as_listed(inner, world, request, pod, port)
    return inner(world, request, pod, port) or anyone


@fault("TA-106/any-meshed-client", "TCP that is granted to one client is granted to the mesh", ADMISSION)
def any_meshed_client(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    meshed = request.identity is not None and http_only_identity(inner, world, request, pod, port)
    return inner(world, request, pod, port) or meshed


@fault("TA-106/plain-tcp-accepted", "who calls a pod by its address needs no identity for TCP", ADMISSION)
def plain_tcp_accepted(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    plain = request.identity is None and request.by == "pod IP"
    return inner(world, request, pod, port) or (plain and http_only_identity(inner, world, request, pod, port))


@fault("TA-106/reused-connection-pool", "once a TCP connection was let in others follow through it", ADMISSION)
class ReusedPool:
    """Remembers the ports to which a connection is open."""

    def __init__(self) -> None:
        self._open: set[tuple[str, int]] = set()

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        if request.protocol != "tcp":
            return inner(world, request, pod, port)
        if inner(world, request, pod, port):
            self._open.add((pod.uid, port))
        return (pod.uid, port) in self._open


@fault("TA-106/banner-leaks", "a server's greeting is passed on before the decision", "proxy")
def banner_leaks(inner: Carry, exchange: Exchange) -> Answer:
    answer = inner(exchange)
    return Answer("greeted") if exchange.step.greeting and answer.outcome != "answer" else answer


@fault("TA-108/tcproute-ignored", "rules of kind TCPRoute are ignored", WORLD)
def tcproute_ignored(world: World) -> World:
    return each_rule(world, lambda _target, _rule: None, TCP)


@fault("TA-108/port-ignored-for-tcp", "destination.port does not count for TCP", ADMISSION)
def port_ignored_for_tcp(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(port_ignored(world) if request.protocol == "tcp" else world, request, pod, port)


@fault("TA-108/empty-tcproute-grants-nothing", "a TCPRoute without ports grants nothing", WORLD)
def empty_tcproute_grants_nothing(world: World) -> World:
    return replace(world, tcp_routes={key: route for key, route in world.tcp_routes.items() if route.thing.ports})


# UDP


@fault("TA-012/udp-bypasses-mesh", "UDP passes the mesh by", ADMISSION)
def udp_bypasses(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return request.protocol == "udp" or inner(world, request, pod, port)


@fault("TA-012/udproute-ignored", "UDPRoutes are ignored", WORLD)
def udproute_ignored(world: World) -> World:
    return replace(world, udp_routes={})


@fault("TA-012/any-source-admitted", "UDP that is granted to one client is granted to all", ADMISSION)
def any_udp_source(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    anyone = request.protocol == "udp" and as_listed(inner, world, request, pod, port)
    return inner(world, request, pod, port) or anyone


@fault("TA-012/reply-flow-opens-port", "a UDP port stays open after the first datagram", ADMISSION)
class ReplyFlowOpensPort:
    """Remembers the ports that datagrams have reached."""

    def __init__(self) -> None:
        self._open: set[tuple[str, int]] = set()

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        if request.protocol != "udp":
            return inner(world, request, pod, port)
        if inner(world, request, pod, port):
            self._open.add((pod.uid, port))
        return (pod.uid, port) in self._open


def swapped(world: World) -> World:
    """The world with TCPRoutes and UDPRoutes changed for each other."""
    kinds = {TCP: UDP, UDP: TCP}
    tcp_routes = {key: Placed(key, TcpRoute(route.thing.ports)) for key, route in world.udp_routes.items()}
    udp_routes = {key: Placed(key, UdpRoute(route.thing.ports)) for key, route in world.tcp_routes.items()}
    changed = with_rules(world, lambda t: (replace(r, kind=kinds.get(r.kind, r.kind)) for r in t.thing.rules))
    return replace(changed, tcp_routes=tcp_routes, udp_routes=udp_routes)


@fault("TA-104/udp-ports-from-tcproute", "the ports of TCPRoutes are open for UDP, too", ADMISSION)
def udp_ports_from_tcproute(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    from_tcp = request.protocol == "udp" and inner(swapped(world), request, pod, port)
    return inner(world, request, pod, port) or from_tcp


@fault("TA-104/protocol-ignored", "a port is open for TCP and UDP whichever route names it", ADMISSION)
def protocol_ignored(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or inner(swapped(world), request, pod, port)


@fault("TA-104/last-port-lost", "the last of several ports of a route stays closed", WORLD)
def last_port_lost(world: World) -> World:
    def cut(ports: tuple[int, ...]) -> tuple[int, ...]:
        return ports[:-1] if len(ports) > 1 else ports

    return with_ports(with_ports(world, cut), cut, "udp")


@fault("TA-109/http-policy-opens-udp", "HTTP routes open every UDP port", ADMISSION)
def http_policy_opens_udp(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    as_tcp = replace(request, protocol="tcp")
    wide = granting_all(world, lambda t: names(t, GROUP) and not names(t, UDP), (TCP,))
    return inner(world, request, pod, port) or (request.protocol == "udp" and inner(wide, as_tcp, pod, port))


@fault("TA-109/udp-unfiltered-after-grant", "a client that any grant lists may send UDP anywhere", ADMISSION)
def udp_unfiltered(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    known = request.protocol == "udp" and request.identity in listed(world)
    return inner(world, request, pod, port) or known


@fault("TA-114/udproute-opens-tcp", "the ports of UDPRoutes are open for TCP, too", ADMISSION)
def udproute_opens_tcp(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    from_udp = request.protocol == "tcp" and inner(swapped(world), request, pod, port)
    return inner(world, request, pod, port) or from_udp


@fault("TA-114/udproute-drops-tcproute", "beside a UDPRoute TCPRoutes are ignored", WORLD)
def udproute_drops_tcproute(world: World) -> World:
    return each_rule(world, lambda t, rule: None if names(t, UDP) else rule, TCP)
