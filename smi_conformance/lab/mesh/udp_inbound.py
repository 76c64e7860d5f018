"""UDP that reaches a pod, as nf_tables rules.

Every datagram that another pod sends is judged by itself, so a grant that is withdrawn ends at once, also for a client
that keeps its port. Connection tracking only tells the answers to what this pod sent.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

from smi_conformance.lab.mesh import nft

TABLE = "smi_reference_udp"
GRANTED, REMEMBERED = "granted", "remembered"
UDP = nft.protocol(socket.IPPROTO_UDP)


def messages(
    granted: Sequence[tuple[str, int]] = (),
    *,
    everything: bool = False,
    to_everybody: Sequence[int] = (),
    remembering: bool = False,
    mute: Sequence[int] = (),
) -> Iterator[nft.Message]:
    """Chains and rules that let in what is `granted`, as pairs of source address and port of the pod, or everything.

    Some ports may be open `to_everybody`.
    `remembering` opens a port to everybody once it took a datagram; ports that are `mute` take datagrams, and what the
    application answers from them is lost.
    """
    yield nft.filter_chain(TABLE, "in", nft.INPUT)
    yield from nft.set_of_addresses_and_ports(TABLE, GRANTED, 1, granted)
    if remembering:
        yield nft.dynamic_set_of_ports(TABLE, REMEMBERED, 2)
    opened = [(nft.to_port(port), nft.accept()) for port in to_everybody]
    for rule in [*_not_judged(), *opened, *_let_in(remembering), (nft.accept() if everything else nft.reject(),)]:
        yield nft.rule(TABLE, "in", *rule)
    yield from _answers_lost(mute)


def _not_judged() -> Iterator[tuple[bytes, ...]]:
    """What the application sends to itself is its own business, unless it came by way of a Service."""
    yield nft.protocol(socket.IPPROTO_UDP, nft.NOT_EQUAL), nft.accept()
    yield nft.is_reply(), nft.accept()
    yield nft.interface(nft.IN_INTERFACE, "lo"), nft.not_redirected(), nft.accept()


def _let_in(remembering: bool) -> Iterator[tuple[bytes, ...]]:
    if remembering:
        yield nft.source_and_port_in(GRANTED), nft.remember_port(REMEMBERED)
        yield nft.port_in(REMEMBERED), nft.accept()
    yield nft.source_and_port_in(GRANTED), nft.accept()


def _answers_lost(ports: Sequence[int]) -> Iterator[nft.Message]:
    if ports:
        yield nft.filter_chain(TABLE, "out", nft.OUTPUT)
    for port in ports:
        yield nft.rule(TABLE, "out", UDP, nft.is_reply(), nft.from_port(port), nft.drop())
