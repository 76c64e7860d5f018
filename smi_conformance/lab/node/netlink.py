"""Netlink: framing, acknowledgements and the few rtnetlink requests that the lab's network needs."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

REQUEST, MULTI, ACK, DUMP = 0x1, 0x2, 0x4, 0x300
EXCL, CREATE, APPEND = 0x200, 0x400, 0x800

NLMSG_ERROR, NLMSG_DONE = 2, 3
NESTED = 0x8000

RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE = 16, 20, 24
IFF_UP = 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 18, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC = 1, 4, 5, 7
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST = 254, 4, 1
LOOPBACK_INDEX = 1


@dataclass(frozen=True)
class Message:
    """One netlink request: its type, what follows the header, and extra header flags."""

    kind: int
    body: bytes
    flags: int = 0
    wants_ack: bool = True

    def encode(self, sequence: int) -> bytes:
        """The bytes on the wire; the body is already padded to four bytes."""
        flags = REQUEST | self.flags | (ACK if self.wants_ack else 0)
        return struct.pack("=IHHII", 16 + len(self.body), self.kind, flags, sequence, 0) + self.body


def attr(kind: int, value: bytes | str) -> bytes:
    """One attribute; a string gets its closing zero."""
    data = value.encode() + b"\0" if isinstance(value, str) else value
    length = 4 + len(data)
    return struct.pack("=HH", length, kind) + data + b"\0" * (-length % 4)


def nest(kind: int, *parts: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attr(kind | NESTED, b"".join(parts))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes in data as (type without flags, value)."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


class Netlink:
    """A netlink socket; it stays in the network namespace in which it was opened."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, *messages: Message) -> None:
        """Send the messages in one go and wait for their acknowledgements; OSError for the first refused."""
        self._socket.sendall(b"".join(m.encode(self._sequence + n) for n, m in enumerate(messages)))
        first = self._sequence
        self._sequence += len(messages)
        waiting = {first + n for n, message in enumerate(messages) if message.wants_ack}
        failures: list[int] = []
        while waiting:
            for kind, sequence, body in self._receive():
                if kind == NLMSG_ERROR and sequence >= first:
                    waiting.discard(sequence)
                    failures += [number] if (number := -int.from_bytes(body[:4], sys.byteorder, signed=True)) else []
            if failures:  # a refused transaction is not acknowledged to its end
                self._drain()
                raise OSError(failures[0], f"netlink: {os.strerror(failures[0])}")

    def dump(self, message: Message) -> Iterator[bytes]:
        """The bodies of the answers to a dump request."""
        self._socket.sendall(message.encode(self._sequence))
        self._sequence += 1
        while True:
            for kind, _, body in self._receive():
                if kind == NLMSG_ERROR:
                    number = -int.from_bytes(body[:4], sys.byteorder, signed=True)
                    raise OSError(number, f"netlink: {os.strerror(number)}")
                if kind == NLMSG_DONE:
                    return
                yield body

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        data = self._socket.recv(1 << 18)
        offset = 0
        while offset + 16 <= len(data):
            length, kind, _, sequence, _ = struct.unpack_from("=IHHII", data, offset)
            yield kind, sequence, data[offset + 16 : offset + length]
            offset += (length + 3) & ~3

    def _drain(self) -> None:
        self._socket.setblocking(False)
        try:
            while self._socket.recv(1 << 18):
                pass
        except BlockingIOError:
            pass
        finally:
            self._socket.setblocking(True)


def _link_body(index: int = 0, *, up: bool = False) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, IFF_UP if up else 0, IFF_UP if up else 0)


def veth(name: str, peer: str, peer_namespace: int) -> Message:
    """Make the pair `name` (here, up) and `peer` (in the namespace behind the fd)."""
    other = _link_body() + attr(IFLA_IFNAME, peer) + attr(IFLA_NET_NS_FD, struct.pack("=I", peer_namespace))
    info = nest(
        IFLA_LINKINFO,
        attr(IFLA_INFO_KIND, b"veth"),
        nest(IFLA_INFO_DATA, attr(VETH_INFO_PEER, other)),
    )
    return Message(RTM_NEWLINK, _link_body(up=True) + attr(IFLA_IFNAME, name) + info, CREATE | EXCL)


def link_up(index: int) -> Message:
    """Bring the interface up."""
    return Message(RTM_NEWLINK, _link_body(index, up=True))


def address(index: int, ip: str, *, scope: int = RT_SCOPE_UNIVERSE) -> Message:
    """Give the interface ip/32."""
    raw = socket.inet_aton(ip)
    body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, scope, index)
    return Message(RTM_NEWADDR, body + attr(IFA_LOCAL, raw) + attr(IFA_ADDRESS, raw), CREATE | EXCL)


def route(
    destination: str,
    bits: int,
    index: int,
    *,
    gateway: str = "",
    source: str = "",
    scope: int = RT_SCOPE_LINK,
) -> Message:
    """Route destination/bits to the interface; bits 0 is the default route."""
    parts: Sequence[tuple[int, str]] = ((RTA_GATEWAY, gateway), (RTA_PREFSRC, source))
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, bits, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, 0)
    body += attr(RTA_DST, socket.inet_aton(destination)) if bits else b""
    body += attr(RTA_OIF, struct.pack("=I", index))
    body += b"".join(attr(kind, socket.inet_aton(ip)) for kind, ip in parts if ip)
    return Message(RTM_NEWROUTE, body, CREATE | EXCL)
