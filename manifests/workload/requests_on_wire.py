"""Requests on the wire: one attempt at one request over a raw socket, with the exact outcome.

Sockets are closed with RST, so that neither ports nor connection tracking run out under thousands of
connections.
"""

from __future__ import annotations

import asyncio
import errno
import json
import re
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from time_limit import Within
from wire_format import GREETING, LINE_LIMIT, Body, Head, WireError, chunked, digest, payload, take_head

if TYPE_CHECKING:
    from traffic_agent import Step

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
    """One request and what has come of it until now. `due` are headers that its server has to have seen."""

    def __init__(self, request_id: str, due: Sequence[Sequence[str]] = ()) -> None:
        self.id = request_id
        self.due = due
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
        exact = all(echo.get(key) == value for key, value in expected.items())
        return exact and all(_shows(echo.get("headers"), *pair) for pair in self.due)


def is_echo(answer: Any) -> bool:
    """Whether an answer has the marks of the echo server's."""
    return isinstance(answer, dict) and type(answer.get("port")) is int and isinstance(answer.get("pod"), str)


def _shows(headers: Any, name: str, expression: str) -> bool:
    """Whether the echo tells a header whose whole value fits."""
    seen = [str(value) for key, value in headers or () if str(key).lower() == name.lower()]
    return any(re.fullmatch(expression, value) for value in seen)


def parsed(content: bytes) -> Any:
    """JSON, or None for what is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


class Channel:
    """What lanes send over to one address, None if there is none."""

    def __init__(self, address: Any | None) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self._opened = 0

    async def carry(self, attempt: Attempt, step: Step) -> None:
        """Send one request and note its outcome. Raises LocalError."""
        raise NotImplementedError

    def close(self) -> None:
        """Give up what is open."""
        raise NotImplementedError


class TcpChannel(Channel):
    """A connection per request, or one that is kept while the peer keeps it: HTTP/1.1 or lines over TCP."""

    def __init__(self, address: Any | None) -> None:
        super().__init__(address)
        self._sending: asyncio.Future[None] | None = None
        self._broken: OSError | None = None
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
                await self._open(attempt)
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
        return outcome_of(cause) if isinstance(cause, OSError) else "closed"

    def close(self) -> None:
        """Close with RST."""
        if self._sending:
            self._sending.cancel()
        if self._socket:
            self._socket.close()
        self._socket = self._sending = self._broken = None
        self.buffer.clear()

    async def _open(self, attempt: Attempt) -> None:
        if self._socket and not self._is_alive(self._socket):
            self.close()
        if self._socket is None:
            self._opened += 1
            attempt.connection = self._opened
            await self._connect()
        attempt.connection = self._opened

    async def _connect(self) -> None:
        assert self._address is not None
        family, address = self._address
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise LocalError(f"no socket: {error}") from error
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._loop.sock_connect(self._socket, address)

    def _is_alive(self, kept: socket.socket) -> bool:
        """A kept connection that can be read between requests was closed by the peer, or is out of step."""
        try:
            kept.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

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
        request = http_request(attempt.id, step, body)
        if step.ahead:
            await self._pass_by(attempt, step, request)
        else:
            self._send(request)
        head = await self._head(attempt)
        content = await self._content(head, step.method)
        judge(attempt, step.method, step.path, body, head, content)
        return head.keeps_alive and not self.buffer and self._sending_done()

    async def _pass_by(self, attempt: Attempt, step: Step, request: bytes) -> None:
        """Send the request in one packet with another before it, and read the response to that one."""
        first = replace(step, method="GET", path=step.ahead, body=0, chunked=False)
        self._send(http_request(f"{attempt.id}.ahead", first, b"") + request)
        head = await self._head(attempt)
        await self._content(head, "GET")
        attempt.status = None
        if not head.keeps_alive:
            raise EndOfStream

    def _sending_done(self) -> bool:
        return self._sending is None or self._sending.done()

    async def _head(self, attempt: Attempt) -> Head:
        while True:
            while (head := take_head(self.buffer)) is None:
                await self._more()
            if not head.start[0].startswith("HTTP/") or (status := number(head.start[1])) is None:
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
        self._send(line_of(attempt.id, step.padding))
        line = await self._line()
        if line + b"\n" == GREETING and not step.greeting:
            line = await self._line()
        judge_line(attempt, line, step)
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


def outcome_of(error: OSError) -> str:
    """What an error of a socket says. Raises LocalError when it says something of this pod alone."""
    if error.errno not in OUTCOMES:
        raise LocalError(f"cannot send from here: {error}") from error
    return OUTCOMES[error.errno]


def _padding(request_id: str, size: int) -> bytes:
    return payload(request_id, size).hex().encode()[:size]


def line_of(request_id: str, padding: int) -> bytes:
    """A request over TCP or UDP: its id, and padding of so many bytes."""
    return b"%s %s\n" % (request_id.encode(), _padding(request_id, padding))


def judge_line(attempt: Attempt, line: bytes, step: Step) -> None:
    """Note whether a line is the echo of what was sent."""
    due = {"id": attempt.id, "body": digest(_padding(attempt.id, step.padding))}
    attempt.ended("answer" if attempt.heard(parsed(line), due) else "altered")


def judge(attempt: Attempt, method: str, path: str, body: bytes, head: Head, content: bytes) -> None:
    """Note whether a response is the echo of what was sent. To HEAD, its headers are the echo."""
    due = {"id": attempt.id, "method": method, "path": path, "body": digest(body)}
    echo = parsed(content)
    if method == "HEAD":
        due = {"id": attempt.id}
        echo = {"id": head.get("x-smi-id"), "pod": head.get("x-smi-pod"), "port": number(head.get("x-smi-port"))}
    exact = attempt.heard(echo, due) and attempt.status == 200
    attempt.ended("answer" if exact else "altered" if is_echo(echo) else "status")


def number(text: str) -> int | None:
    """A small number in decimal, None for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def authority(step: Step) -> str:
    """What a request says of its destination."""
    port = "" if step.port == 80 else f":{step.port}"
    host = f"[{step.host}]" if ":" in step.host else step.host
    return step.host_header or host + port


def http_request(request_id: str, step: Step, body: bytes) -> bytes:
    """The request as bytes. Headers of the step stand after ours."""
    headers = [["host", authority(step)], ["x-smi-id", request_id], *step.headers]
    if step.chunked:
        headers.append(["transfer-encoding", "chunked"])
    elif body or step.method in ("POST", "PUT", "PATCH"):
        headers.append(["content-length", str(len(body))])
    lines = [f"{step.method} {step.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (chunked(body) if step.chunked else body)
