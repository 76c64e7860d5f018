"""The workload program for tests: the echo server and the agent on one loop, and a server that misbehaves."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from smi_conformance.locations import WORKLOAD

__all__ = ["Agent", "ask", "misbehaving", "reset", "run", "send", "serving", "udp_client"]

sys.path.insert(0, str(WORKLOAD))  # as in the pod, where it is one flat folder

import udp_client
from echo_server import EchoServer, ServerFirstConnection, TcpConnection
from http_port import HttpPort
from traffic_agent import Agent

RST = struct.pack("ii", 1, 0)
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(state: Path) -> AsyncIterator[EchoServer]:
    """An echo server: `ports` are HTTP, TCP, server-first TCP and UDP."""
    server = EchoServer(state)
    for kind in (HttpPort, TcpConnection, ServerFirstConnection):
        await server.listen(kind, 0)
    await server.listen_udp(0)
    running = asyncio.ensure_future(server.run())
    while not (state / "ready").exists():
        await asyncio.sleep(0)
    try:
        yield server
    finally:
        running.cancel()
        server.close()
        await asyncio.sleep(0.01)  # transports close in the next round of the loop


@asynccontextmanager
async def misbehaving(behaviour: Behaviour) -> AsyncIterator[int]:
    """A TCP server that does only what it is told; yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behaviour(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    writer.transport.abort()


async def ask(agent: Agent, message: Any) -> dict[str, Any]:
    """One request to the agent, through JSON."""
    answer: dict[str, Any] = json.loads(json.dumps(await agent.answer(json.dumps(message).encode())))
    return answer


async def send(agent: Agent, **step: Any) -> list[list[Any]]:
    """The replies to one step."""
    step = {"protocol": "http", "host": "127.0.0.1", "id": "q", "timeout": 2.0, **step}
    answer = await ask(agent, {"op": "traffic", "steps": [step]})
    assert answer["ok"], answer
    replies: list[list[Any]] = answer["replies"][0]
    return replies


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run to the end, ten seconds at most."""
    asyncio.run(asyncio.wait_for(scenario, 10))
