"""Defects of access control and splits together."""

from __future__ import annotations

from dataclasses import replace

from smi_conformance.cluster.model.edits import header_of, with_groups
from smi_conformance.cluster.model.faults_split_matches import fits, groups_of, segment_of
from smi_conformance.cluster.model.mesh import Admit, Choose, Locate
from smi_conformance.cluster.model.split_edits import Splits, matched, split_of
from smi_conformance.cluster.model.switchboard import ADMISSION, CHOICES, ENDPOINTS, PROXY, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.objects import HttpMatch, RouteGroup, TcpRoute
from smi_conformance.model.oracle import Choice, Choices, Endpoints, Request
from smi_conformance.model.world import Key, Pod, World


def behind(world: World, split: Splits | None) -> list[Pod]:
    """The pods behind the backends of a split."""
    keys = [Key(split.key.namespace, backend.service) for backend in split.thing.backends] if split else []
    return [pod for key in keys if key in world.services for pod in world.pods_of(world.services[key])]


def taken(world: World, request: Request) -> bool:
    """Whether the split on the called Service takes the request, by its route groups."""
    split = split_of(world, request)
    if split is None or not split.thing.matches:
        return split is not None
    return any(fits(group.thing.matches, request) for group in groups_of(world, split))


@fault("SP-201/grant-opens-none", "a split request needs a grant for every backend", ADMISSION)
def grant_opens_none(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    others = behind(world, split_of(world, request))
    return all(inner(world, request, one, port) for one in [pod, *others])


@fault("SP-201/denied-share-moved", "what one backend denies is sent to another", PROXY)
def denied_share_moved(inner: Carry, exchange: Exchange) -> Answer:
    answer = inner(exchange)
    if answer != exchange.refuse() or not matched(exchange):
        return answer
    world, request = exchange.world, exchange.request
    choices = exchange.mesh.choices(world, request)
    found = [endpoint for choice in choices for endpoint in exchange.mesh.endpoints(world, choice, request)]
    admitting = [endpoint for endpoint in found if exchange.admitted(endpoint)]
    return exchange.deliver(admitting[0]) if admitting else answer


@fault("SP-202/split-opens-backends", "pods behind the backends of a split are open to everybody", ADMISSION)
def split_opens_backends(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or any(pod in behind(world, split) for split in world.splits)


@fault("SP-202/internal-traffic-unchecked", "requests through a split are not checked", ADMISSION)
def internal_traffic_unchecked(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or (request.identity is not None and taken(world, request))


@fault("SP-202/deleted-split-leaves-open", "the backends of a split are open to everybody once it is deleted", WORLD)
class DeletedSplitLeavesOpen:
    """Remembers the pods behind splits; those of a deleted one count as outside the mesh."""

    def __init__(self) -> None:
        self._behind: dict[str, set[str]] = {}

    def __call__(self, world: World) -> World:
        self._behind.update({split.uid: {pod.uid for pod in behind(world, split)} for split in world.splits})
        current = {split.uid for split in world.splits}
        opened = {uid for split, uids in self._behind.items() if split not in current for uid in uids}
        return replace(world, pods=tuple(replace(p, meshed=False) if p.uid in opened else p for p in world.pods))


EVERYTHING = RouteGroup((HttpMatch("all"),))


def any_route(world: World) -> World:
    """The world in which every route group stands for all requests."""
    return with_groups(world, lambda group: EVERYTHING)


def any_port(world: World) -> World:
    """The world in which no grant is limited to ports."""
    routes = {key: replace(route, thing=TcpRoute()) for key, route in world.tcp_routes.items()}
    targets = tuple(replace(target, thing=replace(target.thing, port=None)) for target in world.targets)
    return replace(world, tcp_routes=routes, targets=targets)


@fault("SP-204/routes-unevaluated", "requests to a split root are not judged by their route", ADMISSION)
def routes_unevaluated(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(any_route(world) if split_of(world, request) else world, request, pod, port)


@fault("SP-204/identity-only", "requests to a split root are judged by their source alone", ADMISSION)
def identity_only(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    judged = any_port(any_route(world)) if split_of(world, request) else world
    return inner(judged, request, pod, port)


@fault("SP-204/granted-path-denied", "grants of a path do not hold for requests to a split root", ADMISSION)
def granted_path_denied(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    if split_of(world, request) is None:
        return inner(world, request, pod, port)
    whole = with_groups(world, lambda g: RouteGroup(tuple(m for m in g.matches if m.path_regex in (None, ".*"))))
    return inner(whole, request, pod, port)


@fault("SP-204/second-backend-unchecked", "routes are not judged at the second backend of a split", ADMISSION)
def second_backend_unchecked(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    split = split_of(world, request)
    second = split.thing.backends[1:2] if split else ()
    services = [world.services.get(Key(split.key.namespace, backend.service)) for backend in second] if split else []
    unchecked = any(service is not None and service.selects(pod) for service in services)
    return inner(any_route(world) if unchecked else world, request, pod, port)


@fault("SP-205/port-ignored-behind-split", "ports of a grant do not limit requests to a split root", ADMISSION)
def port_ignored_behind_split(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(any_port(world) if split_of(world, request) else world, request, pod, port)


@fault("SP-205/granted-port-denied", "a grant with a port does not hold for requests to a split root", ADMISSION)
def granted_port_denied(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    if split_of(world, request) is None:
        return inner(world, request, pod, port)
    kept = [t for t in world.targets if t.thing.port is None and not any(r.kind == "TCPRoute" for r in t.thing.rules)]
    return inner(replace(world, targets=tuple(kept)), request, pod, port)


@fault(
    "SP-206/unmatched-judged-by-backends", "unmatched requests to a split root are judged by its backends", ADMISSION
)
def unmatched_judged_by_backends(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    split = segment_of(world, request)
    if split is None or taken(world, request):
        return inner(world, request, pod, port)
    return any(inner(world, request, one, port) for one in behind(world, split))


@fault("SP-206/split-shadows-root-rules", "the root's pods deny unmatched requests under a split", ADMISSION)
def split_shadows_root_rules(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    shadowed = segment_of(world, request) is not None and not taken(world, request)
    return not shadowed and inner(world, request, pod, port)


@fault("SP-207/forwarded-for-trusted-behind-split", "behind a split X-Forwarded-For tells who the client is", ADMISSION)
def forwarded_for_trusted(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    named = world.by_ip.get(header_of(request, "x-forwarded-for"))
    if named is None or not any(pod in behind(world, split) for split in world.splits):
        return inner(world, request, pod, port)
    return inner(world, replace(request, client=named, identity=named.account), pod, port)


@fault("SP-207/root-identity-inherited", "a request through a root counts as one of a listed proxy", ADMISSION)
def root_identity_inherited(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    if request.identity is None or not taken(world, request):
        return inner(world, request, pod, port)
    sources = {Key(s.namespace, s.name) for t in world.targets for s in t.thing.sources if s.namespace}
    return any(inner(world, replace(request, identity=source), pod, port) for source in sorted(sources))


@fault("SP-208/matched-judged-by-root", "matched requests to a split root are judged by the root's own pods", ADMISSION)
def matched_judged_by_root(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    if segment_of(world, request) is None or not taken(world, request) or request.service is None:
        return inner(world, request, pod, port)
    return any(inner(world, request, one, port) for one in world.pods_of(request.service))


@fault("SP-208/matched-unchecked", "matched requests to a split root are not judged", ADMISSION)
def matched_unchecked(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    unchecked = segment_of(world, request) is not None and taken(world, request)
    return inner(world, request, pod, port) or (unchecked and request.identity is not None)


@fault("TS-080/split-match-opens-access", "the route groups of a split open its backends to everybody", ADMISSION)
def split_match_opens_access(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    splits = [split for split in world.splits if pod in behind(world, split)]
    groups = [group for split in splits for group in groups_of(world, split)]
    opened = request.identity is not None and any(fits(group.thing.matches, request) for group in groups)
    return inner(world, request, pod, port) or opened


@fault(
    "TS-080/matched-skips-source-check", "matched requests are judged by their route and not by their source", ADMISSION
)
def matched_skips_source_check(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    if request.identity is None or segment_of(world, request) is None or not taken(world, request):
        return inner(world, request, pod, port)
    sources = {Key(s.namespace, s.name) for t in world.targets for s in t.thing.sources if s.namespace}
    return any(inner(world, replace(request, identity=source), pod, port) for source in sorted(sources))


@fault(
    "TS-081/access-rule-redirects",
    "what fits a header of a grant goes to the destination of the first such grant",
    ENDPOINTS,
)
def access_rule_redirects(inner: Locate, world: World, choice: Choice, request: Request) -> Endpoints:
    found = inner(world, choice, request)
    for target in world.targets:
        space, destination = target.key.namespace, target.thing.destination
        groups = [
            world.groups.get(Key(space, rule.name)) for rule in target.thing.rules if rule.kind == "HTTPRouteGroup"
        ]
        matches = [match for group in groups if group for match in group.thing.matches if match.headers]
        if fits(matches, request):
            there = [e for e in found if e.pod.account == Key(destination.namespace or space, destination.name)]
            return tuple(there) or found
    return found


@fault("TS-081/split-survives-in-group", "a deleted split goes on while its route group is granted", CHOICES)
class SplitSurvivesInGroup:
    """Remembers the splits with route groups."""

    def __init__(self) -> None:
        self._known: dict[str, Splits] = {}

    def __call__(self, inner: Choose, world: World, request: Request) -> Choices:
        self._known.update({split.uid: split for split in world.splits if split.thing.matches})
        current = {split.uid for split in world.splits}
        granted = {Key(t.key.namespace, rule.name) for t in world.targets for rule in t.thing.rules}
        gone = [split for uid, split in self._known.items() if uid not in current]
        kept = [s for s in gone if any(Key(s.key.namespace, name) in granted for name in s.thing.matches)]
        return inner(replace(world, splits=(*world.splits, *kept)), request)
