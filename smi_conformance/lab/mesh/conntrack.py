"""Connection tracking of the pod: its UDP flows, and forgetting some of them.

A NAT rule is consulted for the first packet of a flow only, and a UDP flow has no end that could be seen.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

from smi_conformance.lab.mesh.nft import ACK, NETLINK_NETFILTER, NLMSG_ERROR, REQUEST, attribute

GET, DELETE = 0x101, 0x102
DUMP = 0x300
DONE = 3
ORIGINAL, REPLY = 1, 2
ADDRESSES, PORTS = 1, 2
SOURCE, DESTINATION = 1, 2
PROTOCOL, SOURCE_PORT, DESTINATION_PORT = 1, 2, 3
ZONE = 18
NESTED = 0x8000
_HEAD = struct.pack("=BBH", socket.AF_INET, 0, 0)


class Flow(NamedTuple):
    """A UDP flow: the address that was dialled, the address that answers, and what the kernel knows it by."""

    dialled: tuple[str, int]
    answering: tuple[str, int]
    key: bytes


class Tracking:
    """The kernel's table of this network namespace. Needs NET_ADMIN. Raises OSError."""

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def udp_flows(self) -> list[Flow]:
        """All UDP flows."""
        self._send(GET, DUMP, b"")
        found: list[Flow] = []
        while True:
            for kind, body in self._receive():
                if kind == DONE:
                    return found
                _check(kind, body)
                flow = _flow(body)
                found += [flow] if flow else []

    def forget(self, flow: Flow) -> None:
        """Forget a flow, so that its next packet meets the rules anew; one that has ended is no error."""
        self._send(DELETE, ACK, flow.key)
        for kind, body in self._receive():
            _check(kind, body, errno.ENOENT)

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        head = struct.pack("=IHHII", 16 + len(_HEAD) + len(body), kind, REQUEST | flags, 0, 0)
        self._socket.send(head + _HEAD + body)

    def _receive(self) -> Iterator[tuple[int, bytes]]:
        data = self._socket.recv(1 << 18)
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            yield kind, data[16:length]
            data = data[(length + 3) & ~3 :]


def _check(kind: int, body: bytes, harmless: int = 0) -> None:
    code = -struct.unpack_from("=i", body)[0] if kind == NLMSG_ERROR else 0
    if code not in (0, harmless):
        raise OSError(code, os.strerror(code))


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def _flow(body: bytes) -> Flow | None:
    """A flow from an entry of the table; None for other protocols."""
    entry = _attributes(body[len(_HEAD) :])
    there, back = (_attributes(entry.get(side, b"")) for side in (ORIGINAL, REPLY))
    ports, back_ports = (_attributes(side.get(PORTS, b"")) for side in (there, back))
    if ports.get(PROTOCOL) != bytes([socket.IPPROTO_UDP]):
        return None
    zone = attribute(ZONE, entry[ZONE]) if ZONE in entry else b""
    return Flow(
        (socket.inet_ntoa(_attributes(there[ADDRESSES])[DESTINATION]), _number(ports[DESTINATION_PORT])),
        (socket.inet_ntoa(_attributes(back[ADDRESSES])[SOURCE]), _number(back_ports[SOURCE_PORT])),
        attribute(ORIGINAL | NESTED, entry[ORIGINAL]) + zone,
    )


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
