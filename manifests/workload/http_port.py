"""An HTTP port: what a connection speaks is told by its first bytes."""

from __future__ import annotations

import re

from echo_server import STALLED, Connection, HttpConnection, TcpConnection
from http2_library import PREFACE
from http2_server import Http2Connection
from wire_format import HEAD_LIMIT

HTTP1 = re.compile(rb" HTTP/1\.[01]\r?$")


class HttpPort(Connection):
    """HTTP/1.1, HTTP/2 with prior knowledge, or lines that are no HTTP and are answered as on a TCP port."""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.expect(STALLED)
        kind = speaker(bytes(self.buffer))
        if kind:
            self._hand_over(kind(self.port, self.arrivals, self._open))

    def _hand_over(self, heir: Connection) -> None:
        self._open.discard(self)
        self.transport.set_protocol(heir)
        heir.connection_made(self.transport)
        heir.data_received(bytes(self.buffer))


def speaker(begin: bytes) -> type[Connection] | None:
    """The kind of connection that begins so, None while that cannot be told."""
    if PREFACE.startswith(begin[: len(PREFACE)]):
        return Http2Connection if len(begin) >= len(PREFACE) else None
    line, end, _ = begin.lstrip(b"\r\n").partition(b"\n")
    if not end:
        return None if len(begin) < HEAD_LIMIT else TcpConnection
    return HttpConnection if HTTP1.search(line) else TcpConnection
