"""nf_tables by netlink: expressions and transactions, as far as the node's Service table needs them.

Each function returns the bytes of one expression or message; the comment-like names follow nft's own.
Registers and keys travel big-endian.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import replace

from . import netlink
from .netlink import Message, attr, nest

ICMP_PORT_UNREACHABLE = 3
NF_ACCEPT = 1
NFT_JUMP, NFT_GOTO, NFT_RETURN = -3, -4, -5
PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = range(5)
PRIORITY_DSTNAT, PRIORITY_FILTER, PRIORITY_SRCNAT = -100, 0, 100

_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEWTABLE, _DELTABLE, _NEWCHAIN, _DELCHAIN, _NEWRULE, _DELRULE = 0xA00, 0xA02, 0xA03, 0xA05, 0xA06, 0xA08
_REGISTER_VERDICT, _REGISTER_1, _REGISTER_2 = 0, 1, 2
_META_L4PROTO = 16
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2


def _be32(value: int) -> bytes:
    return struct.pack(">I", value & 0xFFFFFFFF)


def _expression(name: str, *attributes: bytes) -> bytes:
    return nest(1, attr(1, name), nest(2, *attributes))


def equals(data: bytes) -> bytes:
    """Go on only if register 1 holds data."""
    return _expression("cmp", attr(1, _be32(_REGISTER_1)), attr(2, _be32(0)), nest(3, attr(1, data)))


def _payload(base: int, offset: int, length: int) -> bytes:
    keys = (_REGISTER_1, base, offset, length)
    return _expression("payload", *(attr(n, _be32(value)) for n, value in enumerate(keys, 1)))


def source(ip: str) -> bytes:
    """ip saddr IP"""
    return _payload(_NETWORK_HEADER, 12, 4) + equals(socket.inet_aton(ip))


def destination(ip: str) -> bytes:
    """ip daddr IP"""
    return _payload(_NETWORK_HEADER, 16, 4) + equals(socket.inet_aton(ip))


def port(protocol: int, number: int) -> bytes:
    """meta l4proto PROTOCOL, th dport NUMBER"""
    layer4 = _expression("meta", attr(1, _be32(_REGISTER_1)), attr(2, _be32(_META_L4PROTO)))
    return layer4 + equals(bytes([protocol])) + _payload(_TRANSPORT_HEADER, 2, 2) + equals(_be16(number))


def _be16(value: int) -> bytes:
    return struct.pack(">H", value)


def one_in(count: int) -> bytes:
    """numgen random mod COUNT == 0"""
    draw = _expression(
        "numgen",
        attr(1, _be32(_REGISTER_1)),
        attr(2, _be32(count)),
        attr(3, _be32(1)),
        attr(4, _be32(0)),
    )
    return draw + equals(struct.pack("=I", 0))


def _load(register: int, data: bytes) -> bytes:
    return _expression("immediate", attr(1, _be32(register)), nest(2, attr(1, data)))


def dnat(ip: str, number: int) -> bytes:
    """dnat to IP:NUMBER"""
    target = _load(_REGISTER_1, socket.inet_aton(ip)) + _load(_REGISTER_2, _be16(number))
    return target + _nat(1, attr(5, _be32(_REGISTER_2)))


def snat(ip: str) -> bytes:
    """snat to IP"""
    return _load(_REGISTER_1, socket.inet_aton(ip)) + _nat(0)


def _nat(kind: int, *more: bytes) -> bytes:
    keys = (attr(1, _be32(kind)), attr(2, _be32(socket.AF_INET)), attr(3, _be32(_REGISTER_1)))
    return _expression("nat", *keys, *more)


def reject() -> bytes:
    """reject with icmp port-unreachable"""
    return _expression("reject", attr(1, _be32(0)), attr(2, bytes([ICMP_PORT_UNREACHABLE])))


def jump(chain: str, *, code: int = NFT_JUMP) -> bytes:
    """jump CHAIN; with code NFT_GOTO: goto CHAIN"""
    verdict = nest(2, attr(1, _be32(code)), attr(2, chain))
    return _expression("immediate", attr(1, _be32(_REGISTER_VERDICT)), nest(2, verdict))


def _message(kind: int, body: bytes, flags: int = 0) -> Message:
    return Message(kind, struct.pack("=BBH", socket.AF_INET, 0, 0) + body, flags)


def new_table(table: str) -> Message:
    """add table ip TABLE"""
    return _message(_NEWTABLE, attr(1, table), netlink.CREATE)


def delete_table(table: str) -> Message:
    """delete table ip TABLE"""
    return _message(_DELTABLE, attr(1, table))


def base_chain(table: str, chain: str, kind: str, hook: int, priority: int) -> Message:
    """add chain ip TABLE CHAIN { type KIND hook HOOK priority PRIORITY; }"""
    place = nest(4, attr(1, _be32(hook)), attr(2, _be32(priority)))
    return _message(_NEWCHAIN, attr(1, table) + attr(3, chain) + place + attr(7, kind), netlink.CREATE)


def new_chain(table: str, chain: str) -> Message:
    """add chain ip TABLE CHAIN"""
    return _message(_NEWCHAIN, attr(1, table) + attr(3, chain), netlink.CREATE)


def delete_chain(table: str, chain: str) -> Message:
    """delete chain ip TABLE CHAIN"""
    return _message(_DELCHAIN, attr(1, table) + attr(3, chain))


def rule(table: str, chain: str, *expressions: bytes) -> Message:
    """add rule ip TABLE CHAIN EXPRESSIONS"""
    body = attr(1, table) + attr(2, chain) + nest(4, *expressions)
    return _message(_NEWRULE, body, netlink.CREATE | netlink.APPEND)


def flush_chain(table: str, chain: str) -> Message:
    """flush chain ip TABLE CHAIN"""
    return _message(_DELRULE, attr(1, table) + attr(2, chain))


def commit(link: netlink.Netlink, messages: Sequence[Message]) -> None:
    """Apply the messages as one transaction: all or, with OSError, none.

    Only the last is acknowledged, which happens after the commit; a refusal is told for whichever it concerns.
    """
    batch = struct.pack(">BBH", 0, 0, 10)  # res_id: the subsystem nf_tables
    begin = Message(_BATCH_BEGIN, batch, wants_ack=False)
    end = Message(_BATCH_END, batch, wants_ack=False)
    *others, last = messages
    link.send(begin, *(replace(message, wants_ack=False) for message in others), last, end)
