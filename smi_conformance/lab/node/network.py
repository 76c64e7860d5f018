"""The lab's network: one veth pair per pod, point to point with the node; no bridge.

Without a bridge every packet between pods is routed, so it passes the node's hooks, where the Service
rules translate it there and back. Strict reverse-path filtering keeps a pod from using another's address.
"""

from __future__ import annotations

import errno
import socket
from ipaddress import IPv4Network
from pathlib import Path

from . import linux, netlink
from .netlink import LOOPBACK_INDEX, NETLINK_ROUTE, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, Netlink

NODE_IP = "10.244.0.1"
POD_RANGE = IPv4Network("10.244.0.0/16")
SERVICE_RANGE = IPv4Network("10.96.0.0/16")
API_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"
_GATEWAY = "169.254.1.1"  # the node's end of every pair; link-local, never a source of traffic
_RESERVED_POD_ADDRESSES = 2  # the network's own and the node's


class Network:
    """The node's side of the network; to be made inside the node's network namespace."""

    def __init__(self) -> None:
        self._link = Netlink(NETLINK_ROUTE)
        self._next = _RESERVED_POD_ADDRESSES

    def prepare_node(self) -> None:
        """Addresses of the node and of the API and DNS Services, the Service route, forwarding."""
        self._link.send(
            netlink.link_up(LOOPBACK_INDEX),
            *(netlink.address(LOOPBACK_INDEX, ip) for ip in (NODE_IP, API_IP, DNS_IP)),
        )
        # Output NAT comes after routing, so a call from the node to a ClusterIP needs some route.
        base, bits = str(SERVICE_RANGE.network_address), SERVICE_RANGE.prefixlen
        self._link.send(netlink.route(base, bits, LOOPBACK_INDEX, source=NODE_IP))
        for name in ("conf/all/rp_filter", "conf/default/rp_filter", "ip_forward"):
            Path("/proc/sys/net/ipv4", name).write_text("1")

    def attach(self, namespace: int) -> str:
        """Connect the fresh network namespace behind the fd to the node; the pod's address.

        The pair goes when the namespace goes: the kernel does that aside, while removing it by request would
        hold up the caller for some 20 ms. Addresses are not used again, so nothing stale reaches another pod.
        """
        number = self._next
        self._next += 1
        if number >= POD_RANGE.num_addresses - 1:
            raise OSError(errno.EADDRNOTAVAIL, "no pod address is left in this lab")
        ip, interface = str(POD_RANGE[number]), f"veth{number}"
        self._link.send(netlink.veth(interface, "eth0", namespace))
        index = socket.if_nametoindex(interface)
        self._link.send(
            netlink.address(index, _GATEWAY, scope=RT_SCOPE_LINK),
            netlink.route(ip, 32, index, source=NODE_IP),
        )
        _configure_pod(namespace, ip)
        return ip


def _configure_pod(namespace: int, ip: str) -> None:
    """Give a pod its address and routes.

    By default a host tells an address at most once a second that nobody takes its datagrams. Without that limit a
    refused datagram is told from a lost one, and whoever sent it need not wait.
    """
    with linux.network_namespace(namespace), Netlink(NETLINK_ROUTE) as link:
        Path("/proc/sys/net/ipv4/icmp_ratemask").write_text("0")
        index = socket.if_nametoindex("eth0")
        link.send(
            netlink.link_up(LOOPBACK_INDEX),
            netlink.link_up(index),
            netlink.address(index, ip),
            netlink.route(_GATEWAY, 32, index),
            netlink.route("0.0.0.0", 0, index, gateway=_GATEWAY, scope=RT_SCOPE_UNIVERSE),  # noqa: S104 (the default route)
        )
