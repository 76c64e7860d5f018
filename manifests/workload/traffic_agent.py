"""The traffic agent: sends what it is told to, and says for every request exactly what came of it.

Outcomes: `answer` the echo of exactly this request; `altered` an echo, or bytes, that differ from what was
due; `status` an HTTP response that is no echo; `reset`, `closed` (end of stream) and `timeout` without a
complete answer (a status beside them: the head of the response had come); `greeted` a server-first greeting
and nothing after it; `refused`, `unreachable` no connection; `unresolved` no address.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

from cpu_watch import CpuWatch
from http2_client import Http2Channel
from http2_library import NoLibrary
from requests_on_wire import Attempt, Channel, LocalError, TcpChannel
from time_limit import Within
from tls_client import TlsChannel
from udp_client import UdpChannel
from wire_format import WireError, frame, read_frame, receive_frame, refusal

PATIENCE = 600.0  # seconds without a frame after which the agent ends
LONGEST = 540.0  # seconds that one `traffic` may take: its answer comes before the agent would end
LIMITS = {"port": 65535, "count": 100_000, "concurrency": 256, "body": 1 << 20, "padding": 1 << 20}
STEPS, STREAMS, POOLED = 1000, 16, 256
Channels = dict[Any, Channel]
CHANNELS: dict[str, type[Channel]] = {
    "http": TcpChannel,
    "https": TlsChannel,
    "http2": Http2Channel,
    "grpc": Http2Channel,
    "tcp": TcpChannel,
    "udp": UdpChannel,
}


class PlanError(Exception):
    """A request of the suite that this agent does not carry out."""


@dataclass(frozen=True)
class Step:
    """`count` requests of one kind to one port. The fields are those of the JSON."""

    protocol: str
    host: str
    port: int
    id: str
    count: int = 1
    concurrency: int = 1
    connection: str = "new"
    timeout: float = 5.0
    rate: float | None = None
    pool: str = ""  # kept connections of this name outlive the step
    method: str = "GET"
    path: str = "/"
    headers: list[list[str]] = field(default_factory=list)
    host_header: str | None = None
    body: int = 0
    chunked: bool = False
    padding: int = 0
    greeting: bool = False  # tcp: wait for the server's greeting first
    ahead: str = ""  # http: GET this path in the same packet, before the request
    due: list[list[str]] = field(default_factory=list)  # http: headers that the server has to see: name, expression

    @classmethod
    def parse(cls, source: dict[str, Any]) -> Step:
        """A step from JSON. Raises PlanError."""
        unknown = set(source) - {one.name for one in fields(cls)}
        if unknown:
            raise PlanError(f"unknown fields in a step: {', '.join(sorted(unknown))}")
        try:
            step = cls(**source)
        except TypeError as error:
            raise PlanError(f"incomplete step: {error}") from None
        step._check()
        return step

    def _check(self) -> None:
        for name, most in LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= most:
                raise PlanError(f"{name} must be a whole number from 0 to {most}, not {value!r}")
        known = self.protocol in CHANNELS and self.connection in ("new", "kept")
        in_time = 0 < self.timeout <= 120 and (self.rate is None or 0 < self.rate <= 10_000)
        if not (known and in_time and self.concurrency):
            raise PlanError(f"not a step: {self}")
        texts = [self.host, self.id, self.method, self.path, self.host_header or "", self.pool, self.ahead]
        texts += [text for pair in self.headers for text in pair]
        if any(set("\r\n") & set(text) for text in texts):
            raise PlanError("line breaks in a step")
        try:
            [re.compile(expression) for _, expression in self.due]
        except re.error as error:
            raise PlanError(f"not a regular expression: {error}") from None


class Run:
    """One step on its way: lanes share its requests; replies are in the order of the requests."""

    def __init__(self, step: Step, pools: Channels) -> None:
        self._step, self._pools, self._own = step, pools, Channels()
        self._indices = iter(range(step.count))
        self.replies: list[Attempt] = []
        self.stopped = False

    async def finish(self) -> None:
        """Send all that is not stopped before. Raises LocalError."""
        started = time.monotonic()
        address = await resolve(self._step)
        lanes = range(min(self._step.concurrency, self._step.count))
        try:
            await gather([self._lane(lane, address, started) for lane in lanes])
        finally:
            for channel in self._own.values():
                channel.close()

    async def _lane(self, lane: int, address: Any | None, started: float) -> None:
        channel = self._channel(lane, address)
        for index in self._indices:
            await self._pace(index, started)
            if self.stopped:
                break
            await self._send(channel, index)

    def _channel(self, lane: int, address: Any | None) -> Channel:
        """A lane's own; one for all lanes where datagrams are kept on one socket."""
        protocol, pool = self._step.protocol, self._step.pool
        kind = CHANNELS[protocol]
        shared = kind is UdpChannel and self._step.connection == "kept"
        key = (pool, "http2" if protocol == "grpc" else protocol, address, 0 if shared else lane)
        channels = self._pools if pool else self._own
        if len(self._pools) >= POOLED and key not in channels:
            raise LocalError(f"more than {POOLED} connections in pools")
        return channels[key] if key in channels else channels.setdefault(key, kind(address))

    async def _pace(self, index: int, started: float) -> None:
        due = started + index / self._step.rate if self._step.rate else 0
        while not self.stopped and (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(min(wait, 0.2))

    async def _send(self, channel: Channel, index: int) -> None:
        attempt = Attempt(f"{self._step.id}.{index}", self._step.due)
        self.replies.append(attempt)
        await channel.carry(attempt, self._step)


async def resolve(step: Step) -> Any | None:
    """(family, address) of the step's host as the host name is given, None if it has none."""
    kind = socket.SOCK_DGRAM if step.protocol == "udp" else socket.SOCK_STREAM
    found = await addresses(step.host, step.port, kind)
    return found[0] if found else None


async def addresses(host: str, port: int, kind: socket.SocketKind) -> list[tuple[int, Any]]:
    """What the resolver of the pod knows of a name; nothing when it fails or takes 30 seconds."""
    loop = asyncio.get_running_loop()
    try:
        with Within(30):
            found = await loop.getaddrinfo(host, port, type=kind)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return [(family, address) for family, _, _, _, address in found]


async def gather(coroutines: list[Any]) -> None:
    """Run them side by side; the first error ends the others too."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Stream:
    """A plan that runs in the background until it ends or is stopped."""

    def __init__(self, steps: list[Step], pools: Channels) -> None:
        self._runs = [Run(step, pools) for step in steps]
        self.task = asyncio.ensure_future(self._finish())

    async def _finish(self) -> None:
        for run in self._runs:
            await run.finish()

    async def replies(self, seconds: float) -> list[list[list[Any]]]:
        """All replies, when every step has ended. Raises LocalError, PlanError."""
        try:
            with Within(seconds):
                await self.task
        except TimeoutError:
            raise PlanError(f"the plan took longer than {seconds:g} seconds") from None
        return [[attempt.reply() for attempt in run.replies] for run in self._runs]

    async def stop(self) -> list[list[list[Any]]]:
        """Send no more, let requests on their way end, and give the replies."""
        for run in self._runs:
            run.stopped = True
        return await self.replies(LONGEST)


class Agent:
    """Answers the suite's requests, one after another; streams go on between them."""

    def __init__(self, state: Path) -> None:
        self._socket = state / "workload.sock"
        self._streams: dict[str, Stream] = {}
        self._pools: Channels = {}
        self._answering = False
        self._cpu = CpuWatch(lambda: self._answering or bool(self._streams))

    def close(self) -> None:
        """Give up streams and kept connections."""
        self._cpu.close()
        for stream in self._streams.values():
            stream.task.cancel()
        for channel in self._pools.values():
            channel.close()

    async def answer(self, request: bytes) -> dict[str, Any]:
        """The answer to one frame; whatever is wrong with it is said in the answer."""
        self._answering = True
        self._cpu.attend()
        try:
            message = json.loads(request)
            operation = getattr(self, f"_op_{message['op']}", None)
            if operation is None:
                raise PlanError(f"unknown op {message['op']!r}")
            return {"ok": True, **await operation(message)}
        except (PlanError, LocalError, NoLibrary, WireError) as error:
            return refusal(error)
        except (ValueError, TypeError, KeyError, AttributeError, OSError, TimeoutError) as error:
            return refusal(f"{type(error).__name__}: {error}")
        finally:
            self._answering = False
            self._cpu.attend()

    async def _op_hello(self, _: dict[str, Any]) -> dict[str, Any]:
        boot = (await self._server({"op": "hello"}))["boot"]
        python = ".".join(map(str, sys.version_info[:3]))
        return {"boot": boot, "pod": socket.gethostname(), "python": python, "clock": time.time()}

    async def _op_traffic(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"replies": await self._stream(message).replies(LONGEST), "cpu": self._cpu.told()}

    async def _op_start(self, message: dict[str, Any]) -> dict[str, Any]:
        name = str(message["stream"])
        if name in self._streams or len(self._streams) >= STREAMS:
            raise PlanError(f"stream {name!r} is running, or {STREAMS} others are")
        self._streams[name] = self._stream(message)
        return {}

    async def _op_stop(self, message: dict[str, Any]) -> dict[str, Any]:
        name = str(message["stream"])
        if name not in self._streams:
            raise PlanError(f"no stream {name!r}")
        return {"replies": await self._streams.pop(name).stop(), "cpu": self._cpu.told()}

    async def _op_arrivals(self, message: dict[str, Any]) -> dict[str, Any]:
        return {**await self._server(message), "cpu": self._cpu.told()}

    async def _op_resolve(self, message: dict[str, Any]) -> dict[str, Any]:
        found = await addresses(str(message["name"]), 0, socket.SOCK_STREAM)
        return {"addresses": sorted({address[0] for _, address in found})}

    def _stream(self, message: dict[str, Any]) -> Stream:
        steps = [Step.parse(step) for step in message["steps"]]
        if len(steps) > STEPS or sum(step.count for step in steps) > LIMITS["count"]:
            raise PlanError(f"a plan has at most {STEPS} steps and {LIMITS['count']} requests")
        return Stream(steps, self._pools)

    async def _server(self, message: dict[str, Any]) -> dict[str, Any]:
        """Ask the pod's own echo server. Raises PlanError, WireError, OSError, TimeoutError."""
        with Within(30):
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
            try:
                writer.write(frame(message))
                answer = json.loads(await receive_frame(reader) or b"{}")
            finally:
                writer.close()
        if answer.get("ok") is not True:
            raise PlanError(f"echo server: {answer.get('error', 'no answer')}")
        return dict(answer)


async def converse(agent: Agent, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer frames until the input ends, is garbage, or nothing comes for ten minutes."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            reading = loop.run_in_executor(None, read_frame, source)
            with Within(PATIENCE):
                request = await asyncio.shield(reading)
            answer = None if request is None else await agent.answer(request)
        except TimeoutError:
            return
        except WireError as error:
            _write(sink, refusal(error))
            return
        if answer is None:
            return
        await loop.run_in_executor(None, _write, sink, answer)


def _write(sink: BinaryIO, answer: dict[str, Any]) -> None:
    try:
        sink.write(frame(answer))
        sink.flush()
    except BrokenPipeError:  # whoever asked has gone
        os._exit(0)
