"""JSON packets with file descriptors over a SOCK_SEQPACKET socket."""

from __future__ import annotations

import array
import json
import socket
from typing import Any

MAX_PACKET = 1 << 18
_MAX_FDS = 8

Packet = dict[str, Any]


def send(channel: socket.socket, data: bytes, fds: list[int]) -> None:
    """Send one encoded packet. Raises BlockingIOError if the channel is full and non-blocking."""
    socket.send_fds(channel, [data], fds)


def encode(packet: Packet) -> bytes:
    """The packet's bytes."""
    return json.dumps(packet).encode()


def receive(channel: socket.socket) -> tuple[Packet, list[int]] | None:
    """The next packet and its descriptors, which no child inherits; None at the end.

    socket.recv_fds ignores its flags on Python 3.11, and then a container would inherit them.
    """
    fds = array.array("i")
    space = socket.CMSG_LEN(_MAX_FDS * fds.itemsize)
    data, ancillary, _, _ = channel.recvmsg(MAX_PACKET, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, raw in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(raw[: len(raw) - len(raw) % fds.itemsize])
    return (json.loads(data), list(fds)) if data else None
