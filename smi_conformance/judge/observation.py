"""Observations: what a client sent, what came back, and what the servers saw of it.

An observation is all that a verdict about traffic may stand on. It is immutable and round-trips through
compact JSON, so that a stranger can judge it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import starmap
from operator import lt
from typing import Any, NamedTuple

from smi_conformance.judge.verdict import EvidenceLost, HarnessError

FOREIGN = "?"


@dataclass(frozen=True)
class Step:
    """`count` requests of one kind to one port; the fields are those that the traffic agent takes.

    `timeout` is in seconds per request, `rate` in requests per second, `body` and `padding` in bytes.
    `connection` is new (one per request) or kept (one per lane); `pool` names kept connections that outlive
    the step. `greeting` makes a TCP client wait for the server's greeting; `ahead` is the path of a GET that goes
    before each HTTP/1.1 request in the same packet. `due` are headers that the server has to
    have seen: name, and a regular expression for the whole value; otherwise the answer counts as altered.
    """

    protocol: str
    host: str
    port: int
    id: str
    count: int = 1
    concurrency: int = 1
    connection: str = "new"
    timeout: float = 5.0
    rate: float | None = None
    pool: str = ""
    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    host_header: str | None = None
    body: int = 0
    chunked: bool = False
    padding: int = 0
    greeting: bool = False
    due: tuple[tuple[str, str], ...] = ()
    ahead: str = ""

    @cached_property
    def ids(self) -> list[str]:
        """The id of every request, in order. Not to be changed."""
        return [f"{self.id}.{index}" for index in range(self.count)]

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the default, as the agent takes it."""
        values = ((name, getattr(self, name), default) for name, default in _DEFAULTS)
        changed = {name: value for name, value, default in values if value != default}
        for name in changed.keys() & {"headers", "due"}:
            changed[name] = [list(pair) for pair in changed[name]]
        return changed

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> Step:
        """The inverse of `to_json`."""
        pairs = {name: tuple((one, other) for one, other in source.get(name, [])) for name in ("headers", "due")}
        return cls(**{**source, **pairs})


_DEFAULTS = [(one.name, one.default) for one in fields(Step)]


@dataclass(frozen=True)
class Plan:
    """Steps that a client carries out one after another."""

    steps: tuple[Step, ...]

    @cached_property
    def ids(self) -> list[str]:
        """The id of every request, in order. Not to be changed."""
        return [one for step in self.steps for one in step.ids]

    def to_json(self) -> list[dict[str, Any]]:
        """The `steps` of the agent's request."""
        return [step.to_json() for step in self.steps]

    @classmethod
    def from_json(cls, source: list[dict[str, Any]]) -> Plan:
        """The inverse of `to_json`."""
        return cls(tuple(Step.from_json(step) for step in source))


# There are many thousands of replies and arrivals in a run: tuples are made and written fastest.


class Reply(NamedTuple):
    """What came of one request. `server` and `port` are those that the echo names; times in ms and Unix time.

    `outcome`: answer, altered, status, reset, refused, closed, timeout, greeted, unreachable or unresolved.
    `connection` counts the connections that the lane had opened by then.
    """

    outcome: str
    status: int | None = None
    server: str | None = None
    port: int | None = None
    milliseconds: float = 0.0
    sent_at: float = 0.0
    connection: int = 0


class Arrival(NamedTuple):
    """What a server saw of one request, noted before it answered."""

    seq: int
    id: str
    protocol: str
    port: int
    method: str | None = None
    path: str | None = None
    peer: str = ""


class Span(NamedTuple):
    """A time in which the CPU was crowded where a pod works: its begin in Unix time, and seconds.

    A process that needed the CPU ran `slowdown` times slower than on a machine of its own.
    """

    at: float
    seconds: float
    slowdown: float


@dataclass(frozen=True)
class ServerLog:
    """The arrivals of one server from number `since` up to and without number `until`.

    The boot id was read at both ends: a server that started anew in between has forgotten what it saw.
    """

    boots: tuple[str, str]
    since: int
    until: int
    arrivals: tuple[Arrival, ...] = ()

    def check(self, server: str) -> None:
        """Raises EvidenceLost if the log cannot be complete."""
        if self.boots[0] != self.boots[1]:
            raise EvidenceLost(f"{server} started anew while it was observed")
        numbers = [arrival.seq for arrival in self.arrivals]
        rising = all(map(lt, numbers, numbers[1:]))
        inside = not numbers or (self.since <= numbers[0] and numbers[-1] < self.until)
        if not (rising and inside and self.since <= self.until):
            raise EvidenceLost(f"the numbers of the arrivals at {server} do not fit {self.since}..{self.until}")

    def to_json(self) -> dict[str, Any]:
        """Compact JSON."""
        arrivals = list(map(list, self.arrivals))
        return {"boots": list(self.boots), "span": [self.since, self.until], "arrivals": arrivals}

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> ServerLog:
        """The inverse of `to_json`."""
        before, after = source["boots"]
        arrivals = tuple(starmap(Arrival, source["arrivals"]))
        since, until = source["span"]
        return cls((before, after), since, until, arrivals)


@dataclass(frozen=True)
class Observation:
    """A plan, its replies step by step, and the logs of all servers that could have been reached."""

    client: str
    plan: Plan
    replies: tuple[tuple[Reply, ...], ...]
    servers: Mapping[str, ServerLog] = field(default_factory=dict)
    cpu: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)

    def check(self) -> Observation:
        """The observation itself, if it can be judged. Raises HarnessError, EvidenceLost."""
        if len(self.plan.ids) != len(set(self.plan.ids)):
            raise HarnessError("request ids were used twice in one plan")
        if len(self.replies) != len(self.plan.steps):
            raise HarnessError(f"{len(self.plan.steps)} steps were planned, {len(self.replies)} answered")
        for step, replies in zip(self.plan.steps, self.replies, strict=True):  # pragma: no mutate (as many, see above)
            if len(replies) > step.count:
                raise HarnessError(f"{len(replies)} replies to {step.count} requests of {step.id}")
        for server, log in self.servers.items():
            log.check(server)
        return self

    def requests(self) -> Iterator[tuple[str, Reply]]:
        """(id, reply) of every request that was sent."""
        for step, replies in zip(self.plan.steps, self.replies, strict=True):
            # A stopped stream has sent less than planned.
            yield from zip(step.ids, replies, strict=False)  # pragma: no mutate (False is the default)

    def outcomes(self) -> Counter[str]:
        """How often each outcome was met."""
        return Counter([reply.outcome for replies in self.replies for reply in replies])

    def answered(self) -> dict[str, Reply]:
        """The requests whose exact echo came back, by id."""
        return {one: reply for one, reply in self.requests() if reply.outcome == "answer"}

    def unanswered(self) -> dict[str, Reply]:
        """All the others, by id."""
        return {one: reply for one, reply in self.requests() if reply.outcome != "answer"}

    def arrivals_by_server(self) -> dict[str, tuple[Arrival, ...]]:
        """What each server saw."""
        return {server: log.arrivals for server, log in self.servers.items()}

    def delivered(self, ids: Collection[str] | None = None) -> dict[str, list[str]]:
        """The servers that saw each request, once per arrival: a second one is a mesh's retry."""
        wanted = set(self.plan.ids if ids is None else ids)
        found: dict[str, list[str]] = {}
        for server, log in self.servers.items():
            for arrival in log.arrivals:
                if (one := arrival.id) in wanted:
                    found.setdefault(one, []).append(server)
        return found

    def counts(self, groups: Mapping[str, str] | None = None) -> Counter[str]:
        """Answered requests per server, or per group of servers; a server of no group counts as "?".

        Raises EvidenceLost if an answer names a server whose log does not hold the request.
        """
        delivered = self.delivered()
        counted: Counter[str] = Counter()
        for one, reply in self.answered().items():
            server = str(reply.server)
            if server in self.servers and server not in delivered.get(one, []):
                raise EvidenceLost(f"{server} answered {one} and its log does not hold it")
            counted[server if groups is None else groups.get(server, FOREIGN)] += 1
        return counted

    def span(self) -> tuple[float, float]:
        """When the first and the last request were sent, in Unix time. Raises HarnessError if none was."""
        times = [reply.sent_at for _, reply in self.requests()]
        if not times:
            raise HarnessError(f"{self.client} has sent nothing")
        return min(times), max(times)

    def to_json(self) -> dict[str, Any]:
        """Compact JSON."""
        return {
            "client": self.client,
            "plan": self.plan.to_json(),
            "replies": [list(map(list, replies)) for replies in self.replies],
            "servers": {server: log.to_json() for server, log in self.servers.items()},
            **({"cpu": {pod: list(map(list, spans)) for pod, spans in self.cpu.items()}} if self.cpu else {}),
        }

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> Observation:
        """The inverse of `to_json`."""
        return cls(
            source["client"],
            Plan.from_json(source["plan"]),
            tuple(tuple(starmap(Reply, replies)) for replies in source["replies"]),
            {server: ServerLog.from_json(log) for server, log in source["servers"].items()},
            {pod: tuple(starmap(Span, spans)) for pod, spans in source.get("cpu", {}).items()},
        )
