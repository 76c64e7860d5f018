"""The agent's outcomes, against a server that misbehaves in every way."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from selftest.unit.workload.programs import Agent, ask, misbehaving, reset, run, send, serving

HEAD = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\n"


async def request_of(reader: asyncio.StreamReader) -> tuple[str, str]:
    """(id, path) of a request without a body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    found = re.search(r"x-smi-id: (\S+)", head)
    return found[1] if found else "", head.split(" ")[1]


def echo(**fields: Any) -> bytes:
    known = {
        "id": "q.0",
        "pod": "web",
        "port": 8080,
        "method": "GET",
        "path": "/",
        "body": None,
        "headers": [],
    }
    return json.dumps(known | fields).encode()


def response(body: bytes, status: bytes = b"200 OK", extra: bytes = b"") -> bytes:
    return HEAD % status + b"content-length: %d\r\n%s\r\n" % (len(body), extra) + body


ANSWERS = {
    "answer": response(echo()),
    "chunked": HEAD % b"200 OK"
    + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nx: y\r\n\r\n" % (len(echo()), echo()),
    "until EOF": HEAD % b"200 OK" + b"\r\n" + echo(),
    "after 100": b"HTTP/1.1 100 Continue\r\n\r\n" + response(echo()),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_exact_echo_is_an_answer_in_every_framing(tmp_path: Path, name: str) -> None:
    """However a proxy frames it."""
    assert outcome_of(tmp_path, ANSWERS[name]) == ("answer", 200)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (response(echo(id="q.1")), ("altered", 200)),
        (response(echo(path="/other")), ("altered", 200)),
        (response(echo(method="POST")), ("altered", 200)),
        (response(echo(body="0" * 64)), ("altered", 200)),
        (response(echo(), b"503 Service Unavailable"), ("altered", 503)),
        (response(b"RBAC: access denied", b"403 Forbidden"), ("status", 403)),
        (response(b"{}"), ("status", 200)),
        (response(b"[" * 100_000), ("status", 200)),
        (response(b'{"pod": 1, "port": "x"}'), ("status", 200)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ("status", 204)),
        (b"SSH-2.0-OpenSSH\r\n\r\n", ("altered", None)),
        (b"HTTP/1.1 abc\r\n\r\n", ("altered", None)),
        (b"GET / HTTP/1.1\r\n\r\n", ("altered", None)),
        (HEAD % b"200 OK" + b"content-length: x\r\n\r\n", ("altered", 200)),
        (b"x" * 70_000, ("altered", None)),
        (b"", ("closed", None)),
        (b"HTTP/1.1 200", ("closed", None)),
        (HEAD % b"200 OK" + b"content-length: 500\r\n\r\n" + echo(), ("closed", 200)),
        (HEAD % b"200 OK" + b"transfer-encoding: chunked\r\n\r\n5\r\nab", ("closed", 200)),
    ],
)
def test_what_is_not_the_exact_echo(tmp_path: Path, sent: bytes, expected: tuple[str, int | None]) -> None:
    """Another echo, a response of a proxy, bytes that are no response, and a stream that ends early."""
    assert outcome_of(tmp_path, sent) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", ("reset", None)),
        (b"HTTP/1.1 2", ("reset", None)),
        (HEAD % b"200 OK" + b"content-length: 9\r\n\r\n", ("reset", 200)),
    ],
)
def test_a_reset_before_and_after_the_head(tmp_path: Path, sent: bytes, expected: tuple[str, int | None]) -> None:
    """The status tells which."""
    assert outcome_of(tmp_path, sent, ending="reset") == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(b"", ("timeout", None)), (HEAD % b"200 OK" + b"content-length: 9\r\n\r\n", ("timeout", 200))],
)
def test_silence_is_a_timeout(tmp_path: Path, sent: bytes, expected: tuple[str, int | None]) -> None:
    """Within the time of the step."""
    assert outcome_of(tmp_path, sent, ending="silence", timeout=0.2) == expected


def outcome_of(state: Path, sent: bytes, *, ending: str = "close", **step: Any) -> tuple[str, int | None]:
    """Outcome and status of one request to a server that sends these bytes and then ends in this way."""
    found: list[Any] = []

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(sent)
        await writer.drain()
        if ending == "reset":
            await asyncio.sleep(0.05)  # lets the bytes be read: an RST may overtake them
            reset(writer)
        if ending == "silence":
            await reader.read()

    async def scenario() -> None:
        async with misbehaving(behaviour) as port:
            found.extend((await send(Agent(state), port=port, **step))[0])

    run(scenario())
    return found[0], found[1]


def test_nobody_listens(tmp_path: Path) -> None:
    """TCP and UDP both learn that they are refused."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        async def scenario() -> None:
            for protocol in ("http", "tcp", "udp"):
                assert [r[0] for r in await send(Agent(tmp_path), protocol=protocol, port=port, count=2)] == [
                    "refused"
                ] * 2

        run(scenario())


def test_no_address_and_no_route(tmp_path: Path) -> None:
    """A name that does not exist is not sent to; an address without a route is unreachable."""

    async def scenario() -> None:
        agent = Agent(tmp_path)
        assert [r[0] for r in await send(agent, host="no.such.name.invalid", port=1, count=2)] == ["unresolved"] * 2
        assert [r[0] for r in await send(agent, host="", port=1)] != ["answer"]

    run(scenario())


def test_an_early_answer_to_a_large_body_is_read(tmp_path: Path) -> None:
    """A proxy that refuses before it has read the body is heard, though sending fails."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(b"denied", b"403 Forbidden"))
        await writer.drain()
        await asyncio.sleep(0.1)
        reset(writer)

    async def scenario() -> None:
        async with misbehaving(behaviour) as port:
            replies = await send(Agent(tmp_path), port=port, method="POST", body=1 << 20)
            assert replies[0][:2] == ["status", 403]

    run(scenario())


@pytest.mark.parametrize(("greets", "expected"), [(True, "greeted"), (False, "closed")])
def test_a_greeting_without_an_answer_is_told(tmp_path: Path, greets: bool, expected: str) -> None:
    """A server-first banner that leaks is seen, though the connection is then cut."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if greets:
            writer.write(b"hello\n")
            await reader.readline()

    async def scenario() -> None:
        async with misbehaving(behaviour) as port:
            assert (await send(Agent(tmp_path), protocol="tcp", port=port, greeting=True))[0][0] == expected

    run(scenario())


@pytest.mark.parametrize(
    "line", [b"garbage\n", b'{"id": "q.0"}\n', b'{"id": "q.9", "pod": "p", "port": 1, "body": null}\n']
)
def test_a_wrong_line_is_altered(tmp_path: Path, line: bytes) -> None:
    """No echo, or that of another request."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(line)

    async def scenario() -> None:
        async with misbehaving(behaviour) as port:
            assert (await send(Agent(tmp_path), protocol="tcp", port=port))[0][0] == "altered"

    run(scenario())


def test_a_kept_connection_is_reopened_only_when_the_peer_closed_it(tmp_path: Path) -> None:
    """The last element of a reply counts the connections."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for extra in (b"", b"connection: close\r\n"):
            found, _ = await request_of(reader)
            writer.write(response(echo(id=found), extra=extra))

    async def scenario() -> None:
        async with misbehaving(behaviour) as port:
            replies = await send(Agent(tmp_path), port=port, count=6, connection="kept")
            assert [reply[0] for reply in replies] == ["answer"] * 6
            assert [reply[6] for reply in replies] == [1, 1, 2, 2, 3, 3]

    run(scenario())


def test_a_pool_outlives_the_step(tmp_path: Path) -> None:
    """Different paths, in different plans, on one connection."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            agent, kept = Agent(tmp_path), {"port": server.ports[0], "connection": "kept", "pool": "p"}
            for path in ("/one", "/two"):
                assert [r[0::6] for r in await send(agent, **kept, path=path)] == [["answer", 1]]
            agent.close()

    run(scenario())


def test_streams_go_on_in_the_background(tmp_path: Path) -> None:
    """They answer for what they have sent when they are stopped, while other plans run beside them."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            agent = Agent(tmp_path)
            step = {
                "protocol": "http",
                "host": "127.0.0.1",
                "port": server.ports[0],
                "id": "s",
                "count": 9000,
                "rate": 200,
            }
            assert await ask(agent, {"op": "start", "stream": "a", "steps": [step]}) == {"ok": True}
            assert not (await ask(agent, {"op": "start", "stream": "a", "steps": [step]}))["ok"]
            while server.arrivals.next < 5:
                await send(agent, port=server.ports[0])
            replies = (await ask(agent, {"op": "stop", "stream": "a"}))["replies"][0]

            assert 0 < len(replies) < 9000
            assert {reply[0] for reply in replies} == {"answer"}
            assert "no stream" in (await ask(agent, {"op": "stop", "stream": "a"}))["error"]

    run(scenario())
