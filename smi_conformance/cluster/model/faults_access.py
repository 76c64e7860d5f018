"""Defects of access control: who is let in."""

from __future__ import annotations

from dataclasses import replace

from smi_conformance.cluster.model.edits import by_destination, is_governed, newest_of_several
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.switchboard import ADMISSION, PROXY, WORLD, fault
from smi_conformance.cluster.model.traffic import FORBIDDEN, Answer, Carry, Exchange
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Key, Pod, World

LEAK = 0.01


@fault("TA-010/deny-by-default-missing", "nothing is denied", WORLD)
def deny_by_default_missing(world: World) -> World:
    return replace(world, posture="permissive")


@fault("TA-010/deny-only-after-first-policy", "HTTP to a destination without any TrafficTarget is open", ADMISSION)
def deny_only_after_first_policy(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or (request.protocol == "http" and not is_governed(world, pod))


@fault("TA-010/leak-one-percent", "1 % of the HTTP requests that are denied pass", ADMISSION)
def leak_one_percent(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or (request.protocol == "http" and request.luck < LEAK)


@fault("TA-010/http2-open", "HTTP/2 is never denied", ADMISSION)
def http2_open(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or request.http == "HTTP/2"


@fault("TA-010/open-cross-namespace", "clients of other namespaces pass where there is no TrafficTarget", ADMISSION)
def open_cross_namespace(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    foreign = request.client.key.namespace != pod.key.namespace and not is_governed(world, pod)
    return inner(world, request, pod, port) or foreign


@fault("TA-010/open-after-restart", "pods that take the place of others admit everybody", ADMISSION)
class OpenAfterRestart:
    """Remembers which pods each Deployment had."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], set[str]] = {}

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        for other in world.pods:
            owner = (other.key.namespace, other.owner)
            known = self._first.setdefault(owner, {p.uid for p in world.pods if (p.key.namespace, p.owner) == owner})
            if other.uid == pod.uid and other.uid not in known:
                return True
        return inner(world, request, pod, port)


@fault("TA-010/last-delete-reopens", "nothing is denied once the last TrafficTarget is deleted", WORLD)
class LastDeleteReopens:
    """Remembers whether there ever was a TrafficTarget."""

    def __init__(self) -> None:
        self._had_any = False

    def __call__(self, world: World) -> World:
        self._had_any = self._had_any or bool(world.targets)
        return replace(world, posture="permissive") if self._had_any and not world.targets else world


@fault("TA-011/http-only-denial", "without TrafficTarget, TCP is open to members of the mesh", ADMISSION)
def http_only_denial(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    opened = request.protocol == "tcp" and request.identity is not None and not is_governed(world, pod)
    return inner(world, request, pod, port) or opened


@fault("TA-011/no-l4-filter-without-policy", "without TrafficTarget, TCP is open to everybody", ADMISSION)
def no_l4_filter(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or (request.protocol == "tcp" and not is_governed(world, pod))


@fault("TA-011/data-before-decision", "TCP that is denied is delivered, and cut later", PROXY)
@fault("TA-011/short-message-delivered", "the first message of a denied TCP connection is delivered", PROXY)
def delivered_and_cut(inner: Carry, exchange: Exchange) -> Answer:
    """The two differ in when the connection is cut; the server has seen the data in both."""
    answer = inner(exchange)
    endpoint = exchange.connection.endpoint
    if exchange.request.protocol == "tcp" and endpoint and not exchange.admitted(endpoint):
        exchange.deliver(endpoint)
    return answer


@fault("TA-011/second-tcp-port-open", "without TrafficTarget, only the first TCP port of a pod is closed", ADMISSION)
def second_tcp_port_open(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    first = min((number for (_, number), kind in pod.listens.items() if kind == "tcp"), default=port)
    later = request.protocol == "tcp" and port != first and not is_governed(world, pod)
    return inner(world, request, pod, port) or later


@fault("TA-020/policy-without-effect", "TrafficTargets have no effect", WORLD)
def policy_without_effect(world: World) -> World:
    return replace(world, targets=())


@fault("TA-020/intermittent-denial", "the newest of several server pods denies one request in five", ADMISSION)
def intermittent_denial(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    unlucky = request.luck < 0.2 and newest_of_several(world, pod)
    return inner(world, request, pod, port) and not unlucky


@fault("TA-020/answered-by-proxy", "the proxy answers instead of the server", PROXY)
def answered_by_proxy(inner: Carry, exchange: Exchange) -> Answer:
    endpoint = exchange.pick()
    granted = endpoint is not None and exchange.request.protocol == "http" and exchange.admitted(endpoint)
    return Answer("status", 200) if granted else inner(exchange)


@fault("TA-020/one-server-pod-denies", "the newest of several server pods never learns a grant", ADMISSION)
def one_server_pod_denies(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) and not newest_of_several(world, pod)


@fault("TA-020/http2-denied", "grants hold for HTTP/1.1 only", ADMISSION)
def http2_denied(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) and request.http != "HTTP/2"


def as_listed(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    """Whether the request would be let in from any source that a TrafficTarget lists."""
    listed = [s for target in world.targets for s in target.thing.sources if s.kind == "ServiceAccount"]
    accounts = {Key(source.namespace or "", source.name) for source in listed}
    return any(inner(world, replace(request, identity=account), pod, port) for account in accounts)


@fault("TA-021/sources-unchecked", "what is granted to one client is granted to all", ADMISSION)
def sources_unchecked(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return as_listed(inner, world, request, pod, port)


@fault("TA-021/any-mesh-identity", "every identity of the mesh fits every source", ADMISSION)
def any_mesh_identity(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return request.identity is not None and as_listed(inner, world, request, pod, port)


@fault("TA-021/client-side-only", "sources are checked by the client's proxy only", ADMISSION)
def source_checked_by_client(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    unchecked = not request.client.meshed and as_listed(inner, world, request, pod, port)
    return inner(world, request, pod, port) or unchecked


@fault("TA-021/leak-one-percent", "1 % of the requests of unlisted clients pass", ADMISSION)
def leak_of_unlisted(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or (request.luck < LEAK and is_governed(world, pod))


@fault("TA-021/source-checked-on-first-route-only", "sources count for the first match of a group only", ADMISSION)
def source_checked_on_first_route_only(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    groups = {key: replace(g, thing=replace(g.thing, matches=g.thing.matches[1:])) for key, g in world.groups.items()}
    later = replace(world, groups=groups)
    return inner(world, request, pod, port) or as_listed(inner, later, request, pod, port)


@fault("TA-021/kept-alive-unchecked", "only the first request of a connection is checked", PROXY)
def kept_alive_unchecked(inner: Carry, exchange: Exchange) -> Answer:
    endpoint = exchange.connection.memory.get("denied-once")
    if exchange.connection.count and endpoint:
        return exchange.deliver(endpoint)
    answer = inner(exchange)
    if answer == FORBIDDEN:
        exchange.connection.memory["denied-once"] = exchange.connection.endpoint
    return answer


@fault("TA-030/identity-from-labels", "a pod with the app label of a listed client counts as that client", ADMISSION)
def identity_from_labels(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    app = request.client.labels.get("app")
    alike = {p.account for p in world.pods if app and p.labels.get("app") == app and p.meshed}
    return any(inner(world, replace(request, identity=account), pod, port) for account in alike)


@fault("TA-030/identity-from-owner", "of an account only its oldest Deployment is admitted", ADMISSION)
def identity_from_owner(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    owners = [p.owner for p in world.pods if p.account == request.client.account]
    return inner(world, request, pod, port) and request.client.owner == owners[0]


@fault("TA-030/prefix-match", "accounts whose name starts with a listed one are admitted", ADMISSION)
def prefix_match(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    if request.identity is None:
        return inner(world, request, pod, port)
    space, name = request.identity
    return any(
        inner(world, replace(request, identity=Key(space, name[:end])), pod, port) for end in range(1, len(name) + 1)
    )


@fault("TA-040/client-side-only", "access is enforced by the client's proxy only", ADMISSION)
def enforced_by_client(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or not request.client.meshed


@fault("TA-040/response-dropped", "denied requests are delivered, and their answers dropped", PROXY)
@fault("TA-040/decision-after-headers", "denied requests are forwarded up to their headers", PROXY)
def delivered_first(inner: Carry, exchange: Exchange) -> Answer:
    """The server sees the request in both."""
    answer = inner(exchange)
    endpoint = exchange.connection.endpoint
    if exchange.request.protocol == "http" and endpoint and not exchange.admitted(endpoint):
        exchange.deliver(endpoint)
    return answer


@fault("TA-040/large-body-passes", "requests with a large body are delivered before the decision", PROXY)
def large_body_passes(inner: Carry, exchange: Exchange) -> Answer:
    return delivered_first(inner, exchange) if exchange.request.body > 65_536 else inner(exchange)


@fault("TA-041/plain-text-accepted", "where TrafficTargets admit anybody, plain text is let in", ADMISSION)
@fault("TA-041/anonymous-allowed", "clients without identity count as sources", ADMISSION)
def anonymous_allowed(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    """The first says nothing of routes, the second does; no traffic of an allowed kind tells them apart."""
    plain = request.identity is None and as_listed(inner, world, request, pod, port)
    return inner(world, request, pod, port) or plain


@fault("TA-041/pod-ip-not-intercepted", "calls to a pod's address pass its proxy by", ADMISSION)
def pod_ip_not_intercepted(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return request.by == "pod IP" or inner(world, request, pod, port)


@fault("TA-041/plain-http2-accepted", "plain HTTP/2 is let in", ADMISSION)
def plain_http2_accepted(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    plain = request.identity is None and request.http == "HTTP/2" and is_governed(world, pod)
    return inner(world, request, pod, port) or plain


@fault("TA-050/last-policy-wins", "of several TrafficTargets for a destination only the last one counts", WORLD)
def last_policy_wins(world: World) -> World:
    return by_destination(world, lambda targets: targets[-1:])


@fault("TA-050/first-policy-wins", "of several TrafficTargets for a destination only the first one counts", WORLD)
def first_policy_wins(world: World) -> World:
    return by_destination(world, lambda targets: targets[:1])


@fault("TA-050/third-policy-ignored", "of the TrafficTargets for a destination the third is ignored", WORLD)
def third_policy_ignored(world: World) -> World:
    return by_destination(world, lambda targets: [*targets[:2], *targets[3:]])


@fault("TA-050/policies-intersected", "a request has to fit every TrafficTarget for its destination", ADMISSION)
def policies_intersected(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    mine = [target for target in world.targets if is_governed(replace(world, targets=(target,)), pod)]
    return bool(mine) and all(inner(replace(world, targets=(one,)), request, pod, port) for one in mine)
