"""HTTP/2 and unary gRPC on the wire: plain text with prior knowledge, a stream per request."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from http2_library import Http2, Incoming, Outgoing, framed, unframed
from requests_on_wire import Attempt, EndOfStream, LocalError, TcpChannel, authority, judge, number
from wire_format import WireError, payload

if TYPE_CHECKING:
    from h2.connection import H2Connection
    from traffic_agent import Step

Headers = list[tuple[str, str]]
WITH_BODY = ("POST", "PUT", "PATCH")


class Http2Channel(TcpChannel):
    """One HTTP/2 connection per lane; the requests of a kept one are streams of it, one after another."""

    def __init__(self, address: Any | None) -> None:
        super().__init__(address)
        self._session: Http2 | None = None

    def close(self) -> None:
        """Close with RST."""
        super().close()
        self._session = None

    async def _connect(self) -> None:
        self._session = Http2(client=True)
        await super()._connect()

    def _is_alive(self, kept: socket.socket) -> bool:
        """Between requests the peer may say something about the connection, or that it is leaving."""
        assert self._session
        try:
            while data := kept.recv(1 << 16):
                self._session.receive(data)
        except BlockingIOError:
            return self._session.leaving is None
        except (OSError, WireError):
            pass
        return False

    async def _http2(self, attempt: Attempt, step: Step) -> bool:
        body = payload(attempt.id, step.body)
        sized = [("content-length", str(len(body)))] if body or step.method in WITH_BODY else []
        response = await self._exchange(attempt, step, step.method, sized, body)
        if response.was_reset:
            attempt.ended("reset")
        else:
            judge(attempt, step.method, step.path, body, response.head, bytes(response.body))
        return self._stays

    async def _grpc(self, attempt: Attempt, step: Step) -> bool:
        """An echo counts only when the call has ended well, which its trailers tell."""
        message = payload(attempt.id, step.body)
        marks = [("te", "trailers"), ("content-type", "application/grpc")]
        response = await self._exchange(attempt, step, "POST", marks, framed(message))
        content = unframed(bytes(response.body)) if response.trailers.get("grpc-status") == "0" else b""
        if response.was_reset:
            attempt.ended("reset")
        elif content is None:
            attempt.ended("altered")
        else:
            judge(attempt, "POST", step.path, message, response.head, content)
        return self._stays

    @property
    def _stays(self) -> bool:
        return self._session is not None and self._session.leaving is None

    async def _exchange(self, attempt: Attempt, step: Step, method: str, extra: Headers, body: bytes) -> Incoming:
        """One stream, until the response has ended. Raises EndOfStream, WireError, OSError, LocalError."""
        assert self._session
        try:
            return await self._stream(self._session.h2, attempt, [*_start(attempt, step, method), *extra], body)
        except self._session.error as error:
            raise LocalError(f"cannot be sent over HTTP/2: {error}") from None

    async def _stream(self, h2: H2Connection, attempt: Attempt, headers: Headers, body: bytes) -> Incoming:
        stream = h2.get_next_available_stream_id()
        h2.send_headers(stream, headers, end_stream=not body)
        outgoing, response = Outgoing(stream, body), Incoming()
        outgoing.done = not body
        while not response.ended:
            outgoing.push(h2)
            await self._flush()
            await self._heard(stream, response)
            attempt.status = number(response.head.start[1]) if response.head.start else None
        if not outgoing.done and not response.closed:
            h2.reset_stream(stream)  # answered before all was sent: nobody wants the rest
        await self._flush()
        return response

    async def _flush(self) -> None:
        assert self._socket
        assert self._session
        if data := self._session.h2.data_to_send():
            await self._loop.sock_sendall(self._socket, data)

    async def _heard(self, stream: int, response: Incoming) -> None:
        """Wait for bytes of the peer, and keep what belongs to the stream."""
        assert self._socket
        assert self._session
        data = await self._loop.sock_recv(self._socket, 1 << 16)
        if not data:
            raise EndOfStream
        for event in self._session.receive(data):
            if getattr(event, "stream_id", None) == stream:
                response.take(event)
        if self._session.leaving is not None and self._session.leaving < stream:
            raise EndOfStream


def _start(attempt: Attempt, step: Step, method: str) -> Headers:
    """What every request begins with; header names are written in lower case, as HTTP/2 has them."""
    pseudo = [(":method", method), (":scheme", "http"), (":authority", authority(step)), (":path", step.path)]
    own = [(name.lower(), value) for name, value in step.headers]
    return [*pseudo, ("x-smi-id", attempt.id), *own]
