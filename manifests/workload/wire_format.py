"""Frames and HTTP/1.1 messages, as the echo server and the traffic agent read and write them.

A frame is an ASCII decimal length, a newline, and that many bytes of ASCII JSON.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from typing import Any, BinaryIO

FRAME_LIMIT = 64 << 20
HEAD_LIMIT = 64 << 10
BODY_LIMIT = 16 << 20
LINE_LIMIT = 2 << 20
ID_LIMIT = 200
GREETING = b"hello\n"


class WireError(Exception):
    """The peer sent something that the protocol does not allow; the connection is of no more use."""


def frame(message: Any) -> bytes:
    """One message as a frame."""
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return b"%d\n%s" % (len(body), body)


def refusal(reason: object) -> dict[str, Any]:
    """The answer to a request that cannot be served: one line that says why."""
    return {"ok": False, "error": " ".join(str(reason).split())[:500]}


def _frame_length(line: bytes) -> int:
    digits = line[:-1]
    if not line.endswith(b"\n") or not digits.isdigit() or len(digits) > 9:
        raise WireError(f"a frame starts with its length in decimal, not with {line[:20]!r}")
    if int(digits) > FRAME_LIMIT:
        raise WireError(f"a frame of {int(digits)} bytes is over the limit of {FRAME_LIMIT}")
    return int(digits)


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame's JSON from a blocking stream, None at its end. Raises WireError."""
    line = stream.readline(12)
    if not line:
        return None
    length = _frame_length(line)
    body = stream.read(length)
    if len(body) < length:
        raise WireError(f"the stream ended after {len(body)} of {length} bytes of a frame")
    return body


async def receive_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame's JSON from a connection, None at its end. Raises WireError."""
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise WireError("the connection ended in the middle of a frame") from None
    except asyncio.LimitOverrunError:
        raise WireError("a frame starts with its length in decimal") from None
    length = _frame_length(line)
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        raise WireError("the connection ended in the middle of a frame") from None


def payload(request_id: str, size: int) -> bytes:
    """The body that belongs to a request: a function of its id, so that swapped bodies are seen."""
    return hashlib.shake_128(request_id.encode()).digest(size)


def digest(content: bytes) -> str | None:
    """As the echo server gives it: SHA-256 in hex, None for nothing."""
    return hashlib.sha256(content).hexdigest() if content else None


def chunked(body: bytes) -> bytes:
    """The body in the chunked coding, in chunks of 4 KiB."""
    parts = [body[at : at + 4096] for at in range(0, len(body), 4096)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@dataclass(frozen=True)
class Head:
    """Start line and headers of a message; header names as they came."""

    start: list[str]
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str:
        """The first value of a header, empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def keeps_alive(self) -> bool:
        """Whether the sender is willing to go on with the connection."""
        wish = self.get("connection").lower()
        return "close" not in wish and ("HTTP/1.1" in self.start or "keep-alive" in wish)


def take_head(buffer: bytearray) -> Head | None:
    """Take one complete head off the buffer, None while it is incomplete. Raises WireError."""
    while buffer[:2] == b"\r\n":  # RFC 9112 2.2: empty lines before a start line are ignored
        del buffer[:2]
    end = buffer.find(b"\r\n\r\n")
    if end < 0 and len(buffer) < HEAD_LIMIT:
        return None
    if not 0 <= end < HEAD_LIMIT:
        raise WireError("the head of the message is too long")
    lines = buffer[:end].decode("latin-1").split("\r\n")
    del buffer[: end + 4]
    return Head(_start_line(lines[0]), [_header(line) for line in lines[1:]])


def _start_line(line: str) -> list[str]:
    parts = line.split(" ", 2)
    if len(parts) < 2 or not (parts[0].startswith("HTTP/1.") or line.endswith((" HTTP/1.0", " HTTP/1.1"))):
        raise WireError(f"not HTTP/1: {line[:40]!r}")
    return parts


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise WireError(f"not a header: {line[:40]!r}")
    return name, value.strip()


class Body:
    """Takes a message's body off a buffer piece by piece, and keeps it or only its digest."""

    def __init__(self, head: Head, *, keep: bool = False, until_eof: bool = False) -> None:
        self._chunked = "chunked" in head.get("transfer-encoding").lower()
        self._left = self._length(head)
        self._until_eof = until_eof and not self._chunked and not head.get("content-length")
        self._keep, self._in_trailers = keep, False
        self._digest, self.size, self.content = hashlib.sha256(), 0, bytearray()

    @staticmethod
    def _length(head: Head) -> int:
        text = head.get("content-length") or "0"
        if not (text.isascii() and text.isdigit()) or len(text) > 12:
            raise WireError(f"not a content length: {text[:40]!r}")
        return int(text)

    @property
    def digest(self) -> str | None:
        """SHA-256 of what was taken, None if nothing was."""
        return self._digest.hexdigest() if self.size else None

    def feed(self, buffer: bytearray) -> bool:
        """Take what belongs to the body; whether it is complete. Raises WireError."""
        if self._chunked:
            return self._feed_chunks(buffer)
        if self._until_eof:
            self._take(buffer, len(buffer))
            return False
        taken = min(self._left, len(buffer))
        self._left -= taken
        self._take(buffer, taken)
        return not self._left

    def end(self) -> bool:
        """The peer has closed: whether that is this body's proper end."""
        return self._until_eof

    def _feed_chunks(self, buffer: bytearray) -> bool:
        while (end := buffer.find(b"\r\n", 0, HEAD_LIMIT)) >= 0:
            if self._in_trailers:
                del buffer[: end + 2]
                if not end:
                    return True
                continue
            size = self._chunk_size(bytes(buffer[:end]))
            if size and len(buffer) < end + 2 + size + 2:
                return False
            del buffer[: end + 2]
            self._take(buffer, size)
            del buffer[: 2 if size else 0]
            self._in_trailers = not size
        if len(buffer) >= HEAD_LIMIT:
            raise WireError("not a chunk")
        return False

    def _chunk_size(self, line: bytes) -> int:
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise WireError(f"not the size of a chunk: {line[:40]!r}") from None
        if not 0 <= size <= BODY_LIMIT:
            raise WireError("the chunk is too long")
        return size

    def _take(self, buffer: bytearray, size: int) -> None:
        part = bytes(buffer[:size])
        del buffer[:size]
        self.size += size
        if self.size > BODY_LIMIT:
            raise WireError("the body is too long")
        self._digest.update(part)
        if self._keep:
            self.content += part
