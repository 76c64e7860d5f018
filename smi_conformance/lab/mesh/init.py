"""The init container: redirects the pod's TCP traffic to its proxy, before the application starts.

UDP from outside is refused until the sidecar's agent knows what is granted.

`python -m smi_conformance.lab.mesh.init`. Needs NET_ADMIN. The proxy's own connections are told by SO_MARK, so an
application must not be able to set marks: without NET_ADMIN and NET_RAW it is not.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct

from smi_conformance.lab.mesh import nft, udp_inbound

# As in envoy.py, which is not imported to keep the start short.
OUTBOUND_PORT, INBOUND_PORT, READY_PORT = 15001, 15006, 15021
OUTBOUND_MARK, INBOUND_MARK = 0x539, 0x53A
PROXY_ZONE = 0x539
DNS = 53
TABLE = "smi_reference"
SIOCGIFADDR = 0x8915


def own_addresses() -> list[str]:
    """The IPv4 addresses of the pod's interfaces other than loopback."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode())
            try:
                answer = fcntl.ioctl(any_socket, SIOCGIFADDR, request)
            except OSError:
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return [address for address in found if not address.startswith("127.")]


def outbound(addresses: list[str]) -> list[nft.Message]:
    """Connections that the application makes.

    A call of the proxy to its own pod (by way of a Service) is inbound traffic like any other; calls of the application
    to itself are none of the mesh's business.
    """
    tcp = nft.protocol(socket.IPPROTO_TCP)
    to_self = (
        nft.mark(OUTBOUND_MARK),
        nft.interface(nft.OUT_INTERFACE, "lo"),
        nft.to_loopback(nft.NOT_EQUAL),
    )
    rules: list[tuple[bytes, ...]] = [
        (nft.mark(INBOUND_MARK), nft.accept()),
        (tcp, *to_self, nft.redirect(INBOUND_PORT)),
        (nft.mark(OUTBOUND_MARK), nft.accept()),
        (nft.to_loopback(), nft.accept()),
        (tcp, nft.to_port(DNS), nft.accept()),
        *((tcp, nft.to_address(address), nft.accept()) for address in addresses),
        (tcp, nft.redirect(OUTBOUND_PORT)),
    ]
    return [nft.rule(TABLE, "out", *rule) for rule in rules]


def apart() -> list[nft.Message]:
    """The proxy's own connections get a tracking zone of their own.

    When a server resets a connection that the proxy passed through, its entry stays for 10 s. Without zones an
    application's connection from the same port to the same Service would be taken for it, and so escape the capture.
    """
    return [nft.rule(TABLE, "apart", nft.mark(OUTBOUND_MARK), nft.original_zone(PROXY_ZONE))]


def inbound() -> list[nft.Message]:
    """Connections that reach the pod; the kubelet's check of the proxy itself is left alone."""
    tcp = nft.protocol(socket.IPPROTO_TCP)
    outside = nft.interface(nft.IN_INTERFACE, "lo", nft.NOT_EQUAL)
    return [
        nft.rule(TABLE, "in", tcp, nft.to_port(READY_PORT), nft.accept()),
        nft.rule(TABLE, "in", tcp, outside, nft.redirect(INBOUND_PORT)),
    ]


def main() -> None:
    """Put the rules in place. Raises OSError if the kernel refuses them."""
    chains = [
        nft.raw_chain(TABLE, "apart", nft.OUTPUT),
        nft.nat_chain(TABLE, "out", nft.OUTPUT),
        nft.nat_chain(TABLE, "in", nft.PREROUTING),
    ]
    captured = nft.replacing(TABLE, [*chains, *apart(), *outbound(own_addresses()), *inbound()])
    nft.commit([*captured, *nft.replacing(udp_inbound.TABLE, udp_inbound.messages())])
    os.write(1, b"traffic of this pod goes through its proxy\n")


if __name__ == "__main__":
    main()
