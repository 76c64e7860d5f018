"""The model's traffic agent: plans carried out by the mesh, with the replies and arrivals of the real one."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.exchange import (
    ALTERED,
    CLOSED,
    FORBIDDEN,
    REFUSED,
    RESET,
    SERVER_FIRST,
    TIMEOUT,
    UNAVAILABLE,
    UNREACHABLE,
    UNRESOLVED,
    Answer,
    Carry,
    Connection,
    Exchange,
    carry,
)
from smi_conformance.cluster.model.mesh import Mesh, Spread, addressed
from smi_conformance.cluster.model.routes import Route
from smi_conformance.cluster.model.switchboard import LOOKUP, PROXY
from smi_conformance.cluster.port import ClusterError
from smi_conformance.cluster.port import Pod as PodRef
from smi_conformance.judge.observation import Arrival, Reply, ServerLog, Step
from smi_conformance.model.oracle import Endpoint, Request
from smi_conformance.model.world import Pod, Protocol, World

__all__ = [
    "ALTERED",
    "CLOSED",
    "FORBIDDEN",
    "REFUSED",
    "RESET",
    "SERVER_FIRST",
    "TIMEOUT",
    "UNAVAILABLE",
    "UNREACHABLE",
    "UNRESOLVED",
    "Answer",
    "Carry",
    "Connection",
    "Exchange",
    "Traffic",
]
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PROTOCOLS: dict[str, tuple[Protocol, str]] = {
    "http": ("http", "HTTP/1.1"),
    "http2": ("http", "HTTP/2"),
    "grpc": ("http", "HTTP/2"),
    "https": ("tcp", ""),
    "tcp": ("tcp", ""),
    "udp": ("udp", ""),
}
EPOCH = 1_700_000_000.0  # the Unix time at which virtual time begins
TOOK = 0.0005  # seconds of virtual time for one request
ENDED = ("reset", "closed", "refused")
Way = Route | Answer | Request
"""Where equal requests go, or what comes of all of them; the request where each has to be looked at by itself."""
Pools = dict[tuple[Any, ...], dict[int, Connection]]
"""Kept connections that outlive their step, by lane."""


class Servers:
    """What the echo servers of all pods have seen, by the uid of the pod."""

    def __init__(self) -> None:
        self._seen: defaultdict[str, list[Arrival]] = defaultdict(list)

    def arrived(self, endpoint: Endpoint, step: Step, request: Request, request_id: str) -> None:
        """Note an arrival."""
        self.arrivals(endpoint, step, request)(request_id)

    def arrivals(self, endpoint: Endpoint, step: Step, request: Request) -> Callable[[str], None]:
        """Notes the arrivals of equal requests: called with the id of each."""
        seen = self._seen[endpoint.pod.uid]
        method, path = (request.method, request.path) if request.protocol == "http" else (None, None)
        protocol, port, peer = step.protocol, endpoint.port, request.client.ip

        def note(request_id: str) -> None:
            seen.append(Arrival(len(seen), request_id, protocol, port, method, path, peer))

        return note

    def log(self, pod: PodRef, prefix: str, since: int) -> ServerLog:
        """What arrived at a pod from number `since` on."""
        seen = self._seen[pod.uid]
        found = tuple(one for one in seen[since:] if one.id.startswith(prefix))
        return ServerLog((pod.uid, pod.uid), since, len(seen), found)

    def count(self, pod: PodRef) -> int:
        """The number of the next arrival."""
        return len(self._seen[pod.uid])


class Traffic:
    """Carries out the steps of one client after another."""

    def __init__(self, mesh: Mesh, seed: int) -> None:
        self.mesh, self.servers = mesh, Servers()
        self._random = random.Random(seed)  # noqa: S311  # a spread, not a secret
        self._carry: Carry = mesh.switches.around(PROXY, carry)
        self._pools: Pools = {}
        self._memo: dict[Any, Any] = {}
        self.told: Callable[[Request, Answer, float], None] | None = None
        """Who else hears of each request with its answer and its time."""
        self.behind_tls: Callable[[Step], Answer] = lambda _: UNREACHABLE
        """What comes of a request over TLS."""

    def lanes(self, client: PodRef, step: Step) -> Lanes:
        """New connections for a step, and those of its pool."""
        return Lanes(self._pools, client, step)

    def run(self, client: PodRef, step: Step, now: float) -> Iterator[Reply]:
        """The replies to all requests of a step, one by one, as they are sent."""
        lanes, way = self.lanes(client, step), self._way(client, step, now)
        if isinstance(way, Route) and step.connection == "new" and not self.mesh.late:
            yield from self._along(way, step, now)
            return
        for index in range(step.count):
            when = now + index * TOOK
            if self.mesh.late:  # then the mesh may learn something between two requests
                way = self._way(client, step, when)
            yield self._reply(way, step, index, lanes, when)

    def _along(self, route: Route, step: Step, now: float) -> Iterator[Reply]:
        """The same for equal requests, each on its own connection: most of all traffic, so nothing is done twice."""
        send, luck, told, request = route.send, self._random.random, self.told, route.request
        for index, request_id in enumerate(step.ids):
            when, answer = now + index * TOOK, send(luck(), request_id)
            if told:
                told(request, answer, when)
            yield _reply_of(answer, step, when, index // step.concurrency + 1)

    def at(self, client: PodRef, step: Step, index: int, lanes: Lanes, now: float) -> Reply:
        """One request, in the world as it is by then."""
        return self._reply(self._way(client, step, now), step, index, lanes, now)

    def _way(self, client: PodRef, step: Step, now: float) -> Way:
        """What is the same for all requests of a step. Raises ClusterError when their sender is gone."""
        world = self.mesh.world(now)
        if self._memo.get("world") is not world:
            self._memo = {"world": world, "pods": {pod.uid: pod for pod in world.pods}}
        sender = self._memo["pods"].get(client.uid)
        if sender is None:
            raise ClusterError(f"agent of pod {client.name} does not answer: the pod is gone")
        key = (sender.uid, self._likeness(step))
        if key not in self._memo:
            self._memo[key] = self._route(world, sender, step, now)
        way: Way = self._memo[key]
        return way

    def _likeness(self, step: Step) -> Step:
        """The same for all steps whose requests go the same way; a fault may resolve each step's name anew."""
        if self.mesh.switches.any(LOOKUP):
            return step
        return replace(step, id="", count=1, concurrency=1, timeout=1.0, rate=None)

    def _reply(self, way: Way, step: Step, index: int, lanes: Lanes, now: float) -> Reply:
        connection = lanes.connection(index)
        answer = self._answer(way, step, index, connection, now)
        connection.count += 1
        if self.told and not isinstance(way, Answer):
            self.told(way.request if isinstance(way, Route) else way, answer, now)
        if answer.outcome in ENDED:
            lanes.closed(index)
        return _reply_of(answer, step, now, connection.number)

    def _answer(self, way: Way, step: Step, index: int, connection: Connection, now: float) -> Answer:
        if isinstance(way, Answer):
            return way
        request_id = f"{step.id}.{index}"
        if isinstance(way, Route):
            return way.send(self._random.random(), request_id)
        request = way.lucky(self._random.random())
        return self._carry(Exchange(self, self._memo["world"], step, request, connection, request_id, now))

    def _route(self, world: World, sender: Pod, step: Step, now: float) -> Way:
        if step.protocol == "https":
            return self.behind_tls(step)
        request = self._request(world, sender, step)
        if isinstance(request, Answer):
            return request
        exchange = Exchange(self, world, step, request, Connection(), "", now)
        if step.host in LOOPBACK:
            return Route(exchange, [(1.0, Endpoint(sender, step.port))], bypass=True)
        if self.mesh.plain and (request.protocol == "http" or step.connection == "new"):
            return Route(exchange, self.spread(exchange))
        return request

    def _request(self, world: World, sender: Pod, step: Step) -> Request | Answer:
        """What a step sends, resolved; or what comes of it when its name stands for nothing."""
        protocol, http = PROTOCOLS[step.protocol]
        authority = step.host_header or (step.host if step.port == 80 else f"{step.host}:{step.port}")
        request = Request(
            client=sender, protocol=protocol, port=step.port, identity=sender.account if sender.meshed else None,
            host=authority, method=step.method, path=step.path, headers=(("host", authority), *step.headers), http=http,
            body=step.body,
        )  # fmt: skip
        if step.host in LOOPBACK:
            return request
        found = self.mesh.lookup(world, sender, step.host)
        return UNRESOLVED if found is None else addressed(world, request, found, step.host)

    # What an exchange asks

    def picked(self, exchange: Exchange) -> Endpoint | None:
        """One of the endpoints, by weight and evenly among those of one choice."""
        spread = self.spread(exchange)
        if len(spread) == 1:
            return spread[0][1]
        return self._random.choices([place for _, place in spread], [weight for weight, _ in spread])[0]

    def spread(self, exchange: Exchange) -> Spread:
        """The endpoints with their weights; None where requests fail."""
        request = exchange.request
        if request.pod is not None:
            return [(1.0, Endpoint(request.pod, request.port))]
        return self.mesh.spread(self.mesh.view(exchange.world, request.client, exchange.now), request)

    def admitted(self, exchange: Exchange, endpoint: Endpoint) -> bool:
        """Whether the proxy of a pod lets a request in; pods outside the mesh have none."""
        pod = endpoint.pod
        if not pod.meshed:
            return True
        view = self.mesh.view(exchange.world, pod, exchange.now)
        return bool(self.mesh.admits(view, exchange.request, pod, endpoint.port))


def _reply_of(answer: Answer, step: Step, sent: float, connection: int) -> Reply:
    took = 1000 * (step.timeout if answer.outcome == "timeout" else TOOK + answer.delay)
    return Reply(answer.outcome, answer.status, answer.server, answer.port, took, round(EPOCH + sent, 4), connection)


class Lanes:
    """The connections of a step: requests take turns on `concurrency` lanes."""

    def __init__(self, pools: Pools, client: PodRef, step: Step) -> None:
        self._concurrency, self._fresh = step.concurrency, step.connection == "new"
        key = (client.uid, step.pool, step.protocol, step.host, step.port)
        self._kept: dict[int, Connection] = pools.setdefault(key, {}) if step.pool else {}
        self._opened = [0] * step.concurrency

    def connection(self, index: int) -> Connection:
        """The connection for a request; new ones where each request has its own."""
        lane = index % self._concurrency
        if self._fresh:
            return self._open(lane)
        if lane not in self._kept:
            self._kept[lane] = self._open(lane)
        return self._kept[lane]

    def closed(self, index: int) -> None:
        """The connection has ended: the next request on its lane opens another."""
        self._kept.pop(index % self._concurrency, None)

    def _open(self, lane: int) -> Connection:
        self._opened[lane] += 1
        return Connection(self._opened[lane])
