"""The bytes of netlink messages: compared with what the standard tools send."""

from __future__ import annotations

import socket

from smi_conformance.lab.node import netlink, nft
from smi_conformance.lab.node.conntrack import _parse


def test_an_attribute_is_padded_but_its_length_is_not() -> None:
    assert netlink.attr(3, "eth0") == bytes.fromhex("09000300 65746830 00000000")
    assert netlink.attr(1, b"\1\2\3\4") == bytes.fromhex("08000100 01020304")


def test_attributes_are_read_back() -> None:
    data = netlink.attr(1, b"abc") + netlink.nest(2, netlink.attr(5, b"xyz1"))
    (first, inner) = netlink.attributes(data)
    assert first == (1, b"abc")
    assert inner[0] == 2
    assert list(netlink.attributes(inner[1])) == [(5, b"xyz1")]


def test_an_address_message() -> None:
    message = netlink.address(1, "10.96.0.10").encode(7)
    assert message == bytes.fromhex(
        "28000000 1400 0506 07000000 00000000"  # length, RTM_NEWADDR, REQUEST|ACK|CREATE|EXCL, sequence, port
        "02 20 00 00 01000000"  # AF_INET, /32, flags, scope, interface
        "08000200 0a60000a 08000100 0a60000a"  # IFA_LOCAL, IFA_ADDRESS
    )


def test_a_default_route_message() -> None:
    message = netlink.route("0.0.0.0", 0, 2, gateway="169.254.1.1", scope=netlink.RT_SCOPE_UNIVERSE)  # noqa: S104
    assert message.encode(1)[16:] == bytes.fromhex(
        "02 00 00 00 fe 04 00 01 00000000 08000400 02000000 08000500 a9fe0101"
    )


def test_nft_comparison_and_payload() -> None:
    """nft --debug=netlink: [ payload load 4b @ network header + 16 => reg 1 ] [ cmp eq reg 1 0x0100600a ]"""
    assert nft.destination("10.96.0.1") == bytes.fromhex(
        "34000180"
        "0c000100 7061796c6f616400"  # "payload"
        "24000280 08000100 00000001 08000200 00000001 08000300 00000010 08000400 00000004"
        "2c000180"
        "08000100 636d7000"  # "cmp"
        "20000280 08000100 00000001 08000200 00000000 0c000380 08000100 0a600001"
    )


def test_nft_goto_names_the_chain() -> None:
    assert nft.jump("svc", code=nft.NFT_GOTO).endswith(bytes.fromhex("14000280 08000100 fffffffc 08000200 73766300"))


def test_conntrack_entries_of_udp_are_understood() -> None:
    def side(source: str, destination: str, ports: tuple[int, int]) -> bytes:
        ips = netlink.attr(1, socket.inet_aton(source)) + netlink.attr(2, socket.inet_aton(destination))
        numbers = netlink.attr(1, bytes([socket.IPPROTO_UDP]))
        numbers += b"".join(netlink.attr(n, port.to_bytes(2)) for n, port in enumerate(ports, 2))
        return netlink.nest(1, ips) + netlink.nest(2, numbers)

    there = side("10.244.0.2", "10.96.1.1", (40000, 9000))
    back = side("10.244.0.3", "10.244.0.2", (9090, 40000))
    flow = _parse(b"\2\0\0\0" + netlink.nest(1, there) + netlink.nest(2, back))
    assert flow is not None
    assert (flow.dialled, flow.answering) == (("10.96.1.1", 9000), ("10.244.0.3", 9090))
    assert flow.original == there
