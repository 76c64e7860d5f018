"""nf_tables rules through netlink, with the standard library only: what the capture of a pod's traffic needs."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence

NETLINK_NETFILTER = 12
IPV4, ANY_FAMILY = socket.AF_INET, socket.AF_UNSPEC
REQUEST, ACK, CREATE, APPEND = 0x1, 0x4, 0x400, 0x800
NLMSG_ERROR = 2
BATCH_BEGIN, BATCH_END = 0x10, 0x11
NEW_TABLE, DEL_TABLE, NEW_CHAIN, NEW_RULE = 0xA00, 0xA02, 0xA03, 0xA06
PREROUTING, OUTPUT = 0, 3
BEFORE_CONNTRACK, BEFORE_DNAT = -300, -100
ACCEPT = 1
MARK, IN_INTERFACE, OUT_INTERFACE, L4_PROTOCOL = 3, 6, 7, 16
CT_ZONE, CT_ORIGINAL = 17, 0
EQUAL, NOT_EQUAL = 0, 1


def attribute(kind: int, value: bytes | str) -> bytes:
    """One netlink attribute, padded."""
    data = value.encode() + b"\0" if isinstance(value, str) else value
    return struct.pack("HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def nest(kind: int, *attributes: bytes) -> bytes:
    """Attributes inside an attribute."""
    return attribute(kind | 0x8000, b"".join(attributes))


def big(value: int) -> bytes:
    """32 bits in network order."""
    return struct.pack(">I", value & 0xFFFFFFFF)


def expression(name: str, *attributes: bytes) -> bytes:
    """One expression of a rule."""
    return nest(1, attribute(1, name), nest(2, *attributes))


def meta(key: int, data: bytes, operator: int = EQUAL) -> bytes:
    """Compare a property of the packet."""
    return expression("meta", attribute(1, big(1)), attribute(2, big(key))) + _compare(data, operator)


def mark(value: int) -> bytes:
    """Packets of sockets with SO_MARK."""
    return meta(MARK, struct.pack("I", value))


def protocol(number: int) -> bytes:
    """Packets of an IP protocol."""
    return meta(L4_PROTOCOL, bytes([number]))


def interface(key: int, name: str, operator: int = EQUAL) -> bytes:
    """Packets that come in or go out by an interface."""
    return meta(key, name.encode().ljust(16, b"\0"), operator)


def _compare(data: bytes, operator: int = EQUAL) -> bytes:
    return expression("cmp", attribute(1, big(1)), attribute(2, big(operator)), nest(3, attribute(1, data)))


def _payload(base: int, offset: int, length: int) -> bytes:
    fields = (1, base, offset, length)
    return expression("payload", *(attribute(kind, big(value)) for kind, value in enumerate(fields, 1)))


def to_address(address: str) -> bytes:
    """Packets to one IPv4 address."""
    return _payload(1, 16, 4) + _compare(socket.inet_aton(address))


def to_loopback(operator: int = EQUAL) -> bytes:
    """Packets to 127.0.0.0/8, or to anywhere else."""
    return _payload(1, 16, 1) + _compare(b"\x7f", operator)


def to_port(port: int) -> bytes:
    """Packets to a TCP or UDP port."""
    return _payload(2, 2, 2) + _compare(struct.pack(">H", port))


def accept() -> bytes:
    """Leave the packet as it is."""
    return expression("immediate", attribute(1, big(0)), nest(2, nest(2, attribute(1, big(ACCEPT)))))


def redirect(port: int) -> bytes:
    """Send the connection to a port of this host."""
    value = expression("immediate", attribute(1, big(1)), nest(2, attribute(1, struct.pack(">H", port))))
    return value + expression("redir", attribute(1, big(1)))


def original_zone(zone: int) -> bytes:
    """Track the connection, as its initiator sends it, apart from those of other zones."""
    value = expression("immediate", attribute(1, big(1)), nest(2, attribute(1, struct.pack("H", zone))))
    direction = attribute(3, bytes([CT_ORIGINAL]))
    return value + expression("ct", attribute(2, big(CT_ZONE)), direction, attribute(4, big(1)))


def nat_chain(table: str, name: str, hook: int) -> tuple[int, bytes]:
    """A NAT chain at a hook, as message."""
    return _chain(table, name, hook, BEFORE_DNAT, "nat")


def raw_chain(table: str, name: str, hook: int) -> tuple[int, bytes]:
    """A chain that sees packets before their connection is looked up, as message."""
    return _chain(table, name, hook, BEFORE_CONNTRACK, "filter")


def _chain(table: str, name: str, hook: int, priority: int, kind: str) -> tuple[int, bytes]:
    at = nest(4, attribute(1, big(hook)), attribute(2, big(priority)))
    return NEW_CHAIN, attribute(1, table) + attribute(3, name) + at + attribute(7, kind)


def rule(table: str, chain: str, *expressions: bytes) -> tuple[int, bytes]:
    """A rule at the end of a chain, as message."""
    return NEW_RULE, attribute(1, table) + attribute(2, chain) + nest(4, *expressions)


def replace_table(table: str, messages: Sequence[tuple[int, bytes]]) -> None:
    """Put chains and rules in place of a table's content, at once. Raises OSError with the kernel's reason."""
    named = attribute(1, table)
    commit([(NEW_TABLE, named), (DEL_TABLE, named), (NEW_TABLE, named), *messages])


def commit(messages: Sequence[tuple[int, bytes]]) -> None:
    """One transaction. Raises OSError with the kernel's reason."""
    batch = struct.pack(">BBH", ANY_FAMILY, 0, 10)
    packets = [_packet(BATCH_BEGIN, REQUEST, 0, batch)]
    head = struct.pack(">BBH", IPV4, 0, 0)
    for number, (kind, body) in enumerate(messages, 1):
        packets.append(_packet(kind, REQUEST | ACK | CREATE | APPEND, number, head + body))
    packets.append(_packet(BATCH_END, REQUEST, 0, batch))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        netlink.send(b"".join(packets))
        _read_acks(netlink, len(messages))


def _packet(kind: int, flags: int, number: int, body: bytes) -> bytes:
    return struct.pack("IHHII", 16 + len(body), kind, flags, number, 0) + body


def _read_acks(netlink: socket.socket, expected: int) -> None:
    while expected > 0:
        data = netlink.recv(65536)
        while len(data) >= 16:
            length, kind = struct.unpack_from("IH", data)
            code = struct.unpack_from("i", data, 16)[0]
            if kind == NLMSG_ERROR and code:
                raise OSError(-code, os.strerror(-code))
            expected -= kind == NLMSG_ERROR
            data = data[(length + 3) & ~3 :]
