"""Defects of proxies: connections, addresses, the start and end of pods, stale state and outages."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from smi_conformance.cluster.model.access_edits import first_service, host_of, listed
from smi_conformance.cluster.model.edits import newest_of_several
from smi_conformance.cluster.model.mesh import Admit, lookup
from smi_conformance.cluster.model.switchboard import ADMISSION, PROXY, UNOBSERVABLE, VIEW, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.oracle import Endpoint, Request
from smi_conformance.model.world import Pod, World

UNOBSERVABLE["TA-023/restarted-pod-open"] = "nothing in the Kubernetes API makes a pod restart in place"
UNOBSERVABLE["TA-121/kept-alive-outlives-delete"] = (
    "TA-121 is about new connections; those that are open already are TA-126, where revocation-waits-for-reconnect is "
    "the same defect"
)


# One decision for a connection


def decided_once(inner: Carry, exchange: Exchange) -> Answer:
    """What a pod let in once on this connection opens that pod for what follows."""
    opened: set[Endpoint] = exchange.connection.memory.setdefault("opened", set())
    endpoint = exchange.pick()
    if endpoint is not None and endpoint in opened:
        return exchange.deliver(endpoint)
    answer = inner(exchange)
    if answer.outcome == "answer" and exchange.connection.endpoint:
        opened.add(exchange.connection.endpoint)
    return answer


@fault("TA-022/checked-on-first-request-only", "the route is checked for the first request of a connection", PROXY)
@fault("TA-123/decision-per-connection", "what is decided first holds for the whole connection", PROXY)
@fault("TA-126/revocation-waits-for-reconnect", "a connection that was let in once stays so", PROXY)
def decision_per_connection(inner: Carry, exchange: Exchange) -> Answer:
    """The three differ in what changes meanwhile: route, route, or grant."""
    return decided_once(inner, exchange) if exchange.request.protocol == "http" else inner(exchange)


@fault("TA-123/http2-first-stream-only", "the first stream of an HTTP/2 connection decides for all", PROXY)
@fault("TA-126/http2-revocation-missed", "an HTTP/2 connection that was let in once stays so", PROXY)
def decision_per_http2_connection(inner: Carry, exchange: Exchange) -> Answer:
    return decided_once(inner, exchange) if exchange.request.http == "HTTP/2" else inner(exchange)


@fault("TA-123/pipelined-request-unchecked", "a second request in the same packet is let in with the first", PROXY)
def pipelined_request_unchecked(inner: Carry, exchange: Exchange) -> Answer:
    ahead = replace(exchange.request, method="GET", path=exchange.step.ahead)
    endpoint = exchange.pick() if exchange.step.ahead else None
    if endpoint and replace(exchange, request=ahead).admitted(endpoint):
        return exchange.deliver(endpoint)
    return inner(exchange)


# Ways to a destination


@fault("TA-023/bound-to-one-service", "a policy holds through the first Service of the pods only", ADMISSION)
def bound_to_one_service(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) and request.service == first_service(world, pod)


@fault("TA-023/neighbour-identity-opened", "the neighbours behind a Service are opened, too", ADMISSION)
def neighbour_opened(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    neighbours = world.pods_of(request.service) if request.service else []
    return any(inner(world, request, one, port) for one in [pod, *neighbours])


@fault("TA-023/late-pods-left-out", "a policy does not act on pods that are younger than it", VIEW)
def late_pods_left_out(world: World, pod: Pod) -> World:
    return replace(world, targets=tuple(target for target in world.targets if target.created > pod.created))


@fault("TA-023/second-deployment-left-out", "of an account only the oldest Deployment is opened", ADMISSION)
def second_deployment_left_out(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    oldest = min((p for p in world.pods if p.account == pod.account), key=lambda p: p.created)
    return inner(world, request, pod, port) and pod.owner == oldest.owner


@fault("TA-025/mesh-names-only", "calls under the full name of a Service are not checked", ADMISSION)
def mesh_names_only(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or host_of(request).endswith(".cluster.local")


@fault("TA-025/pod-ip-bypass", "calls to a pod's address are not checked", ADMISSION)
def pod_ip_bypass(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or host_of(request) == pod.ip


@fault("TA-025/unknown-host-allowed", "requests with an unknown Host are not checked", ADMISSION)
def unknown_host_allowed(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return inner(world, request, pod, port) or lookup(world, request.client, host_of(request)) is None


@fault("TA-025/second-service-bypass", "only the first Service of the pods is checked", ADMISSION)
def second_service_bypass(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    second = request.service is not None and request.service != first_service(world, pod)
    return inner(world, request, pod, port) or second


@fault("TA-025/headless-bypass", "calls under a headless name are not checked", ADMISSION)
def headless_bypass(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    name = host_of(request)
    headless = name not in world.by_ip and isinstance(lookup(world, request.client, name), Pod)
    return inner(world, request, pod, port) or headless


@fault("TA-133/target-changes-egress", "a listed source loses addresses that are none of the mesh's", PROXY)
def target_changes_egress(inner: Carry, exchange: Exchange) -> Answer:
    called = exchange.request.pod
    return exchange.refuse() if called and not called.meshed and is_source(exchange) else inner(exchange)


@fault("TA-133/target-closes-other-services", "a listed source loses Services outside the mesh", PROXY)
def target_closes_other_services(inner: Carry, exchange: Exchange) -> Answer:
    endpoint = exchange.pick() if exchange.request.service else None
    return exchange.refuse() if endpoint and not endpoint.pod.meshed and is_source(exchange) else inner(exchange)


def is_source(exchange: Exchange) -> bool:
    """Whether any TrafficTarget lists the client."""
    return exchange.request.identity in listed(exchange.world)


# What has been let in goes on for a while


class Stale:
    """Lets through what was let through before, until so many seconds after it is denied."""

    seconds = 10.0

    def __init__(self) -> None:
        self._until: dict[Hashable, float | None] = {}

    def __call__(self, inner: Carry, exchange: Exchange) -> Answer:
        endpoint = exchange.pick()
        if endpoint is None or exchange.request.protocol != "http":
            return inner(exchange)
        about = self.about(exchange.request, endpoint, exchange.world)
        if exchange.admitted(endpoint):
            self._until[about] = None
            return exchange.deliver(endpoint)
        if about not in self._until:
            return exchange.refuse()
        end = self._until[about] or exchange.now + self.seconds
        self._until[about] = end
        return exchange.deliver(endpoint) if exchange.now < end else exchange.refuse()

    def about(self, request: Request, endpoint: Endpoint, _world: World) -> Hashable:
        """What the memory is about."""
        return request.identity, endpoint.pod.uid, request.path, request.method


@fault("TA-061/stale-after-removal", "a source that is taken out is admitted for 10 s more", PROXY)
@fault("TA-097/stale-seconds", "a route that is taken out stays open for 10 s more", PROXY)
class StaleGrant(Stale):
    """By source and route."""


@fault("TA-031/stale-after-switch", "a Deployment's old identity is honoured for 10 s more", PROXY)
class StaleIdentity(Stale):
    """By Deployment, on both sides."""

    def about(self, request: Request, endpoint: Endpoint, _world: World) -> Hashable:
        client, server = request.client, endpoint.pod
        return client.key.namespace, client.owner, server.key.namespace, server.owner, request.path


@fault("TA-121/stale-some-seconds", "the newest of several server pods keeps a grant for 20 s more", PROXY)
class StalePod(Stale):
    """By source and route, on one of the pods."""

    seconds = 20.0

    def about(self, request: Request, endpoint: Endpoint, world: World) -> Hashable:
        newest = newest_of_several(world, endpoint.pod)
        return super().about(request, endpoint, world) if newest else object()


# Outages


class Outage:
    """Denies everything for a while when TrafficTargets have changed."""

    seconds = 1.0

    def __init__(self) -> None:
        self._last: frozenset[Hashable] | None = None
        self._until = 0.0

    def __call__(self, inner: Carry, exchange: Exchange) -> Answer:
        now = frozenset((target.uid, target.thing) for target in exchange.world.targets)
        if self._last is not None and self.concerns(self._last, now):
            self._until = exchange.now + self.seconds
        self._last = now
        return exchange.refuse() if exchange.now < self._until else inner(exchange)

    def concerns(self, before: frozenset[Hashable], now: frozenset[Hashable]) -> bool:
        """Whether this change interrupts."""
        return before != now


@fault("TA-054/outage-on-change", "every change of a TrafficTarget interrupts all traffic for a second", PROXY)
class OutageOnChange(Outage):
    """Whatever changes."""


@fault("TA-120/other-grants-interrupted", "a new TrafficTarget interrupts all traffic for a second", PROXY)
class OutageOnCreation(Outage):
    """Only what is added."""

    def concerns(self, before: frozenset[Hashable], now: frozenset[Hashable]) -> bool:
        return bool(now - before)


@fault("TA-056/outage-on-delete", "a deleted TrafficTarget interrupts all traffic for a second", PROXY)
class OutageOnDeletion(Outage):
    """Only what is taken away."""

    def concerns(self, before: frozenset[Hashable], now: frozenset[Hashable]) -> bool:
        return bool(before - now)


# The start and the end of pods

EARLY = 3  # requests that reach a new pod before it knows its policy
TERMINATING = "terminating"


class OpenAtStart:
    """Counts the requests at pods that were not there at first."""

    def __init__(self) -> None:
        self._first: frozenset[str] = frozenset()
        self._met: dict[str, int] = {}

    def __call__(self, inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
        self._first = self._first or frozenset(one.uid for one in world.pods)
        if inner(world, request, pod, port) or pod.uid in self._first or not self.passes(request):
            return inner(world, request, pod, port)
        self._met[pod.uid] = self._met.get(pod.uid, 0) + 1
        return self._met[pod.uid] <= EARLY

    def passes(self, request: Request) -> bool:
        """Whether such a request comes through early."""
        return request.identity is not None


@fault("TA-124/fail-open-at-start", "the first requests to a new pod are let in", ADMISSION)
class FailOpenAtStart(OpenAtStart):
    """Requests of members of the mesh."""


@fault("TA-124/reachable-before-redirection", "the first plain requests to a new pod reach it directly", ADMISSION)
class ReachableBeforeRedirection(OpenAtStart):
    """Requests from outside the mesh."""

    def passes(self, request: Request) -> bool:
        return request.identity is None


@fault("TA-124/open-at-shutdown", "a pod that ends is still called for a while", WORLD)
class EndingPodsLinger:
    """Keeps the pods that have gone since the world was read last."""

    def __init__(self) -> None:
        self._last: tuple[Pod, ...] = ()

    def __call__(self, world: World) -> World:
        here = {pod.uid for pod in world.pods}
        gone = [replace(p, labels={**p.labels, TERMINATING: "yes"}) for p in self._last if p.uid not in here]
        self._last = world.pods
        return replace(world, pods=(*world.pods, *gone))


@fault("TA-124/open-at-shutdown", "a pod that ends admits everybody", ADMISSION)
def open_at_shutdown(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return TERMINATING in pod.labels or inner(world, request, pod, port)
