"""HTTP/2 and gRPC: the library in its archive, and what a proxy may do to a connection."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, TrailersReceived

from fixtures.workload import http2_archive
from selftest.unit.workload.programs import Agent, misbehaving, run, send, serving
from smi_conformance.locations import WORKLOAD

Headers = list[tuple[bytes, bytes]]
OK = [(":status", "200")]


def frames(*messages: Any) -> bytes:
    """Requests to the agent."""
    return b"".join(b"%d\n%s" % (len(text), text) for text in (json.dumps(one).encode() for one in messages))


def test_the_archive_is_all_that_a_stock_interpreter_needs(tmp_path: Path) -> None:
    """No site-packages, no environment: HTTP/2 and gRPC are answered with what the ConfigMap brings."""
    for source in WORKLOAD.glob("*.py"):
        (tmp_path / source.name).write_text(source.read_text())
    (tmp_path / "http2.zip").write_bytes(http2_archive())
    program = [sys.executable, "-S", "-E", str(tmp_path / "workload.py"), "--state", str(tmp_path)]
    server = subprocess.Popen([*program, "serve", "--http", "18990"])
    try:
        deadline = time.monotonic() + 10
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        step = {"host": "127.0.0.1", "port": 18990, "id": "q"}
        steps = [{**step, "protocol": protocol} for protocol in ("http2", "grpc")]
        asked = frames({"op": "traffic", "steps": steps})
        done = subprocess.run([*program, "agent"], input=asked, capture_output=True, timeout=10, check=True)

        assert done.stdout.count(b'["answer",200') == 2, done
    finally:
        server.kill()
        server.wait()


def test_the_archive_is_the_same_every_time() -> None:
    """It holds pure Python with its licences, and leaves most of a ConfigMap's mebibyte to the program."""
    with zipfile.ZipFile(BytesIO(http2_archive())) as archive:
        names = archive.namelist()
        licences = [name for name in names if name.endswith("/LICENSE") and b"MIT" in archive.read(name)]
    first = http2_archive()
    http2_archive.cache_clear()

    assert http2_archive() == first
    assert len(first) < 200_000
    assert {name.rpartition(".")[2] for name in names} == {"py", "h2/LICENSE", "hpack/LICENSE", "hyperframe/LICENSE"}
    assert len(licences) == 3


def test_streams_share_a_kept_connection(tmp_path: Path) -> None:
    """HTTP/2 requests and gRPC calls of one pool are streams of one connection."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            agent = Agent(tmp_path)
            kept = {"port": server.ports[0], "connection": "kept", "pool": "p", "count": 3}
            replies = [await send(agent, **kept, protocol=protocol, id=protocol) for protocol in ("http2", "grpc")]
            agent.close()

            assert [reply[0::6] for some in replies for reply in some] == [["answer", 1]] * 6
            assert [a[2] for a in server.arrivals.since(0, "")] == ["http2"] * 3 + ["grpc"] * 3

    run(scenario())


class Peer:
    """A server that answers HTTP/2 requests as it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=False))
        self.h2.initiate_connection()
        self.ids: dict[int, str] = {}

    async def request(self) -> int:
        """The stream of the next request that has come in whole."""
        while True:
            self.writer.write(self.h2.data_to_send())
            events: list[Event] = self.h2.receive_data(await self.reader.read(1 << 16))
            for event in events:
                if isinstance(event, RequestReceived):
                    assert event.headers
                    self.ids[event.stream_id or 0] = dict(event.headers)[b"x-smi-id"].decode()
                if isinstance(event, StreamEnded):
                    return event.stream_id or 0

    def echo(self, stream: int) -> bytes:
        """The echo of GET /."""
        found = {"id": self.ids[stream], "pod": "web", "port": 8080, "method": "GET", "path": "/", "body": None}
        return json.dumps(found).encode()

    def answer(self, stream: int, body: bytes, status: str = "200", **trailers: str) -> None:
        """Headers, body, and trailers if there are any."""
        self.h2.send_headers(stream, [(":status", status)])
        self.h2.send_data(stream, body, end_stream=not trailers)
        if trailers:
            pairs = [(name.replace("_", "-"), value) for name, value in trailers.items()]
            self.h2.send_headers(stream, pairs, end_stream=True)


async def outcomes(state: Path, behaviour: Any, **step: Any) -> list[Any]:
    """Outcome, status and connection of each request to a peer that behaves so."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        await behaviour(peer)
        writer.write(peer.h2.data_to_send())
        await writer.drain()

    async with misbehaving(handle) as port:
        step = {"protocol": "http2", "connection": "kept", "timeout": 2.0, **step}
        return [[reply[0], reply[1], reply[6]] for reply in await send(Agent(state), port=port, **step)]


def test_a_reset_stream_leaves_its_connection(tmp_path: Path) -> None:
    """The next request is a stream of the same connection."""

    async def behaviour(peer: Peer) -> None:
        peer.h2.reset_stream(await peer.request())
        stream = await peer.request()
        peer.answer(stream, peer.echo(stream))

    async def scenario() -> None:
        assert await outcomes(tmp_path, behaviour, count=2) == [["reset", None, 1], ["answer", 200, 1]]

    run(scenario())


def test_a_peer_that_leaves_still_answers(tmp_path: Path) -> None:
    """GOAWAY before the answer: the answer counts, and the next request takes a new connection."""

    async def behaviour(peer: Peer) -> None:
        stream = await peer.request()
        going = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + (2**31 - 1).to_bytes(4, "big") + bytes(4)
        peer.writer.write(peer.h2.data_to_send() + going)
        peer.answer(stream, peer.echo(stream))

    async def scenario() -> None:
        assert await outcomes(tmp_path, behaviour, count=2) == [["answer", 200, 1], ["answer", 200, 2]]

    run(scenario())


def test_a_request_that_a_leaving_peer_will_not_answer(tmp_path: Path) -> None:
    """GOAWAY that leaves the stream out ends the request."""

    async def behaviour(peer: Peer) -> None:
        await peer.request()
        peer.writer.write(peer.h2.data_to_send() + b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8))
        await peer.reader.read()

    async def scenario() -> None:
        assert await outcomes(tmp_path, behaviour) == [["closed", None, 1]]

    run(scenario())


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "altered"),
        (b"", "closed"),
        (b"\x00\x00\x00\x04\x00\x00\x00\x00\x01", "altered"),
    ],
)
def test_a_peer_that_speaks_no_http2(tmp_path: Path, said: bytes, outcome: str) -> None:
    """An answer in HTTP/1, none, or a frame where none may be."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(24)
        writer.write(said)

    async def scenario() -> None:
        async with misbehaving(behaviour) as port:
            assert (await send(Agent(tmp_path), protocol="http2", port=port))[0][0] == outcome

    run(scenario())


def test_a_refusal_before_the_body_was_sent_is_read(tmp_path: Path) -> None:
    """The rest of the body is not sent, and the connection is kept."""

    async def behaviour(peer: Peer) -> None:
        events: list[Event] = []
        while not any(isinstance(event, DataReceived) for event in events):
            peer.writer.write(peer.h2.data_to_send())
            events = peer.h2.receive_data(await peer.reader.read(1 << 16))
        peer.answer(1, b"denied", "403")
        stream = await peer.request()
        peer.answer(stream, b"denied", "403")

    async def scenario() -> None:
        sent = {"method": "POST", "body": 1 << 17, "count": 1}
        assert await outcomes(tmp_path, behaviour, **sent) == [["status", 403, 1]]

    run(scenario())


@pytest.mark.parametrize(
    ("trailers", "body", "outcome"),
    [
        ({"grpc_status": "0"}, None, "answer"),
        ({"grpc_status": "7"}, None, "status"),
        ({}, None, "status"),
        ({"grpc_status": "0"}, b"no message", "altered"),
    ],
)
def test_a_call_counts_when_its_trailers_say_so(
    tmp_path: Path, trailers: dict[str, str], body: bytes | None, outcome: str
) -> None:
    """Trailers that got lost or tell of a failure make the answer none."""

    async def behaviour(peer: Peer) -> None:
        stream = await peer.request()
        echo = peer.echo(stream).replace(b"GET", b"POST").replace(b'"/"', b'"/pkg.S/M"')
        peer.answer(stream, body or b"\0" + len(echo).to_bytes(4, "big") + echo, **trailers)

    async def scenario() -> None:
        assert await outcomes(tmp_path, behaviour, protocol="grpc", path="/pkg.S/M") == [[outcome, 200, 1]]

    run(scenario())


def test_what_cannot_be_sent_is_told(tmp_path: Path) -> None:
    """A header that HTTP/2 forbids is a fault of the plan, and nothing that the mesh did."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            step = {"protocol": "http2", "host": "127.0.0.1", "port": server.ports[0], "id": "q"}
            step |= {"headers": [[":own", "x"]]}
            answer = await Agent(tmp_path).answer(json.dumps({"op": "traffic", "steps": [step]}).encode())
            assert "cannot be sent over HTTP/2" in answer["error"]

    run(scenario())


def test_trailers_end_the_answer_of_the_server(tmp_path: Path) -> None:
    """As a client of gRPC sees it; a body that is no message is a failed call."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            client = H2Connection()
            client.initiate_connection()
            head = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/p.S/M")]
            client.send_headers(1, [*head, ("content-type", "application/grpc")])
            client.send_data(1, b"garbage", end_stream=True)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
            writer.write(client.data_to_send())
            trailers: Headers = []
            while not trailers:
                for event in client.receive_data(await reader.read(1 << 16)):
                    if isinstance(event, TrailersReceived):
                        trailers = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
            writer.close()

            assert trailers == [(b"grpc-status", b"13")]

    run(scenario())
