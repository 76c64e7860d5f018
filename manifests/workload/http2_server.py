"""The HTTP/2 side of the echo server: plain text with prior knowledge, and unary gRPC calls."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from echo_server import IDLE, POD, STALLED, Connection, asked_status, echo_of
from http2_library import Http2, Incoming, NoLibrary, Outgoing, framed, is_grpc, unframed
from wire_format import WireError, digest

if TYPE_CHECKING:
    from h2.events import Event

Headers = list[tuple[str, str]]
OK, INTERNAL = "0", "13"  # of gRPC


class Http2Connection(Connection):
    """HTTP/2: records a request as soon as its headers are read, answers when its body is."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._requests: dict[int, Incoming] = {}
        self._answers: dict[int, Outgoing] = {}
        try:
            self._session = Http2(client=False)
        except NoLibrary:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        try:
            for event in self._session.receive(data):
                self._heard(event)
            self._push()
        except WireError:
            self.transport.write(self._session.h2.data_to_send())  # says why
            self.transport.close()
            return
        self.transport.write(self._session.h2.data_to_send())
        self.expect(STALLED if self._requests or self._answers else IDLE)

    def _heard(self, event: Event) -> None:
        from h2.events import RequestReceived  # noqa: PLC0415

        stream: int = getattr(event, "stream_id", None) or 0
        if isinstance(event, RequestReceived):
            self._requests[stream] = Incoming()
        request = self._requests.get(stream)
        if request is None:
            return
        request.take(event)
        if isinstance(event, RequestReceived):
            protocol = "grpc" if is_grpc(request.head) else "http2"
            self.arrivals.add(request.head.get("x-smi-id"), protocol, self.port, self.peer, request.head)
        if request.ended:
            del self._requests[stream]
            self._answers.pop(stream, None)
            if not request.was_reset:
                self._answer(stream, request)

    def _answer(self, stream: int, request: Incoming) -> None:
        grpc, body = is_grpc(request.head), bytes(request.body)
        message = unframed(body) if grpc else body
        echo = json.dumps(echo_of(request.head, self.port, digest(message or b""))).encode("ascii")
        # Identity also goes into headers: it is all that an answer to HEAD can carry.
        headers = [
            (":status", str(asked_status(request.head))),
            ("x-smi-id", request.head.get("x-smi-id")),
            ("x-smi-pod", POD),
        ]
        headers.append(("x-smi-port", str(self.port)))
        if grpc:
            self._respond(stream, [*headers, ("content-type", "application/grpc")], *_call_ended(message, echo))
            return
        headers += [("content-type", "application/json"), ("content-length", str(len(echo)))]
        self._respond(stream, headers, b"" if request.head.start[0] == "HEAD" else echo)

    def _respond(self, stream: int, headers: Headers, body: bytes, trailers: Headers | None = None) -> None:
        self._session.h2.send_headers(stream, headers)
        self._answers[stream] = Outgoing(stream, body, trailers)

    def _push(self) -> None:
        for stream, answer in list(self._answers.items()):
            answer.push(self._session.h2)
            if answer.done:
                del self._answers[stream]


def _call_ended(message: bytes | None, echo: bytes) -> tuple[bytes, Headers]:
    """Body and trailers of the answer to a gRPC call; one without exactly one message has failed."""
    return (framed(echo), [("grpc-status", OK)]) if message is not None else (b"", [("grpc-status", INTERNAL)])
