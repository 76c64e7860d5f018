"""Defects in what routes do by themselves, and in the reading of L4 routes (TS-060 to TS-074)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.edits import (
    fields_of,
    is_governed,
    with_groups,
    with_policy,
    with_ports,
    with_splits,
)
from smi_conformance.cluster.model.mesh import Admit, Choose
from smi_conformance.cluster.model.specs_edits import idle_groups, idle_tcp_routes
from smi_conformance.cluster.model.switchboard import ADMISSION, CHOICES, CRD, MANIFEST, PROXY, WORLD, fault
from smi_conformance.cluster.model.traffic import TIMEOUT, Answer, Carry, Exchange
from smi_conformance.model.matching import any_match
from smi_conformance.model.objects import HttpMatch, RouteGroup, Rule, Split, TcpRoute, TrafficTarget
from smi_conformance.model.oracle import Choice, Choices, Request
from smi_conformance.model.readings import Readings
from smi_conformance.model.world import Key, Placed, Pod, World

Manifest = dict[str, Any]


@fault("TS-060/group-opens-access", "a route group opens the Service of its name", ADMISSION)
def group_opens_access(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    named = request.service is not None and request.service.key in idle_groups(world)
    return inner(world, request, pod, port) or (named and request.protocol == "http")


@fault("TS-060/grant-narrowed", "what is granted also has to fit every idle route group of the namespace", ADMISSION)
def grant_narrowed(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    idle = [world.groups[key] for key in idle_groups(world) if key.namespace == pod.key.namespace]
    fitting = [any_match(g.thing.matches, request.method, request.path, request.headers, Readings()) for g in idle]
    return inner(world, request, pod, port) and (request.protocol != "http" or all(fitting))


@fault("TS-060/l4-route-opens-port", "a TCPRoute alone opens its ports in its namespace", ADMISSION)
def l4_route_opens_port(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    ports = [world.tcp_routes[key].thing.ports for key in idle_tcp_routes(world) if key.namespace == pod.key.namespace]
    opened = request.protocol == "tcp" and any(not listed or port in listed for listed in ports)
    return opened or inner(world, request, pod, port)


@fault("TS-061/routing-by-name", "a route group routes the matching requests of the Service of its name", CHOICES)
def routing_by_name(inner: Choose, world: World, request: Request) -> Choices:
    assert request.service
    key = request.service.key
    if key not in idle_groups(world) or request.protocol != "http":
        return inner(world, request)
    matches = world.groups[key].thing.matches
    named = any_match(matches, request.method, request.path, request.headers, Readings())
    return (Choice(key, request.port),) if named else ()


@fault("TS-061/all-splits-matched", "the idle route groups of a namespace are matches of its splits", WORLD)
def all_splits_matched(world: World) -> World:
    def matched(split: Placed[Split]) -> Placed[Split]:
        names = [key.name for key in idle_groups(world) if key.namespace == split.key.namespace]
        return replace(split, thing=replace(split.thing, matches=split.thing.matches or tuple(names)))

    return with_splits(world, matched)


def _namesakes(world: World, match: HttpMatch) -> list[HttpMatch]:
    """All matches of a name, whatever their group, by age."""
    groups = sorted(world.groups.values(), key=lambda group: group.created)
    return [other for group in groups for other in group.thing.matches if other.name == match.name]


@fault("TS-062/names-global", "a match name stands for the matches of that name in all groups", WORLD)
def names_global(world: World) -> World:
    def widened(group: RouteGroup) -> RouteGroup:
        return RouteGroup(tuple(other for match in group.matches for other in _namesakes(world, match)))

    return with_groups(world, widened)


@fault("TS-062/later-overwrites", "a match overwrites those of the same name in earlier groups", WORLD)
def later_overwrites(world: World) -> World:
    return with_groups(world, lambda group: RouteGroup(tuple(_namesakes(world, match)[-1] for match in group.matches)))


@fault("TS-070/ports-ignored", "a TCPRoute with ports stands for all ports", WORLD)
def ports_ignored(world: World) -> World:
    return with_ports(world, lambda _: ())


@fault("TS-070/first-port-only", "only the first port of a TCPRoute is opened", WORLD)
def first_port_only(world: World) -> World:
    return with_ports(world, lambda ports: ports[:1])


@fault("TS-070/range-opened", "the ports between those of a TCPRoute are opened too", WORLD)
def range_opened(world: World) -> World:
    return with_ports(world, lambda ports: range(min(ports), max(ports) + 1))


@fault("TS-070/last-port-lost", "the last of three ports stays closed", WORLD)
def last_port_lost(world: World) -> World:
    return with_ports(world, lambda ports: ports[:-1] if len(ports) == 3 else ports)


@fault("TS-070/second-tcproute-ignored", "of a TrafficTarget's TCPRoutes only the first one counts", WORLD)
def second_tcproute_ignored(world: World) -> World:
    def first_only(target: TrafficTarget) -> TrafficTarget:
        later = [rule for rule in target.rules if rule.kind == "TCPRoute"][1:]
        return replace(target, rules=tuple(rule for rule in target.rules if rule not in later))

    return with_policy(world, first_only)


def _instead_of_all(world: World, kind: str, port: int) -> World:
    """L4 routes for all ports stand for one port."""
    routes: dict[Key, Placed[Any]] = dict(world.tcp_routes if kind == "tcp" else world.udp_routes)
    made = {
        key: replace(one, thing=replace(one.thing, ports=one.thing.ports or (port,))) for key, one in routes.items()
    }
    return replace(world, tcp_routes=made) if kind == "tcp" else replace(world, udp_routes=made)


NO_PORT = 1  # nobody listens there


@fault("TS-071/empty-matches-none", "an empty ports list of a TCPRoute matches no port", WORLD)
def empty_tcp_matches_none(world: World) -> World:
    return _instead_of_all(world, "tcp", NO_PORT)


@fault("TS-071/first-port-only", "an empty ports list of a TCPRoute opens the first port only", WORLD)
def empty_tcp_opens_first(world: World) -> World:
    return _instead_of_all(world, "tcp", 7000)


@fault("TS-071/empty-opens-any-source", "with an empty ports list of a TCPRoute sources are not checked", ADMISSION)
def empty_opens_any_source(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    empty = any(not route.thing.ports for route in world.tcp_routes.values())
    return inner(world, request, pod, port) or (request.protocol == "tcp" and empty and is_governed(world, pod))


@fault("TS-072/ports-ignored", "a UDPRoute with ports stands for all ports", WORLD)
def udp_ports_ignored(world: World) -> World:
    return with_ports(world, lambda _: (), "udp")


@fault("TS-072/second-port-lost", "of two ports of a UDPRoute only the first is opened", WORLD)
def udp_second_port_lost(world: World) -> World:
    return with_ports(world, lambda ports: ports[:1], "udp")


@fault("TS-072/replies-dropped", "replies over UDP are dropped", PROXY)
def replies_dropped(inner: Carry, exchange: Exchange) -> Answer:
    answer = inner(exchange)
    return TIMEOUT if exchange.request.protocol == "udp" else answer


def _ports_missing(manifest: Manifest) -> bool:
    return "ports" not in (fields_of(manifest).get("matches") or {})


@fault(
    "TS-073/unspecified-refused",
    "the schema demands matches and ports of a TCPRoute",
    CRD,
    kind="CustomResourceDefinition",
)
def unspecified_refused(crd: Manifest) -> Manifest:
    for version in crd["spec"]["versions"] if crd["spec"]["names"]["kind"] == "TCPRoute" else ():
        spec = version["schema"]["openAPIV3Schema"].get("properties", {}).get("spec", {})
        if "matches" in spec.get("properties", {}):
            spec["required"] = ["matches"]
            spec["properties"]["matches"]["required"] = ["ports"]
    return crd


@fault("TS-073/missing-opens-first-port", "missing ports of a TCPRoute open the first port", MANIFEST, kind="TCPRoute")
def missing_opens_first_port(manifest: Manifest) -> Manifest:
    if _ports_missing(manifest):
        fields_of(manifest)["matches"] = {"ports": [7000]}
    return manifest


@fault("TS-073/missing-grants-nothing", "missing ports of a TCPRoute open no port", MANIFEST, kind="TCPRoute")
def missing_grants_nothing(manifest: Manifest) -> Manifest:
    if _ports_missing(manifest):
        fields_of(manifest)["matches"] = {"ports": [NO_PORT]}
    return manifest


@fault("TS-074/empty-matches-none", "an empty ports list of a UDPRoute matches no port", WORLD)
def empty_udp_matches_none(world: World) -> World:
    return _instead_of_all(world, "udp", NO_PORT)


@fault("TS-074/first-port-only", "an empty ports list of a UDPRoute opens the first port only", WORLD)
def empty_udp_opens_first(world: World) -> World:
    return _instead_of_all(world, "udp", 7000)


@fault("TS-074/empty-opens-tcp", "a UDPRoute with an empty ports list opens TCP as well", WORLD)
def empty_opens_tcp(world: World) -> World:
    empty = {key: Placed(key, TcpRoute()) for key, one in world.udp_routes.items() if not one.thing.ports}

    def doubled(target: TrafficTarget) -> TrafficTarget:
        more = [Rule("TCPRoute", rule.name) for rule in target.rules if rule.kind == "UDPRoute"]
        return replace(target, rules=(*target.rules, *more))

    return with_policy(replace(world, tcp_routes={**empty, **world.tcp_routes}), doubled)
