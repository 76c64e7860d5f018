"""Three pods with the mesh's UDP rules in a network of their own, and what becomes of datagrams between them.

`python -m selftest.lab.mesh.pods_with_rules` prints a JSON object: what arrived, by check.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from smi_conformance.lab.mesh import nft, udp_inbound
from smi_conformance.lab.mesh.udp_rules import Rules
from smi_conformance.lab.node import linux, preflight
from smi_conformance.lab.node.network import Network

PORTS = (9000, 9001, 9002)
VIP = ("10.96.0.77", 9500)
CHECKS: dict[str, Callable[[], Any]] = {}


def check(function: Callable[[], Any]) -> Callable[[], Any]:
    CHECKS[function.__name__] = function
    return function


class Pod:
    """A network namespace with an address, rules, and a server on each port."""

    def __init__(self, network: Network) -> None:
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        linux.unshare(linux.CLONE_NEWNET)
        self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        linux.setns(own, linux.CLONE_NEWNET)
        self.ip = network.attach(self._namespace)
        with self.inside():
            self.rules = Rules()
            self.servers = {port: self.socket(port) for port in PORTS}

    @contextmanager
    def inside(self) -> Iterator[None]:
        with linux.network_namespace(self._namespace):
            yield

    def socket(self, port: int = 0) -> socket.socket:
        with self.inside():
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("0.0.0.0", port))  # noqa: S104
        made.setblocking(False)
        return made

    def write(self, *, open_: bool = False, granted: Iterable[tuple[Pod, int]] = (), **more: Any) -> None:
        """Put a policy in force; `splits` and `per_datagram` are for what the pod sends, the rest for what it gets."""
        out: dict[str, Any] = {name: more.pop(name) for name in ("splits", "per_datagram") if name in more}
        pairs = [[pod.ip, port] for pod, port in granted]
        inbound: dict[str, Any] = {"name": "inbound", "open": open_, "granted": pairs, "to_everybody": [], **more}
        with self.inside():
            self.rules.write([inbound, {"name": "outbound", "splits": [], **out}])

    def took(self) -> dict[str, int]:
        """What arrived since the last time, by port, and answer it."""
        time.sleep(0.02)
        found: Counter[str] = Counter()
        for port, server in self.servers.items():
            while True:
                try:
                    data, sender = server.recvfrom(100)
                except BlockingIOError:
                    break
                found[str(port)] += 1
                try:
                    server.sendto(data, sender)
                except PermissionError:
                    found["mute"] += 1
        return dict(found)


def send(pod: Pod, to: tuple[str, int], count: int = 1, by: socket.socket | None = None) -> None:
    """Datagrams, each from a port of its own unless a socket is given."""
    for _ in range(count):
        one = by or pod.socket()
        one.sendto(b"x", to)
        if not by:
            one.close()


def heard(one: socket.socket) -> bool:
    time.sleep(0.02)
    try:
        return bool(one.recv(100))
    except BlockingIOError:
        return False


def answered(pod: Pod, server: Pod, port: int = 9000) -> bool:
    """Whether a datagram gets there and its answer back."""
    one = pod.socket()
    send(pod, (server.ip, port), by=one)
    server.took()
    return heard(one)


def split(**backends: tuple[int, list[tuple[Pod, int]]]) -> list[dict[str, Any]]:
    listed = [
        {"name": name, "weight": weight, "endpoints": [[pod.ip, port] for pod, port in endpoints]}
        for name, (weight, endpoints) in backends.items()
    ]
    return [{"address": VIP[0], "port": VIP[1], "backends": listed}]


@check
def closed_before_the_agent_runs() -> Any:
    with b.inside():
        nft.commit(nft.replacing(udp_inbound.TABLE, udp_inbound.messages()))
    return [answered(a, b), answered(b, z)]


@check
def granted_by_address_and_port() -> Any:
    b.write(granted=[(a, 9000), (a, 9001)])
    return [answered(pod, b, port) for pod in (a, z) for port in PORTS]


@check
def a_withdrawn_grant_ends_a_flow() -> Any:
    one, found = a.socket(), []
    for granted in ([(a, 9000)], [], [(a, 9000)]):
        b.write(granted=granted)
        send(a, (b.ip, 9000), by=one)
        found.append(b.took().get("9000", 0))
    return found


@check
def many_grants() -> Any:
    others = [(a, port) for port in range(20000, 29000)]
    b.write(granted=[*others, (a, 9000)])
    return [answered(a, b), answered(z, b)]


@check
def open_to_all() -> Any:
    b.write(open_=True)
    return [answered(a, b), answered(z, b)]


@check
def one_port_open_to_everybody() -> Any:
    b.write(to_everybody=[9000])
    return [answered(z, b), answered(z, b, 9001)]


@check
def remembering() -> Any:
    b.write(granted=[(a, 9000)], remembering=True)
    return [answered(z, b), answered(a, b), answered(z, b), answered(z, b, 9001)]


@check
def mute() -> Any:
    b.write(granted=[(a, 9000)], mute=[9000])
    one = a.socket()
    send(a, (b.ip, 9000), by=one)
    return [b.took(), heard(one), answered(b, z)]


def shares(count: int = 100) -> list[int]:
    """What arrived at b's first two ports and at z's first, from flows that begin anew."""
    send(a, VIP, count)
    at_b, at_z = b.took(), z.took()
    return [at_b.get("9000", 0), at_b.get("9001", 0), at_z.get("9000", 0)]


def opened() -> None:
    b.write(open_=True)
    z.write(open_=True)


@check
def flows_follow_weights() -> Any:
    opened()
    found = []
    for first, second in ((3, 1), (0, 1), (4_000_000_000, 1)):
        a.write(splits=split(one=(first, [(b, 9000), (b, 9001)]), two=(second, [(z, 9000)])))
        found.append([sum(part) for part in zip(*(shares() for _ in range(4)), strict=True)])
    return found


@check
def nothing_left_is_refused() -> Any:
    opened()
    found = []
    nothing: list[dict[str, Any]] = [{}, {"one": (0, [(b, 9000)])}, {"one": (1, [])}]
    for backends in nothing:
        a.write(splits=split(**backends))
        one = a.socket()
        one.connect(VIP)
        one.send(b"x")
        time.sleep(0.02)
        found.append(one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    return [found, shares(10)]


@check
def a_flow_stays_until_its_endpoint_goes() -> Any:
    opened()
    one, found = a.socket(), []
    ends: list[list[tuple[Pod, int]]] = [[(b, 9000)], [(b, 9000), *[(z, 9000)] * 50], [(z, 9000)]]
    for endpoints in ends:
        a.write(splits=split(one=(1, endpoints)))
        send(a, VIP, 3, by=one)
        found.append([b.took().get("9000", 0), z.took().get("9000", 0)])
    return found


@check
def a_changed_split_is_decided_anew() -> Any:
    opened()
    one, found = a.socket(), []
    for weight in (1, 0):
        a.write(splits=split(one=(weight, [(b, 9000)]), two=(1 - weight, [(z, 9000)])))
        send(a, VIP, 3, by=one)
        found.append([b.took().get("9000", 0), z.took().get("9000", 0)])
    return found


@check
def each_datagram_for_itself() -> Any:
    opened()
    a.write(splits=split(one=(1, [(b, 9000)]), two=(1, [(z, 9000)])), per_datagram=True)
    send(a, VIP, 40, by=a.socket())
    return [b.took().get("9000", 0), z.took().get("9000", 0)]


if __name__ == "__main__":
    if preflight.needs_user_namespace():
        preflight.enter_user_namespace()
    linux.unshare(linux.CLONE_NEWNET)
    node = Network()
    node.prepare_node()
    a, b, z = (Pod(node) for _ in range(3))
    json.dump({name: function() for name, function in CHECKS.items()}, sys.stdout)
