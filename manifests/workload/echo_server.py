"""The echo server: says who it is and what it saw, and remembers every arrival.

It listens on any number of HTTP, TCP and UDP ports. Its memory of arrivals, numbered without gaps, is read
over a Unix socket by the traffic agent in the same pod: what a server saw is the evidence that its answers
alone cannot be.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import socket
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any, cast

from time_limit import Within
from wire_format import (
    GREETING,
    HEAD_LIMIT,
    ID_LIMIT,
    LINE_LIMIT,
    Body,
    Head,
    WireError,
    digest,
    frame,
    receive_frame,
    refusal,
    take_head,
)

CAPACITY = 200_000
STALLED = 60.0  # seconds that a message may take to arrive
IDLE = 4000.0  # longer than the hour after which proxies give up idle connections, so that they do so first
UNSENT_LIMIT = 1 << 20
LONGEST_DELAY = 10.0
POD = socket.gethostname()

Arrival = list[Any]  # [seq, id, protocol, port, method, path, peer]


class GapError(Exception):
    """Arrivals were asked for that are no longer remembered."""


class Arrivals:
    """The latest arrivals in order, numbered from 0 without gaps within one boot."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.boot = secrets.token_hex(8)
        self.next = 0
        self._ring: deque[Arrival] = deque(maxlen=capacity)

    def add(self, request_id: str, protocol: str, port: int, peer: str, http: Head | None = None) -> Arrival:
        """Remember one arrival. Its id may be completed in place when it comes in pieces."""
        method, path = (http.start[0][:40], http.start[1][:1000]) if http else (None, None)
        arrival = [self.next, request_id[:ID_LIMIT], protocol, port, method, path, peer]
        self._ring.append(arrival)
        self.next += 1
        return arrival

    def since(self, seq: int, prefix: str) -> list[Arrival]:
        """Arrivals from number `seq` on whose id starts with the prefix. Raises GapError."""
        oldest = self.next - len(self._ring)
        if seq < oldest:
            raise GapError(f"arrivals {seq} to {oldest - 1} are gone: only the last {len(self._ring)} are kept")
        late = itertools.islice(self._ring, seq - oldest, None)
        return [arrival for arrival in late if arrival[1].startswith(prefix)]


class Connection(asyncio.Protocol):
    """One accepted connection: bounded in what it may send, leave unread, and in how long it may take."""

    protocol = ""

    def __init__(self, port: int, arrivals: Arrivals, open_ones: set[Connection]) -> None:
        self.port, self.arrivals, self._open = port, arrivals, open_ones
        self.buffer = bytearray()
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.peer = _address(transport.get_extra_info("peername"))
        self.transport.set_write_buffer_limits(high=UNSENT_LIMIT)
        self.expect(IDLE)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)

    def pause_writing(self) -> None:
        self.transport.abort()  # asks much and reads nothing

    def expect(self, seconds: float) -> None:
        """The connection is given up when its next step takes longer than this."""
        self.deadline = asyncio.get_running_loop().time() + seconds


class HttpConnection(Connection):
    """HTTP/1.1: records a request as soon as its head is read, answers when its body is."""

    protocol = "http"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.head: Head | None = None
        self._waiting = False

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.expect(STALLED)
        self._read_on()

    def _read_on(self) -> None:
        try:
            while self.buffer and not self._waiting and self._message() and not self.transport.is_closing():
                self.expect(IDLE)
        except WireError as error:
            self._respond("400 Bad Request", {"error": str(error)}, close=True)

    def _message(self) -> bool:
        if self.head is None:
            self.head = take_head(self.buffer)
            if self.head is None:
                return False
            self._arrived(self.head)
            self.body = Body(self.head)
        if not self.body.feed(self.buffer):
            return False
        head, self.head = self.head, None
        if delay := asked_delay(head):
            self._waiting = True
            asyncio.get_running_loop().call_later(delay, self._echo_late, head)
        else:
            self._echo(head)
        return True

    def _echo_late(self, head: Head) -> None:
        """Answer after the delay that was asked for, and only then read what came behind the request."""
        self._waiting = False
        if not self.transport.is_closing():
            self._echo(head)
            self._read_on()

    def _arrived(self, head: Head) -> None:
        self.arrivals.add(head.get("x-smi-id"), self.protocol, self.port, self.peer, head)

    def _echo(self, head: Head) -> None:
        echo = echo_of(head, self.port, self.body.digest)
        status = asked_status(head)
        line = f"{status} {'OK' if status == 200 else 'As Asked'}"
        self._respond(line, echo, close=not head.keeps_alive, bodiless=head.start[0] == "HEAD")

    def _respond(self, status: str, content: dict[str, Any], *, close: bool, bodiless: bool = False) -> None:
        """Identity also goes into headers: it is all that an answer to HEAD can carry."""
        body = json.dumps(content).encode("ascii")
        head = (
            f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-smi-id: {content.get('id', '')}\r\nx-smi-pod: {POD}\r\nx-smi-port: {self.port}\r\n"
            f"{'connection: close' + chr(13) + chr(10) if close else ''}\r\n"
        )
        self.transport.write(head.encode("latin-1") + (b"" if bodiless else body))
        if close:
            self.transport.close()


def asked_status(head: Head) -> int:
    """The status that a request asks for, 200 unless it does: 200 to 599."""
    asked = head.get("x-smi-answer")
    return int(asked) if asked.isascii() and asked.isdigit() and 200 <= int(asked) < 600 else 200


def asked_delay(head: Head) -> float:
    """Seconds that a request asks its answer to be held back: `MILLISECONDS`, or `MILLISECONDS@POD` for one pod only.

    At most ten seconds; over HTTP/1.1 only.
    """
    asked, _, pod = head.get("x-smi-delay").partition("@")
    wanted = asked.isascii() and asked.isdigit() and len(asked) < 6 and pod in ("", POD)
    return min(int(asked) / 1000, LONGEST_DELAY) if wanted else 0.0


def echo_of(head: Head, port: int, body: str | None) -> dict[str, Any]:
    """The answer to a request: who answers, and what it saw. `body` is the digest of the body."""
    return {
        "id": head.get("x-smi-id"),
        "pod": POD,
        "port": port,
        "method": head.start[0],
        "path": head.start[1],
        "body": body,
        "headers": head.headers,
    }


class TcpConnection(Connection):
    """Lines over TCP: each starts with an id. An arrival is recorded at its first bytes, whole or not."""

    protocol = "tcp"
    arrival: Arrival | None = None

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self.buffer:
            self.arrival = self.arrival or self.arrivals.add("", self.protocol, self.port, self.peer)
            self.arrival[1] = _id(self.buffer)
            end = self.buffer.find(b"\n")
            self.expect(IDLE if end >= 0 else STALLED)
            if end < 0:
                return None if len(self.buffer) < LINE_LIMIT else self.transport.abort()
            self.transport.write(line_echo(bytes(self.buffer[:end]), self.port))
            del self.buffer[: end + 1]
            self.arrival = None
        return None


class ServerFirstConnection(TcpConnection):
    """Greets before it has read anything, so the connection itself is the arrival (its id still empty)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.arrival = self.arrivals.add("", self.protocol, self.port, self.peer)
        self.transport.write(GREETING)


class UdpEcho(asyncio.DatagramProtocol):
    """Answers every datagram with one."""

    def __init__(self, port: int, arrivals: Arrivals) -> None:
        self._port, self._arrivals = port, arrivals

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._arrivals.add(_id(data), "udp", self._port, _address(addr))
        self._transport.sendto(line_echo(data.rstrip(b"\n"), self._port), addr)


def line_echo(line: bytes, port: int) -> bytes:
    """The answer to a line: who answers, the line's id, and the digest of its padding."""
    padding = line.partition(b" ")[2]
    return json.dumps({"id": _id(line), "pod": POD, "port": port, "body": digest(padding)}).encode("ascii") + b"\n"


def _id(data: bytes | bytearray) -> str:
    words = bytes(data[: ID_LIMIT + 1]).split(b"\n")[0].split(b" ")
    return words[0].decode("ascii", "replace")[:ID_LIMIT]


def _address(peer: Any) -> str:
    text = str(peer[0]) if peer else ""
    return text[7:] if text.startswith("::ffff:") else text


class Control:
    """The Unix socket over which the arrivals are read."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer frames until the peer closes or sends something that is none."""
        try:
            while (request := await self._next(reader)) is not None:
                writer.write(frame(self._answer(request)))
                with Within(STALLED):
                    await writer.drain()
        except WireError as error:
            writer.write(frame(refusal(error)))
        except (OSError, TimeoutError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def _next(reader: asyncio.StreamReader) -> bytes | None:
        with Within(STALLED):
            return await receive_frame(reader)

    def _answer(self, request: bytes) -> dict[str, Any]:
        try:
            return self._dispatch(json.loads(request))
        except (GapError, ValueError, TypeError, KeyError, AttributeError) as error:
            return refusal(f"{type(error).__name__}: {error}")

    def _dispatch(self, request: dict[str, Any]) -> dict[str, Any]:
        found = {"ok": True, "boot": self._arrivals.boot, "next": self._arrivals.next}
        if request["op"] == "hello":
            return found
        if request["op"] != "arrivals":
            raise ValueError(f"unknown op {request['op']!r}")
        since = self._arrivals.since(int(request.get("since", 0)), str(request.get("prefix", "")))
        return {**found, "arrivals": since}


def bound(port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket bound to a port of every address, IPv6 too where there is any. Raises OSError."""
    try:
        listener = _bound(port, kind, socket.AF_INET6, "::")
    except OSError:
        listener = _bound(port, kind, socket.AF_INET, "0.0.0.0")  # noqa: S104 (a server in a pod)
    return listener


def _bound(port: int, kind: socket.SocketKind, family: socket.AddressFamily, host: str) -> socket.socket:
    listener = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


class EchoServer:
    """All listeners of one pod. `ports` says which port each was given when 0 was asked for."""

    def __init__(self, state: Path, arrivals: Arrivals | None = None) -> None:
        self.arrivals = arrivals or Arrivals()
        self._state = state
        self._open: set[Connection] = set()
        self._listeners: list[asyncio.AbstractServer | asyncio.BaseTransport] = []
        self.ports: list[int] = []

    async def listen(self, kind: type[Connection], port: int) -> None:
        """Accept connections of one kind at a port. Raises OSError."""
        listener = bound(port, socket.SOCK_STREAM)
        number = listener.getsockname()[1]
        self.ports.append(number)
        loop = asyncio.get_running_loop()
        factory = partial(kind, number, self.arrivals, self._open)
        self._listeners.append(await loop.create_server(factory, sock=listener, backlog=1024))

    async def listen_udp(self, port: int) -> None:
        """Answer datagrams at a port. Raises OSError."""
        listener = bound(port, socket.SOCK_DGRAM)
        number = listener.getsockname()[1]
        self.ports.append(number)
        loop = asyncio.get_running_loop()
        factory = partial(UdpEcho, number, self.arrivals)
        transport, _ = await loop.create_datagram_endpoint(factory, sock=listener)
        self._listeners.append(transport)

    async def run(self) -> None:
        """Say that every listener is bound, and serve until cancelled."""
        path = self._state / "workload.sock"
        path.unlink(missing_ok=True)
        control = Control(self.arrivals).serve
        self._listeners.append(await asyncio.start_unix_server(control, str(path), limit=HEAD_LIMIT))
        (self._state / "ready").touch()
        while True:
            await asyncio.sleep(5)
            self.drop_stalled()

    def drop_stalled(self) -> None:
        """Give up the connections that have let their deadline pass."""
        now = asyncio.get_running_loop().time()
        for connection in [one for one in self._open if one.deadline < now]:
            connection.transport.abort()

    def close(self) -> None:
        """Stop listening and give up all connections."""
        for one in [*self._listeners, *(connection.transport for connection in self._open)]:
            one.close()
