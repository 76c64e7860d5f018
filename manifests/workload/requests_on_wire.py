"""Requests on the wire: one attempt at one request over a raw socket, with the exact outcome.

Sockets are closed with RST, so that neither ports nor connection tracking run out under thousands of
connections.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

from time_limit import Within
from wire_format import GREETING, LINE_LIMIT, Body, Head, WireError, chunked, payload, take_head

if TYPE_CHECKING:
    from traffic_agent import Step

PROTOCOLS = {"http": socket.SOCK_STREAM, "tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
RST_ON_CLOSE = struct.pack("ii", 1, 0)
OUTCOMES = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EACCES: "unreachable",  # a firewall's "administratively prohibited"
    errno.EPERM: "unreachable",
}


class LocalError(Exception):
    """The pod itself could not send: no ports, no descriptors. It says nothing about the mesh."""


class EndOfStream(Exception):
    """The peer closed before a complete answer had come."""


class Attempt:
    """One request and what has come of it until now."""

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        self.outcome = "timeout"
        self.status: int | None = None
        self.pod: str | None = None
        self.port: int | None = None
        self.connection = 0
        self.sent_at = time.time()
        self._started = time.monotonic()
        self._seconds = 0.0

    def ended(self, outcome: str) -> None:
        """Note the outcome, and the time it took."""
        self.outcome = outcome
        self._seconds = time.monotonic() - self._started

    def reply(self) -> list[Any]:
        """The reply as JSON."""
        took = round(1000 * self._seconds, 2)
        return [self.outcome, self.status, self.pod, self.port, took, round(self.sent_at, 4), self.connection]

    def heard(self, echo: Any, expected: dict[str, Any]) -> bool:
        """Take over who answered; whether it is the echo of exactly this request."""
        if not is_echo(echo):
            return False
        self.pod, self.port = echo["pod"], echo["port"]
        return all(echo.get(key) == value for key, value in expected.items())


def is_echo(answer: Any) -> bool:
    """Whether an answer has the marks of the echo server's."""
    return isinstance(answer, dict) and type(answer.get("port")) is int and isinstance(answer.get("pod"), str)


def parsed(content: bytes) -> Any:
    """JSON, or None for what is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def digest(content: bytes) -> str | None:
    """As the echo server gives it: SHA-256 in hex, None for nothing."""
    return hashlib.sha256(content).hexdigest() if content else None


class Channel:
    """What one lane sends over: a connection per request, or one that is kept while the peer keeps it."""

    def __init__(self, address: Any | None) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self._opened = 0
        self._sending: asyncio.Future[None] | None = None
        self._broken: OSError | None = None
        self._past: set[str] = set()
        self._greeted_on = 0
        self.buffer = bytearray()

    async def carry(self, attempt: Attempt, step: Step) -> None:
        """Send one request and note its outcome. Raises LocalError."""
        if self._address is None:
            attempt.ended("unresolved")
            return
        reusable = False
        try:
            with Within(step.timeout):
                await self._open(PROTOCOLS[step.protocol], attempt)
                reusable = await getattr(self, f"_{step.protocol}")(attempt, step)
        except TimeoutError:
            attempt.ended("timeout" if attempt.outcome != "greeted" else "greeted")
        except (EndOfStream, OSError) as error:
            attempt.ended("greeted" if attempt.outcome == "greeted" else self._outcome(error))
        except WireError:
            attempt.ended("altered")
        finally:
            if not reusable or step.connection == "new":
                self.close()

    def _outcome(self, error: Exception) -> str:
        """The reason of a failed send explains an end of stream that follows it."""
        cause = self._broken or error
        if isinstance(cause, EndOfStream):
            return "closed"
        assert isinstance(cause, OSError)
        if cause.errno not in OUTCOMES:
            raise LocalError(f"cannot send from here: {cause}") from cause
        return OUTCOMES[cause.errno]

    def close(self) -> None:
        """Close with RST."""
        if self._sending:
            self._sending.cancel()
        if self._socket:
            self._socket.close()
        self._socket = self._sending = self._broken = None
        self.buffer.clear()

    async def _open(self, kind: int, attempt: Attempt) -> None:
        if self._socket and not self._is_alive(self._socket):
            self.close()
        if self._socket is None:
            self._opened += 1
            attempt.connection = self._opened
            await self._connect(kind)
        attempt.connection = self._opened

    async def _connect(self, kind: int) -> None:
        assert self._address is not None
        family, address = self._address
        try:
            self._socket = socket.socket(family, kind)
        except OSError as error:
            raise LocalError(f"no socket: {error}") from error
        self._socket.setblocking(False)
        if kind == socket.SOCK_STREAM:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._loop.sock_connect(self._socket, address)

    @staticmethod
    def _is_alive(kept: socket.socket) -> bool:
        """A kept connection that can be read between requests was closed by the peer, or is out of step."""
        try:
            kept.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return kept.type == socket.SOCK_DGRAM

    def _send(self, data: bytes) -> None:
        """Send without waiting, so that an answer that comes before all is sent can be read."""
        assert self._socket is not None
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken = error  # what the peer said before it broke off may still be there to read
            return
        if sent < len(data):
            self._sending = asyncio.ensure_future(self._send_rest(self._socket, data[sent:]))

    async def _send_rest(self, through: socket.socket, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(through, data)
        except OSError as error:
            self._broken = error

    async def _more(self, limit: int = LINE_LIMIT) -> None:
        """Add to the buffer what comes next. Raises EndOfStream, OSError."""
        assert self._socket is not None
        data = await self._loop.sock_recv(self._socket, 1 << 16)
        if not data:
            raise EndOfStream
        self.buffer += data
        if len(self.buffer) > limit:
            raise WireError("the answer is too long")

    async def _http(self, attempt: Attempt, step: Step) -> bool:
        body = payload(attempt.id, step.body)
        self._send(http_request(attempt.id, step, body))
        head = await self._head(attempt)
        content = await self._content(head, step.method)
        due = {"id": attempt.id, "method": step.method, "path": step.path, "body": digest(body)}
        if step.method == "HEAD":
            echo: Any = {
                "pod": head.get("x-smi-pod"),
                "port": _number(head.get("x-smi-port")),
                "id": head.get("x-smi-id"),
            }
            due = {"id": attempt.id}
        else:
            echo = parsed(content)
        exact = attempt.heard(echo, due) and attempt.status == 200
        attempt.ended("answer" if exact else "altered" if is_echo(echo) else "status")
        return head.keeps_alive and not self.buffer and self._sending_done()

    def _sending_done(self) -> bool:
        return self._sending is None or self._sending.done()

    async def _head(self, attempt: Attempt) -> Head:
        while True:
            while (head := take_head(self.buffer)) is None:
                await self._more()
            if not head.start[0].startswith("HTTP/") or (status := _number(head.start[1])) is None:
                raise WireError(f"not a response: {head.start}")
            if status >= 200 or status == 101:
                attempt.status = status
                return head

    async def _content(self, head: Head, method: str) -> bytes:
        if method == "HEAD" or head.start[1] in ("101", "204", "304"):
            return b""
        body = Body(head, keep=True, until_eof=True)
        while not body.feed(self.buffer):
            try:
                await self._more(limit=1 << 26)
            except EndOfStream:
                if not body.end():
                    raise
                break
        return bytes(body.content)

    async def _tcp(self, attempt: Attempt, step: Step) -> bool:
        if step.greeting and attempt.connection != self._greeted_on:
            await self._greeting(attempt)
        padding = payload(attempt.id, step.padding).hex().encode()[: step.padding]
        self._send(b"%s %s\n" % (attempt.id.encode(), padding))
        line = await self._line()
        if line + b"\n" == GREETING and not step.greeting:
            line = await self._line()
        due = {"id": attempt.id, "body": digest(padding)}
        attempt.ended("answer" if attempt.heard(parsed(line), due) else "altered")
        return not self.buffer

    async def _greeting(self, attempt: Attempt) -> None:
        if await self._line() + b"\n" != GREETING:
            raise WireError("not the greeting")
        attempt.outcome = "greeted"
        self._greeted_on = attempt.connection

    async def _line(self) -> bytes:
        while (end := self.buffer.find(b"\n")) < 0:
            await self._more()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        return line

    async def _udp(self, attempt: Attempt, step: Step) -> bool:
        assert self._socket is not None
        padding = payload(attempt.id, step.padding).hex().encode()[: step.padding]
        await self._loop.sock_sendall(self._socket, b"%s %s\n" % (attempt.id.encode(), padding))
        while True:
            echo = parsed(await self._loop.sock_recv(self._socket, 1 << 16))
            if not (isinstance(echo, dict) and echo.get("id") in self._past):
                break  # anything but the late answer to an earlier request
        self._past.add(attempt.id)
        due = {"id": attempt.id, "body": digest(padding)}
        attempt.ended("answer" if attempt.heard(echo, due) else "altered")
        return True


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def http_request(request_id: str, step: Step, body: bytes) -> bytes:
    """The request as bytes. Headers of the step stand after ours."""
    port = "" if step.port == 80 else f":{step.port}"
    host = f"[{step.host}]" if ":" in step.host else step.host
    headers = [["host", step.host_header or host + port], ["x-smi-id", request_id], *step.headers]
    if step.chunked:
        headers.append(["transfer-encoding", "chunked"])
    elif body or step.method in ("POST", "PUT", "PATCH"):
        headers.append(["content-length", str(len(body))])
    lines = [f"{step.method} {step.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (chunked(body) if step.chunked else body)
