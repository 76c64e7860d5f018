"""One request on its way through the mesh: the steps to its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smi_conformance.cluster.model.mesh import Mesh
from smi_conformance.judge.observation import Step
from smi_conformance.model.oracle import Endpoint, Request
from smi_conformance.model.world import World

if TYPE_CHECKING:
    from smi_conformance.cluster.model.traffic import Traffic

ASKED_STATUS, ASKED_DELAY = "x-smi-answer", "x-smi-delay"


@dataclass(frozen=True)
class Answer:
    """What a client gets for one request; the fields are those of a Reply."""

    outcome: str
    status: int | None = None
    server: str | None = None
    port: int | None = None
    delay: float = 0.0
    """Seconds for which the server held it back."""


UNREACHABLE, REFUSED, TIMEOUT = Answer("unreachable"), Answer("refused"), Answer("timeout")
RESET, CLOSED, UNRESOLVED = Answer("reset"), Answer("closed"), Answer("unresolved")
ALTERED, SERVER_FIRST = Answer("altered"), "tcp-server-first"
FORBIDDEN, UNAVAILABLE = Answer("status", 403), Answer("status", 503)


@dataclass
class Connection:
    """One connection, or one flow of datagrams. `memory` is for faults that stick to it; `count`: requests before."""

    number: int = 1
    count: int = 0
    memory: dict[str, Any] = field(default_factory=dict)
    endpoint: Endpoint | None = None
    """Where a TCP connection or a UDP flow leads, once it leads somewhere."""


@dataclass
class Exchange:
    """One request on its connection, and the steps to its answer."""

    traffic: Traffic
    world: World
    step: Step
    request: Request
    connection: Connection
    id: str
    now: float = 0.0
    """When it is sent, in seconds of virtual time."""

    @property
    def mesh(self) -> Mesh:
        return self.traffic.mesh

    def pick(self) -> Endpoint | None:
        """Where the request goes: at random by the shares; None when there is nowhere. L4 connections stay put."""
        bound = self.connection.endpoint
        if self.request.protocol != "http" and bound is not None and bound.pod.ip in self.world.by_ip:
            return bound
        picked = self.traffic.picked(self)
        self.connection.endpoint = picked
        return picked

    @property
    def stays_open(self) -> bool:
        """Whether a raw TCP connection is not judged again once it is open: a reading."""
        kept = self.mesh.oracle.readings.open_connections == "kept"
        return kept and self.request.protocol == "tcp" and self.connection.count > 0

    def admitted(self, endpoint: Endpoint) -> bool:
        """Whether the destination's proxy lets the request in."""
        return self.traffic.admitted(self, endpoint)

    def deliver(self, endpoint: Endpoint, request: Request | None = None) -> Answer:
        """The server sees the request (`request`: as altered on its way), and its echo is the answer."""
        sent = request or self.request
        arrives, answer = self.met(endpoint, sent)
        if arrives:
            self.traffic.servers.arrived(endpoint, self.step, sent, self.id)
        return answer

    def met(self, endpoint: Endpoint, sent: Request) -> tuple[bool, Answer]:
        """Whether a server sees a request at an endpoint, and what is answered."""
        listener = endpoint.pod.serves(sent.transport, endpoint.port)
        if listener is None:
            return False, TIMEOUT if sent.protocol == "udp" else UNAVAILABLE if sent.protocol == "http" else REFUSED
        if sent.protocol == "http" and listener != "http":
            return False, ALTERED  # the lines of a request, echoed
        if self.step.greeting and listener != SERVER_FIRST:
            return False, TIMEOUT
        altered = sent is not self.request and _echo(sent) != _echo(self.request)
        status = _status(sent) if sent.protocol == "http" else None
        exact = not altered and status in (None, 200) and _shows(sent, self.step.due)
        delay = _delay(sent, endpoint.pod.key.name) if sent.http == "HTTP/1.1" else 0.0
        if delay > self.step.timeout:
            return True, TIMEOUT
        return True, Answer("answer" if exact else "altered", status, endpoint.pod.key.name, endpoint.port, delay)

    def greet(self, endpoint: Endpoint) -> Answer:
        """The connection is made, so that a server that speaks first is heard; then it is cut."""
        if endpoint.pod.serves(self.request.transport, endpoint.port) != SERVER_FIRST:
            return self.refuse()
        self.traffic.servers.arrived(endpoint, self.step, self.request, "")
        return Answer("greeted") if self.step.greeting else RESET

    def refuse(self) -> Answer:
        """How the mesh denies: 403 to HTTP of its members, no connection to others, silence to datagrams."""
        if self.request.protocol == "udp":
            return TIMEOUT
        return FORBIDDEN if self.request.protocol == "http" and self.request.client.meshed else RESET

    def fail(self) -> Answer:
        """What is answered when there is nowhere to go."""
        if self.request.protocol == "udp":
            return TIMEOUT
        return UNAVAILABLE if self.request.protocol == "http" and self.request.client.meshed else REFUSED


Carry = Callable[[Exchange], Answer]


def carry(exchange: Exchange) -> Answer:
    """The way of a request through a mesh without faults."""
    endpoint = exchange.pick()
    if endpoint is None:
        return exchange.fail()
    if not (exchange.stays_open or exchange.admitted(endpoint)):
        return exchange.refuse()
    return exchange.deliver(endpoint)


def _echo(request: Request) -> tuple[object, ...]:
    return request.method, request.path, request.body


def _status(request: Request) -> int:
    """The status that the request asks the server for, 200 unless it does."""
    return next((int(value) for name, value in request.headers if name.lower() == ASKED_STATUS), 200)


def _delay(request: Request, pod: str) -> float:
    """Seconds for which a request asks a pod to hold its answer back: `MILLISECONDS`, or `MILLISECONDS@POD`."""
    asked = next((value for name, value in request.headers if name.lower() == ASKED_DELAY), "")
    milliseconds, _, at = asked.partition("@")
    return int(milliseconds) / 1000 if milliseconds and at in ("", pod) else 0.0


def _shows(request: Request, due: Sequence[tuple[str, str]]) -> bool:
    """Whether the server sees these headers: name, and an expression for the whole value."""
    seen = [(name.lower(), value) for name, value in request.headers]
    return all(any(name.lower() == one and re.fullmatch(wanted, value) for one, value in seen) for name, wanted in due)
