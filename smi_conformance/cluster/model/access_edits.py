"""Small changes to worlds and requests, from which faults of access control are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from smi_conformance.cluster.model.edits import Target, with_targets
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.model.objects import HttpMatch, RouteGroup, Rule, ServiceAccountRef, TcpRoute
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Key, Placed, Pod, Service, World

GROUP, TCP, UDP = "HTTPRouteGroup", "TCPRoute", "UDPRoute"
ALL = "*all*"  # the name of route objects that stand for everything
EVERYTHING = RouteGroup((HttpMatch("all"),))


def only(world: World, *targets: Target) -> World:
    """The world with these TrafficTargets alone."""
    return replace(world, targets=targets)


def with_sources(world: World, change: Callable[[tuple[ServiceAccountRef, ...]], Iterable[ServiceAccountRef]]) -> World:
    """Other sources of every TrafficTarget."""
    return with_targets(world, lambda t: replace(t, thing=replace(t.thing, sources=tuple(change(t.thing.sources)))))


def with_rules(world: World, change: Callable[[Target], Iterable[Rule]]) -> World:
    """Other rules of every TrafficTarget."""
    return with_targets(world, lambda t: replace(t, thing=replace(t.thing, rules=tuple(change(t)))))


def each_rule(world: World, change: Callable[[Target, Rule], Rule | None], kind: str = GROUP) -> World:
    """Other rules of one kind; None leaves one out."""

    def changed(target: Target) -> list[Rule]:
        made = [change(target, rule) if rule.kind == kind else rule for rule in target.thing.rules]
        return [rule for rule in made if rule is not None]

    return with_rules(world, changed)


def group_of(world: World, target: Target, rule: Rule) -> tuple[HttpMatch, ...]:
    """The matches of the route group that a rule refers to; none when there is none."""
    found = world.groups.get(Key(target.key.namespace, rule.name))
    return found.thing.matches if found else ()


def with_everything(world: World) -> World:
    """The world with a route group and a TCPRoute named ALL in every namespace."""
    namespaces = {pod.key.namespace for pod in world.pods} | {target.key.namespace for target in world.targets}
    keys = [Key(namespace, ALL) for namespace in namespaces]
    groups = {key: Placed(key, EVERYTHING) for key in keys}
    routes = {key: Placed(key, TcpRoute()) for key in keys}
    return replace(world, groups={**world.groups, **groups}, tcp_routes={**world.tcp_routes, **routes})


def granting_all(world: World, wanted: Callable[[Target], bool], kinds: tuple[str, ...] = (GROUP,)) -> World:
    """The TrafficTargets that are wanted, alone, with everything of these kinds granted."""
    rules = [Rule(kind, ALL) for kind in kinds]
    return with_rules(with_everything(only(world, *filter(wanted, world.targets))), lambda _: rules)


def opened(world: World) -> World:
    """The world with route groups that let everything through."""
    groups = {key: replace(one, thing=_opened(one.thing)) for key, one in world.groups.items()}
    return replace(world, groups=groups)


def _opened(group: RouteGroup) -> RouteGroup:
    return RouteGroup(tuple(HttpMatch(match.name) for match in group.matches))


def listed(world: World) -> set[Key]:
    """The accounts that any TrafficTarget lists."""
    sources = [source for target in world.targets for source in target.thing.sources if source.kind == "ServiceAccount"]
    return {Key(source.namespace or "", source.name) for source in sources}


def as_listed(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    """Whether the request would be let in from any source that a TrafficTarget lists."""
    return any(inner(world, replace(request, identity=account), pod, port) for account in listed(world))


def as_named(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    """Whether the request would be let in from an account of the client's name in any namespace."""
    if request.identity is None:
        return False
    name, spaces = request.identity.name, {pod.account.namespace for pod in world.pods}
    return any(inner(world, replace(request, identity=Key(space, name)), pod, port) for space in spaces)


def for_pod(world: World, pod: Pod) -> list[Target]:
    """The TrafficTargets that name the pod's account as destination, in order of creation."""
    return [t for t in world.targets if destination_of(t) == pod.account]


def destination_of(target: Target) -> Key:
    """The account that a TrafficTarget opens."""
    destination = target.thing.destination
    return Key(destination.namespace or target.key.namespace, destination.name)


def http_ports(pod: Pod) -> list[int]:
    """The ports on which a pod serves HTTP."""
    return sorted(number for (_, number), kind in pod.listens.items() if kind in ("http", "http2", "grpc"))


def on_any_port(inner: Admit, world: World, request: Request, pod: Pod) -> bool:
    """Whether the request would be let in on any port of the pod."""
    return any(inner(world, request, pod, port) for _, port in pod.listens)


def first_service(world: World, pod: Pod) -> Service | None:
    """The Service of the first name that selects a pod."""
    return min((s for s in world.services.values() if s.selects(pod)), key=lambda s: s.key, default=None)


def host_of(request: Request) -> str:
    """The host that a request names, without its port."""
    return request.host.rpartition(":")[0] if ":" in request.host else request.host


def accounts(world: World) -> list[ServiceAccountRef]:
    """All accounts that pods hold."""
    return [ServiceAccountRef(key.name, key.namespace) for key in sorted({pod.account for pod in world.pods})]
