"""Connection tracking: forgetting UDP flows that still go to an endpoint a Service no longer has.

A NAT rule is consulted for the first packet of a flow only. A UDP flow has no end, so a client that keeps its
source port would send to a removed endpoint for as long as it sends; kube-proxy deletes such entries too.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from . import netlink
from .netlink import Message, Netlink, attr, attributes, nest

_GET, _DELETE = 0x101, 0x102
_TUPLE_ORIGINAL, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SOURCE, _DESTINATION = 1, 2
_PROTO_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_FILTER, _FILTER_ORIGINAL, _FILTER_REPLY, _BY_PROTO_NUMBER = 25, 1, 2, 1 << 3
_GENERIC = struct.pack("=BBH", socket.AF_INET, 0, 0)
# Lets the kernel leave out the thousands of TCP connections; kernels before 5.8 send them, too.
_UDP_ONLY = (
    nest(_TUPLE_ORIGINAL, nest(_TUPLE_PROTO, attr(_PROTO_NUMBER, bytes([socket.IPPROTO_UDP]))))
    + nest(_FILTER, attr(_FILTER_ORIGINAL, struct.pack("=I", _BY_PROTO_NUMBER)), attr(_FILTER_REPLY, bytes(4)))
)  # fmt: skip


@dataclass(frozen=True)
class Flow:
    """A tracked UDP flow: the address the client dialled and the address that answers it."""

    dialled: tuple[str, int]
    answering: tuple[str, int]
    original: bytes


def _parse(body: bytes) -> Flow | None:
    tuples = dict(attributes(body[4:]))
    if _TUPLE_ORIGINAL not in tuples or _TUPLE_REPLY not in tuples:
        return None
    there, back = (dict(attributes(tuples[kind])) for kind in (_TUPLE_ORIGINAL, _TUPLE_REPLY))
    ports, back_ports = (dict(attributes(side.get(_TUPLE_PROTO, b""))) for side in (there, back))
    if ports.get(_PROTO_NUMBER, b"\0")[0] != socket.IPPROTO_UDP:
        return None
    dialled = dict(attributes(there[_TUPLE_IP]))[_DESTINATION]
    answering = dict(attributes(back[_TUPLE_IP]))[_SOURCE]
    return Flow(
        (socket.inet_ntoa(dialled), int.from_bytes(ports[_DESTINATION_PORT])),
        (socket.inet_ntoa(answering), int.from_bytes(back_ports[_SOURCE_PORT])),
        tuples[_TUPLE_ORIGINAL],
    )


def udp_flows(link: Netlink) -> Iterator[Flow]:
    """The UDP flows tracked in the namespace of the netlink socket."""
    for body in link.dump(Message(_GET, _GENERIC + _UDP_ONLY, netlink.DUMP, wants_ack=False)):
        flow = _parse(body)
        if flow is not None:
            yield flow


def forget(link: Netlink, flow: Flow) -> None:
    """Delete the entry; the flow's next packet meets the rules anew. A flow already gone is no error."""
    try:
        link.send(Message(_DELETE, _GENERIC + attr(_TUPLE_ORIGINAL | netlink.NESTED, flow.original)))
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
