"""nf_tables rules through netlink, with the standard library only: what a pod's traffic is captured and judged with."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Sequence

NETLINK_NETFILTER = 12
IPV4, ANY_FAMILY = socket.AF_INET, socket.AF_UNSPEC
REQUEST, ACK, CREATE, APPEND = 0x1, 0x4, 0x400, 0x800
NLMSG_ERROR = 2
BATCH_BEGIN, BATCH_END = 0x10, 0x11
NEW_TABLE, DEL_TABLE, NEW_CHAIN, NEW_RULE, NEW_SET, NEW_ELEMENTS = 0xA00, 0xA02, 0xA03, 0xA06, 0xA09, 0xA0C
PREROUTING, INPUT, OUTPUT = 0, 1, 3
BEFORE_CONNTRACK, BEFORE_DNAT, FILTER = -300, -100, 0
DROP, ACCEPT, GOTO = 0, 1, -4
MARK, IN_INTERFACE, OUT_INTERFACE, L4_PROTOCOL = 3, 6, 7, 16
CT_DIRECTION, CT_STATUS, CT_ZONE = 1, 2, 17
CT_ORIGINAL, CT_REPLY = 0, 1
CT_DESTINATION_CHANGED = 1 << 5
EQUAL, NOT_EQUAL, LESS = 0, 1, 2
PORT_UNREACHABLE = 3
#: The first two registers of four bytes; the first of them begins register 1, the verdict is register 0.
VERDICT, REGISTER, NEXT_REGISTER = 0, 8, 9
#: Kinds of set keys, as the program nft numbers them, for those who list a table with it.
ADDRESS_AND_PORT, ONLY_PORT = 7 << 6 | 13, 13
#: A set that rules add elements to.
DYNAMIC_SET = 0x20
DYNAMIC_SIZE = 4096
#: The length of an attribute has 16 bits.
_ELEMENTS_AT_ONCE = 1000
_BUFFER = 1 << 20

#: Kind and content of one netlink message.
Message = tuple[int, bytes]


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


def _numbers(*values: int) -> list[bytes]:
    """The attributes 1, 2, ... of an expression."""
    return [attribute(kind, big(value)) for kind, value in enumerate(values, 1)]


def _compare(data: bytes, operator: int = EQUAL) -> bytes:
    return expression("cmp", *_numbers(REGISTER, operator), nest(3, attribute(1, data)))


def _payload(base: int, offset: int, length: int, register: int = REGISTER) -> bytes:
    return expression("payload", *_numbers(register, base, offset, length))


def _load(data: bytes, register: int = REGISTER) -> bytes:
    return expression("immediate", attribute(1, big(register)), nest(2, attribute(1, data)))


def _masked(mask: int) -> bytes:
    """Keep some bits of the register, which holds a number in the order of this machine."""
    bits = nest(4, attribute(1, struct.pack("=I", mask))) + nest(5, attribute(1, bytes(4)))
    return expression("bitwise", *_numbers(REGISTER, REGISTER, 4), bits)


def meta(key: int, data: bytes, operator: int = EQUAL) -> bytes:
    """Compare a property of the packet."""
    return expression("meta", *_numbers(REGISTER, key)) + _compare(data, operator)


def mark(value: int) -> bytes:
    """Packets of sockets with SO_MARK."""
    return meta(MARK, struct.pack("I", value))


def protocol(number: int, operator: int = EQUAL) -> bytes:
    """Packets of an IP protocol, or of all others."""
    return meta(L4_PROTOCOL, bytes([number]), operator)


def interface(key: int, name: str, operator: int = EQUAL) -> bytes:
    """Packets that come in or go out by an interface."""
    return meta(key, name.encode().ljust(16, b"\0"), operator)


def to_address(address: str) -> bytes:
    """Packets to one IPv4 address."""
    return _payload(1, 16, 4) + _compare(socket.inet_aton(address))


def to_loopback(operator: int = EQUAL) -> bytes:
    """Packets to 127.0.0.0/8, or to anywhere else."""
    return _payload(1, 16, 1) + _compare(b"\x7f", operator)


def to_port(port: int) -> bytes:
    """Packets to a TCP or UDP port."""
    return _payload(2, 2, 2) + _compare(_port(port))


def from_port(port: int) -> bytes:
    """Packets from a TCP or UDP port."""
    return _payload(2, 0, 2) + _compare(_port(port))


def _port(number: int) -> bytes:
    return struct.pack(">H", number)


def is_reply() -> bytes:
    """Packets that answer: they go against the direction of their flow's first one."""
    return expression("ct", *_numbers(REGISTER, CT_DIRECTION)) + _compare(bytes([CT_REPLY]))


def not_redirected() -> bytes:
    """Packets that go where they were sent to in the first place."""
    return expression("ct", *_numbers(REGISTER, CT_STATUS)) + _masked(CT_DESTINATION_CHANGED) + _compare(bytes(4))


def source_and_port_in(name: str) -> bytes:
    """Packets whose source address and destination port are an element of a set."""
    key = _payload(1, 12, 4) + _payload(2, 2, 2, NEXT_REGISTER)
    return key + expression("lookup", attribute(1, name), attribute(2, big(REGISTER)))


def port_in(name: str) -> bytes:
    """Packets whose destination port is an element of a set."""
    return _payload(2, 2, 2) + expression("lookup", attribute(1, name), attribute(2, big(REGISTER)))


def remember_port(name: str) -> bytes:
    """Add the destination port to a dynamic set."""
    operation, key = attribute(3, big(0)), attribute(4, big(REGISTER))
    return _payload(2, 2, 2) + expression("dynset", attribute(1, name), operation, key)


def chance(part: int, whole: int) -> bytes:
    """A share of the packets, `part` of `whole`, drawn at random."""
    draw = expression("numgen", *_numbers(REGISTER, whole, 1, 0))
    return draw + _in_network_order() + _compare(big(part), LESS)


def _in_network_order() -> bytes:
    """Comparisons other than equality go byte by byte."""
    return expression("byteorder", *_numbers(REGISTER, REGISTER, 1, 4, 4))


def accept() -> bytes:
    """Leave the packet as it is."""
    return _verdict(ACCEPT)


def drop() -> bytes:
    """Discard the packet without a word."""
    return _verdict(DROP)


def go_to(chain: str) -> bytes:
    """Go on in another chain, and do not come back."""
    return _verdict(GOTO, attribute(2, chain))


def _verdict(code: int, *more: bytes) -> bytes:
    return expression("immediate", attribute(1, big(VERDICT)), nest(2, nest(2, attribute(1, big(code)), *more)))


def reject() -> bytes:
    """Discard the packet and tell its sender that nobody listens."""
    return expression("reject", attribute(1, big(0)), attribute(2, bytes([PORT_UNREACHABLE])))


def redirect(port: int) -> bytes:
    """Send the connection to a port of this host."""
    return _load(_port(port)) + expression("redir", attribute(1, big(REGISTER)))


def send_to(address: str, port: int) -> bytes:
    """Send the flow to a port of another host."""
    target = _load(socket.inet_aton(address)) + _load(_port(port), NEXT_REGISTER)
    keys = (
        attribute(1, big(1)),
        attribute(2, big(IPV4)),
        attribute(3, big(REGISTER)),
        attribute(5, big(NEXT_REGISTER)),
    )
    return target + expression("nat", *keys)


def original_zone(zone: int) -> bytes:
    """Track the connection, as its initiator sends it, apart from those of other zones."""
    return _load(struct.pack("H", zone)) + _set_zone()


def random_zone() -> bytes:
    """Track every packet, as its initiator sends it, apart from all others."""
    return expression("numgen", *_numbers(REGISTER, 0xFFFF, 1, 1)) + _set_zone()


def _set_zone() -> bytes:
    direction = attribute(3, bytes([CT_ORIGINAL]))
    return expression("ct", attribute(2, big(CT_ZONE)), direction, attribute(4, big(REGISTER)))


def nat_chain(table: str, name: str, hook: int) -> Message:
    """A NAT chain at a hook, as message."""
    return _chain(table, name, hook, BEFORE_DNAT, "nat")


def raw_chain(table: str, name: str, hook: int) -> Message:
    """A chain that sees packets before their connection is looked up, as message."""
    return _chain(table, name, hook, BEFORE_CONNTRACK, "filter")


def filter_chain(table: str, name: str, hook: int) -> Message:
    """A chain that decides on packets, as message."""
    return _chain(table, name, hook, FILTER, "filter")


def _chain(table: str, name: str, hook: int, priority: int, kind: str) -> Message:
    at = nest(4, attribute(1, big(hook)), attribute(2, big(priority)))
    return NEW_CHAIN, attribute(1, table) + attribute(3, name) + at + attribute(7, kind)


def chain(table: str, name: str) -> Message:
    """A chain that others lead to, as message."""
    return NEW_CHAIN, attribute(1, table) + attribute(3, name)


def rule(table: str, chain: str, *expressions: bytes) -> Message:
    """A rule at the end of a chain, as message."""
    return NEW_RULE, attribute(1, table) + attribute(2, chain) + nest(4, *expressions)


def set_of_addresses_and_ports(table: str, name: str, number: int, items: Iterable[tuple[str, int]]) -> list[Message]:
    """A set of pairs of address and port, as messages; `number` is the set's own within the transaction."""
    keys = [socket.inet_aton(address) + _port(port) + bytes(2) for address, port in items]
    head = attribute(1, table) + attribute(2, name)
    chunks = [keys[at : at + _ELEMENTS_AT_ONCE] for at in range(0, len(keys), _ELEMENTS_AT_ONCE)]
    return [
        _set(table, name, number, ADDRESS_AND_PORT, 8),
        *((NEW_ELEMENTS, head + nest(3, *map(_element, chunk))) for chunk in chunks),
    ]


def dynamic_set_of_ports(table: str, name: str, number: int) -> Message:
    """A set of ports that rules add to, as message."""
    size = nest(9, attribute(1, big(DYNAMIC_SIZE)))
    return _set(table, name, number, ONLY_PORT, 2, attribute(3, big(DYNAMIC_SET)), size)


def _set(table: str, name: str, number: int, kind: int, length: int, *more: bytes) -> Message:
    key = attribute(4, big(kind)) + attribute(5, big(length))
    return NEW_SET, attribute(1, table) + attribute(2, name) + key + attribute(10, big(number)) + b"".join(more)


def _element(key: bytes) -> bytes:
    return nest(1, nest(1, attribute(1, key)))


def replacing(table: str, messages: Iterable[Message]) -> list[Message]:
    """What puts chains and rules in place of a table's content."""
    named = attribute(1, table)
    return [(NEW_TABLE, named), (DEL_TABLE, named), (NEW_TABLE, named), *messages]


def commit(messages: Sequence[Message]) -> None:
    """One transaction: all or, with OSError and the kernel's reason, none."""
    batch = struct.pack(">BBH", ANY_FAMILY, 0, 10)
    packets = [_packet(BATCH_BEGIN, REQUEST, 0, batch)]
    head = struct.pack(">BBH", IPV4, 0, 0)
    for number, (kind, body) in enumerate(messages, 1):
        # A refusal is told whatever message it is about; one acknowledgement is enough to know that all went well.
        flags = REQUEST | CREATE | APPEND | (ACK if number == len(messages) else 0)
        packets.append(_packet(kind, flags, number, head + body))
    packets.append(_packet(BATCH_END, REQUEST, 0, batch))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        netlink.bind((0, 0))
        netlink.send(b"".join(packets))
        _read_answer(netlink)


def _packet(kind: int, flags: int, number: int, body: bytes) -> bytes:
    return struct.pack("IHHII", 16 + len(body), kind, flags, number, 0) + body


def _read_answer(netlink: socket.socket) -> None:
    answered = False
    while not answered:
        data = netlink.recv(65536)
        while len(data) >= 16:
            length, kind = struct.unpack_from("IH", data)
            code = struct.unpack_from("i", data, 16)[0]
            if kind == NLMSG_ERROR and code:
                raise OSError(-code, os.strerror(-code))
            answered |= kind == NLMSG_ERROR
            data = data[(length + 3) & ~3 :]
