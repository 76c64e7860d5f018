"""The HTTP/2 library of the suite, imported only when something speaks HTTP/2: that takes a tenth of a second.

In a pod it lies beside this file as a zip archive of pure Python packages (h2, hpack, hyperframe).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wire_format import BODY_LIMIT, Head, WireError

if TYPE_CHECKING:
    from h2.connection import H2Connection
    from h2.events import Event

ARCHIVE = Path(__file__).with_name("http2.zip")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW = 1 << 20  # bytes that a peer may send before they are acknowledged
STREAMS = 100
FRAME_HEAD, FRAME_LIMIT, GOAWAY = 9, 1 << 14, 7


class NoLibrary(Exception):
    """This pod was not given the library, or its Python is too old for it."""


class Http2:
    """One HTTP/2 connection: bytes in, events out. Raises NoLibrary when there is none.

    The library takes GOAWAY for the end of everything. A proxy that drains says it while it still answers, so that
    frame is kept from the library: `leaving` is the last stream that the peer will answer, None while it stays.
    """

    def __init__(self, *, client: bool) -> None:
        self.h2 = _connection(client)
        self.leaving: int | None = None
        self._buffer = bytearray()
        self._preface = 0 if client else len(PREFACE)

    @property
    def error(self) -> type[Exception]:
        """What the library raises when it is told to send what HTTP/2 does not allow."""
        from h2.exceptions import H2Error  # noqa: PLC0415

        return H2Error

    def receive(self, data: bytes) -> list[Event]:
        """What the peer's bytes mean. Raises WireError when it is no HTTP/2."""
        from h2.events import DataReceived  # noqa: PLC0415

        self._buffer += data
        try:
            events = self.h2.receive_data(self._frames())
            for event in events:
                if isinstance(event, DataReceived) and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        except self.error as error:
            raise WireError(f"not HTTP/2: {error}") from None
        return events

    def _frames(self) -> bytes:
        """Take the complete frames off the buffer. Raises WireError."""
        taken = bytearray()
        if self._preface and len(self._buffer) >= self._preface:
            taken += self._take(self._preface)
            self._preface = 0
        while not self._preface and len(self._buffer) >= FRAME_HEAD:
            length = int.from_bytes(self._buffer[:3], "big")
            if length > FRAME_LIMIT:
                raise WireError(f"not an HTTP/2 frame: {bytes(self._buffer[:20])!r}")
            if len(self._buffer) < FRAME_HEAD + length:
                break
            frame = self._take(FRAME_HEAD + length)
            if frame[3] == GOAWAY:
                self.leaving = int.from_bytes(frame[FRAME_HEAD : FRAME_HEAD + 4], "big") & 0x7FFFFFFF
            else:
                taken += frame
        return bytes(taken)

    def _take(self, size: int) -> bytes:
        part = bytes(self._buffer[:size])
        del self._buffer[:size]
        return part


def _connection(client: bool) -> H2Connection:
    if ARCHIVE.exists() and str(ARCHIVE) not in sys.path:
        sys.path.insert(0, str(ARCHIVE))
    try:
        from h2.config import H2Configuration  # noqa: PLC0415
        from h2.connection import H2Connection  # noqa: PLC0415
        from h2.settings import SettingCodes, Settings  # noqa: PLC0415
    except (ImportError, SyntaxError) as error:
        raise NoLibrary(f"HTTP/2 needs {ARCHIVE.name} beside the program, and Python 3.10: {error}") from None
    own = {
        SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
        SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
        SettingCodes.ENABLE_PUSH: 0,
    }
    made = H2Connection(H2Configuration(client, header_encoding=None))
    made.local_settings = Settings(client, own)
    made.initiate_connection()
    made.increment_flow_control_window(WINDOW)
    return made


class Incoming:
    """A request or a response that comes in on a stream."""

    def __init__(self) -> None:
        self.head, self.trailers, self.body = Head([], []), Head([], []), bytearray()
        self.ended = self.was_reset = self.closed = False

    def take(self, event: Event) -> None:
        """Take over what an event of the stream brings. Raises WireError when the body is too long."""
        from h2 import events  # noqa: PLC0415

        if isinstance(event, (events.RequestReceived, events.ResponseReceived)):
            self.head = head_of(event.headers)
        elif isinstance(event, events.TrailersReceived):
            self.trailers = head_of(event.headers)
        elif isinstance(event, events.DataReceived):
            self.body += event.data or b""
            if len(self.body) > BODY_LIMIT:
                raise WireError("the body is too long")
        elif isinstance(event, events.StreamEnded):
            self.ended = True
        elif isinstance(event, events.StreamReset):  # after the end it only says that the rest is not wanted
            self.was_reset = not self.ended
            self.ended = self.closed = True


class Outgoing:
    """What is left to send on a stream: a body, then the end of the stream with trailers or without."""

    def __init__(self, stream: int, body: bytes, trailers: list[tuple[str, str]] | None = None) -> None:
        self._stream, self._rest, self._trailers = stream, body, trailers
        self.done = False

    def push(self, h2: H2Connection) -> None:
        """Send what the peer has room for."""
        while self._rest and (room := min(h2.local_flow_control_window(self._stream), h2.max_outbound_frame_size)) > 0:
            h2.send_data(self._stream, self._rest[:room])
            self._rest = self._rest[room:]
        if self._rest or self.done:
            return
        if self._trailers is None:
            h2.end_stream(self._stream)
        else:
            h2.send_headers(self._stream, self._trailers, end_stream=True)
        self.done = True


def head_of(headers: list[tuple[bytes, bytes]] | None) -> Head:
    """Head of a request or a response, as HTTP/1.1 would have it: the authority is the Host."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers or ()]
    fields = dict(pairs)
    if ":method" in fields:
        start = [fields[":method"], fields.get(":path", "*"), "HTTP/2"]
    else:
        start = ["HTTP/2", fields.get(":status", "")]
    host = [("host", fields[":authority"])] if ":authority" in fields else []
    return Head(start, host + [pair for pair in pairs if not pair[0].startswith(":")])


def is_grpc(head: Head) -> bool:
    """Whether a request is a gRPC call."""
    return head.get("content-type").startswith("application/grpc")


def framed(message: bytes) -> bytes:
    """A message as gRPC sends it: not compressed, its length before it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def unframed(body: bytes) -> bytes | None:
    """The only message of a body, None if that is not what it holds."""
    whole = len(body) >= 5 and body[0] == 0 and int.from_bytes(body[1:5], "big") == len(body) - 5
    return body[5:] if whole else None
