"""The echo server and the agent against each other."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from selftest.unit.workload.programs import Agent, ask, run, send, serving


@pytest.mark.parametrize("connection", ["new", "kept"])
@pytest.mark.parametrize(
    ("index", "step"),
    [
        (0, {"protocol": "http"}),
        (0, {"protocol": "http", "method": "HEAD"}),
        (0, {"protocol": "http", "method": "POST", "path": "/a%20b?x=1", "body": 300_000}),
        (0, {"protocol": "http", "method": "PUT", "body": 70_000, "chunked": True}),
        (0, {"protocol": "http", "headers": [["x-a", "1"]], "host_header": "other"}),
        (0, {"protocol": "tcp"}),
        (0, {"protocol": "http2"}),
        (0, {"protocol": "http2", "method": "HEAD"}),
        (0, {"protocol": "http2", "method": "POST", "path": "/a%20b?x=1", "body": 300_000}),
        (0, {"protocol": "http2", "headers": [["X-A", "1"], ["x-a", "2"]], "host_header": "other"}),
        (0, {"protocol": "grpc", "method": "POST", "path": "/pkg.Service/Get"}),
        (0, {"protocol": "grpc", "path": "/pkg.Service/Get", "body": 300_000}),
        (1, {"protocol": "tcp"}),
        (1, {"protocol": "tcp", "padding": 300_000}),
        (2, {"protocol": "tcp", "greeting": True}),
        (2, {"protocol": "tcp"}),
        (3, {"protocol": "udp", "padding": 500}),
    ],
    ids=str,
)
def test_every_request_is_answered_and_remembered(
    tmp_path: Path, connection: str, index: int, step: dict[str, Any]
) -> None:
    """Each arrives once, under its id, and the echo is exact."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            agent, port = Agent(tmp_path), server.ports[index]
            replies = await send(agent, **step, port=port, count=6, concurrency=2, connection=connection)

            assert [reply[0] for reply in replies] == ["answer"] * 6
            assert {reply[3] for reply in replies} == {port}
            assert connection == "new" or max(reply[6] for reply in replies) == 1
            answer = await ask(agent, {"op": "arrivals", "since": 0, "prefix": "q."})
            assert sorted(arrival[1] for arrival in answer["arrivals"]) == [f"q.{n}" for n in range(6)]
            assert {arrival[2] for arrival in answer["arrivals"]} == {step["protocol"]}
            assert {arrival[6] for arrival in answer["arrivals"]} == {"127.0.0.1"}

    run(scenario())


def test_an_arrival_holds_what_was_asked(tmp_path: Path) -> None:
    """Method and path are noted before the answer, also of a request whose body never ends."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
            writer.write(b"POST /x?y HTTP/1.1\r\nX-Smi-Id: half\r\nContent-Length: 9\r\n\r\nabc")
            while not server.arrivals.next:
                await asyncio.sleep(0)
            writer.close()

            assert server.arrivals.since(0, "half") == [
                [0, "half", "http", server.ports[0], "POST", "/x?y", "127.0.0.1"]
            ]

    run(scenario())


def test_an_id_that_comes_in_pieces_is_completed(tmp_path: Path) -> None:
    """The arrival is there at the first byte; its id grows."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[1])
            writer.write(b"ab")
            while not server.arrivals.next:
                await asyncio.sleep(0)
            first = [arrival[1] for arrival in server.arrivals.since(0, "")]
            writer.write(b"cd pad\n")
            await reader.readline()
            writer.close()

            assert first == ["ab"]
            assert [arrival[1] for arrival in server.arrivals.since(0, "")] == ["abcd"]

    run(scenario())


def test_a_server_first_connection_is_an_arrival_by_itself(tmp_path: Path) -> None:
    """The greeting went out, whoever asked for it."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[2])
            assert await reader.readline() == b"hello\n"
            writer.close()

            assert [arrival[1:3] for arrival in server.arrivals.since(0, "")] == [["", "tcp"]]

    run(scenario())


def test_arrivals_that_are_gone_are_an_error(tmp_path: Path) -> None:
    """The ring forgets, and says so instead of leaving a gap."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            agent = Agent(tmp_path)
            server.arrivals._ring = type(server.arrivals._ring)(maxlen=5)
            await send(agent, port=server.ports[0], count=8)

            gone = await ask(agent, {"op": "arrivals", "since": 2})
            kept = await ask(agent, {"op": "arrivals", "since": 3})
            assert not gone["ok"]
            assert "arrivals 2 to 2 are gone" in gone["error"]
            assert ([arrival[0] for arrival in kept["arrivals"]], kept["next"]) == ([3, 4, 5, 6, 7], 8)

    run(scenario())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        b"x" * 70_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"",
    ],
)
def test_the_server_survives_garbage(tmp_path: Path, garbage: bytes) -> None:
    """Bytes that are no request are never answered as one, and the next client is served."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            for port in server.ports[:3]:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(garbage + b"\r\n\r\n")
                writer.write_eof()
                answer = await reader.read()
                writer.close()
                assert b" 200 " not in answer
            assert [reply[0] for reply in await send(Agent(tmp_path), port=server.ports[0])] == ["answer"]

    run(scenario())


def test_pipelined_requests_and_connection_close(tmp_path: Path) -> None:
    """Requests on one connection are answered in order; Connection: close ends it."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
            request = b"GET /%d HTTP/1.1\r\nConnection: %s\r\nX-Smi-Id: r%d\r\n\r\n"
            writer.write(request % (1, b"keep-alive", 1) + request % (2, b"close", 2) + request % (3, b"close", 3))
            answer = (await reader.read()).decode()
            writer.close()

            assert answer.count("HTTP/1.1 200 OK") == 2
            assert answer.index('"path": "/1"') < answer.index('"path": "/2"')

    run(scenario())


def test_stalled_connections_are_dropped(tmp_path: Path) -> None:
    """A message that does not end in time is given up."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[1])
            writer.write(b"never ending")
            while not server.arrivals.next:
                await asyncio.sleep(0)
            for connection in server._open:
                connection.deadline = 0.0
            server.drop_stalled()
            assert await reader.read() == b""
            writer.close()
            assert not server._open

    run(scenario())


def test_the_body_is_a_function_of_the_id(tmp_path: Path) -> None:
    """Two requests of one step carry different bodies, so swapped ones are seen."""
    from wire_format import Body, Head, chunked, payload  # noqa: PLC0415

    one, two = payload("q.0", 5000), payload("q.1", 5000)
    body = Body(Head(["POST", "/"], [("Transfer-Encoding", "chunked")]), keep=True)
    buffer = bytearray()
    ends = []
    for byte in chunked(one):  # byte by byte, as the network may bring it
        buffer.append(byte)
        ends.append(body.feed(buffer))

    assert one != two
    assert bytes(body.content) == one
    assert body.digest == hashlib.sha256(one).hexdigest()
    assert ends.index(True) == len(ends) - 1


ODD: list[dict[str, Any]] = [
    *({"method": method} for method in ("OPTIONS", "PATCH", "DELETE", "TRACE", "BREW")),
    {"path": "/" + "x" * 8000},
    {"path": "/a%2Fb/%7Euser/%20?q=%26&q=2&empty="},
    {"path": "//x/../y/./z;v=1"},
    {"method": "POST", "body": 1 << 20},
]


@pytest.mark.parametrize("protocol", ["http", "http2"])
@pytest.mark.parametrize("step", ODD, ids=lambda step: str(step)[:40])
def test_requests_arrive_as_they_were_written(tmp_path: Path, protocol: str, step: dict[str, Any]) -> None:
    """Whatever the method, the spelling and length of the path, and the size of the body."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            replies = await send(Agent(tmp_path), **step, protocol=protocol, port=server.ports[0])
            arrival = server.arrivals.since(0, "")[0]

            assert replies[0][0] == "answer"
            assert arrival[4:6] == [step.get("method", "GET"), step.get("path", "/")[:1000]]

    run(scenario())


@pytest.mark.parametrize(("protocol", "seen"), [("http", ["X-Two", "x-two"]), ("http2", ["x-two", "x-two"])])
def test_headers_arrive_as_they_were_written(tmp_path: Path, protocol: str, seen: list[str]) -> None:
    """Twice, in order, with all their letters; HTTP/2 has lower-case names."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            headers = [["X-Two", "Second, First"], ["x-two", 'a=b; c="d"']]
            due = [["x-TWO", "Second, First"], ["X-two", 'a=b; c="d"'], ["host", "other"]]
            step = {"port": server.ports[0], "protocol": protocol, "headers": headers, "host_header": "other"}
            exact = await send(Agent(tmp_path), **step, due=due)
            other = await send(Agent(tmp_path), **step, due=[["x-two", "second, first"]])
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
            writer.write(b"GET / HTTP/1.1\r\nX-Two: 1\r\nx-two: 2\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            told = await reader.readuntil(b"}")
            writer.close()

            assert [exact[0][0], other[0][0]] == ["answer", "altered"]
            assert told.endswith(b'"headers": [["X-Two", "1"], ["x-two", "2"]]}')

    run(scenario())


@pytest.mark.parametrize("protocol", ["http", "http2"])
def test_a_status_can_be_asked_for(tmp_path: Path, protocol: str) -> None:
    """The echo then comes with another status than that of an answer."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            step = {"protocol": protocol, "port": server.ports[0], "headers": [["x-smi-answer", "503"]]}
            assert (await send(Agent(tmp_path), **step))[0][:2] == ["altered", 503]

    run(scenario())


def test_a_pipelined_request_is_judged_by_itself(tmp_path: Path) -> None:
    """Two requests leave in one packet; the reply is that to the second."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            step = {"port": server.ports[0], "method": "POST", "path": "/two", "ahead": "/one", "body": 9, "count": 2}
            replies = await send(Agent(tmp_path), **step, connection="kept")

            assert [[reply[0], reply[6]] for reply in replies] == [["answer", 1]] * 2
            assert [[a[1], a[4], a[5]] for a in server.arrivals.since(0, "")][:2] == [
                ["q.0.ahead", "GET", "/one"],
                ["q.0", "POST", "/two"],
            ]

    run(scenario())
