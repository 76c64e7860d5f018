#!/usr/bin/env python3
"""The program of every pod of the suite: an echo server, and an agent that sends traffic.

    workload.py serve [--http 8080,8081] [--tcp 7000] [--tcp-server-first 7100] [--udp 9000]
    workload.py agent

`serve` is the pod's main process; when every listener is bound it makes the file /tmp/ready. `agent` is
started once in a pod, by exec, and then answers frames (see wire_format.py) until its input ends or nothing
has come for ten minutes. Standard library only, Python 3.9 or newer, no privileges; HTTP/2 takes an archive beside it
(see http2_library.py) and Python 3.10.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True

from echo_server import EchoServer, ServerFirstConnection, TcpConnection  # noqa: E402
from http_port import HttpPort  # noqa: E402
from traffic_agent import Agent, converse  # noqa: E402

STATE = Path("/tmp")  # noqa: S108 (of the pod, not shared)


def _ports(text: str) -> list[int]:
    ports = [int(port) for port in text.split(",") if port.strip()]
    if not all(0 <= port <= 65535 for port in ports):
        raise ValueError(text)
    return ports


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--state", type=Path, default=STATE, help="directory of `ready` and the socket")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve")
    for protocol in ("http", "tcp", "tcp-server-first", "udp"):
        serve.add_argument(f"--{protocol}", type=_ports, default=[], metavar="PORT,...")
    commands.add_parser("agent")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    (arguments.state / "ready").unlink(missing_ok=True)
    server = EchoServer(arguments.state)
    kinds = [
        (HttpPort, arguments.http),
        (TcpConnection, arguments.tcp),
        (ServerFirstConnection, arguments.tcp_server_first),
    ]
    for kind, ports in kinds:
        for port in ports:
            await server.listen(kind, port)
    for port in arguments.udp:
        await server.listen_udp(port)
    await server.run()


def _end(*_: Any) -> None:
    """Process 1 of a container has no default action for signals, so leaving must be said."""
    os._exit(0)


def main() -> None:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    if arguments.command == "serve":
        asyncio.run(_serve(arguments))
    asyncio.run(converse(Agent(arguments.state), sys.stdin.buffer, sys.stdout.buffer))
    _end()  # without waiting for the thread that still reads stdin


if __name__ == "__main__":
    main()
