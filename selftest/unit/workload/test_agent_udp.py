"""Datagrams: one socket or many, silence, and echoes that come late."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from selftest.unit.workload.programs import Agent, run, send, serving, udp_client


class Peer(asyncio.DatagramProtocol):
    """A server that keeps the datagrams it gets, and answers only when it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got.append((data.split()[0].decode(), addr))

    def echo(self, index: int) -> None:
        """The echo of the datagram that came as number `index`."""
        name, addr = self.got[index]
        self.transport.sendto(json.dumps({"id": name, "pod": "web", "port": 9000, "body": None}).encode(), addr)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Peer, int]]:
    transport, peer = await asyncio.get_running_loop().create_datagram_endpoint(Peer, ("127.0.0.1", 0))
    try:
        yield peer, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def test_kept_datagrams_are_one_flow(tmp_path: Path) -> None:
    """All lanes send from one client port; new ones each from another."""

    async def scenario() -> None:
        for connection, flows in (("kept", 1), ("new", 12)):
            async with listening() as (peer, port):
                step = {"protocol": "udp", "port": port, "count": 12, "concurrency": 12, "timeout": 0.2}
                replies = await send(Agent(tmp_path), **step, connection=connection)

                assert [reply[0] for reply in replies] == ["timeout"] * 12
                assert len({addr for _, addr in peer.got}) == flows

    run(scenario())


def test_no_source_port_comes_again(tmp_path: Path) -> None:
    """A datagram of its own is a flow of its own, beside all that were sent before; a port in use is left out."""

    async def scenario() -> None:
        agent = Agent(tmp_path)
        async with listening() as (peer, port):
            await send(agent, protocol="udp", port=port, count=50, concurrency=50, timeout=0.1)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
                taken.bind(("", udp_client.LOWEST + (peer.got[-1][1][1] + 1 - udp_client.LOWEST) % udp_client.PORTS))
                await send(agent, protocol="udp", port=port, count=50, concurrency=50, timeout=0.1)
                ports = [addr[1] for _, addr in peer.got]

                assert len(set(ports)) == 100
                assert taken.getsockname()[1] not in ports

    run(scenario())


def test_silence_costs_one_time_limit(tmp_path: Path) -> None:
    """Many lost datagrams on one socket are waited for side by side."""

    async def scenario() -> None:
        async with listening() as (_, port):
            step = {"protocol": "udp", "port": port, "count": 32, "concurrency": 32, "timeout": 0.3}
            began = time.monotonic()
            await send(Agent(tmp_path), **step, connection="kept")
            assert time.monotonic() - began < 2

    run(scenario())


def test_echoes_go_to_whom_they_are_due(tmp_path: Path) -> None:
    """In any order, and a late one to nobody."""

    async def scenario() -> None:
        async with listening() as (peer, port):
            agent, step = Agent(tmp_path), {"protocol": "udp", "port": port, "connection": "kept", "pool": "p"}
            lost = await send(agent, **step, id="lost", timeout=0.1)
            sending = asyncio.ensure_future(send(agent, **step, count=2, concurrency=2))
            while len(peer.got) < 3:
                await asyncio.sleep(0)
            for index in (0, 2, 1):
                peer.echo(index)
            replies = await sending
            agent.close()

            assert [reply[0] for reply in lost + replies] == ["timeout", "answer", "answer"]

    run(scenario())


def test_an_answer_that_is_no_echo_is_altered(tmp_path: Path) -> None:
    """Whoever waits has got it."""

    async def scenario() -> None:
        async with listening() as (peer, port):
            sending = asyncio.ensure_future(send(Agent(tmp_path), protocol="udp", port=port))
            while not peer.got:
                await asyncio.sleep(0)
            peer.transport.sendto(b"garbage", peer.got[0][1])
            assert [reply[0] for reply in await sending] == ["altered"]

    run(scenario())


def test_a_refusal_is_told_of_every_datagram(tmp_path: Path) -> None:
    """On one socket too, where a refusal may be told to the next that sends."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            port = server.ports[3]
        step = {"protocol": "udp", "port": port, "count": 9, "concurrency": 3, "connection": "kept"}
        replies = await send(Agent(tmp_path), **step)
        assert [reply[0] for reply in replies] == ["refused"] * 9

    run(scenario())
