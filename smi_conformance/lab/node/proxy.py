"""Services of the lab: ClusterIPs, TCP and UDP, translated by nf_tables in the node's network namespace.

The rules are written anew as one transaction after a change of Services or Endpoints; established TCP
connections keep their endpoint, as with kube-proxy. There is no sessionAffinity, NodePort or load balancer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from smi_conformance.lab.api.store import Event, Object, Store

from . import conntrack, network, nft
from .netlink import NETLINK_NETFILTER, Message, Netlink

_TABLE = "services"
_PROTOCOLS = {"TCP": socket.IPPROTO_TCP, "UDP": socket.IPPROTO_UDP}
_ON_LOOPBACK = (network.API_IP, network.DNS_IP)
_DEBOUNCE = 0.003  # seconds; the endpoints of a rollout change in bursts

Address = tuple[str, int]


@dataclass(frozen=True)
class Frontend:
    """One port of a Service and where it leads now."""

    protocol: int
    ip: str
    port: int
    backends: tuple[Address, ...]


class ServiceProxy:
    """Keeps the node's Service rules as the store says; to be made inside the node's network namespace."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._link = Netlink(NETLINK_NETFILTER)
        self._written: tuple[Frontend, ...] = ()
        self._chains: list[str] = []
        self._generation = 0
        self._changed = asyncio.Event()

    def prepare(self) -> None:
        """Make the table with its hooks; for the sake of packets in flight they stay when rules change."""
        nft.commit(self._link, _table())
        self._store.observe(self._observe)
        self._changed.set()

    async def run(self) -> None:
        """Follow the store until cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(_DEBOUNCE)
            self._changed.clear()
            self.sync()

    def _observe(self, event: Event) -> None:
        if event.resource in ("services", "endpoints"):
            self._changed.set()

    def sync(self) -> None:
        """Write the rules for what the store holds now."""
        frontends = tuple(_frontends(self._store))
        if frontends == self._written:
            return
        self._generation += 1
        chains = [f"service-{self._generation}-{number}" for number in range(len(frontends))]
        nft.commit(self._link, _rules(frontends, chains, self._chains))
        self._written, self._chains = (
            frontends,
            [c for c, f in zip(chains, frontends, strict=True) if f.backends],
        )
        self._forget_stale_flows()

    def _forget_stale_flows(self) -> None:
        serving = {(f.ip, f.port): f.backends for f in self._written if f.protocol == socket.IPPROTO_UDP}
        if not serving:
            return
        stale = [
            flow
            for flow in conntrack.udp_flows(self._link)
            if flow.dialled in serving and flow.answering not in serving[flow.dialled]
        ]
        for flow in stale:
            conntrack.forget(self._link, flow)


def _table() -> Iterator[Message]:
    yield nft.new_table(_TABLE)
    yield nft.base_chain(_TABLE, "prerouting", "nat", nft.PREROUTING, nft.PRIORITY_DSTNAT)
    yield nft.base_chain(_TABLE, "output", "nat", nft.OUTPUT, nft.PRIORITY_DSTNAT)
    yield nft.base_chain(_TABLE, "postrouting", "nat", nft.POSTROUTING, nft.PRIORITY_SRCNAT)
    yield nft.base_chain(_TABLE, "forward-filter", "filter", nft.FORWARD, nft.PRIORITY_FILTER)
    yield nft.base_chain(_TABLE, "output-filter", "filter", nft.OUTPUT, nft.PRIORITY_FILTER)
    yield nft.new_chain(_TABLE, "frontends")
    yield nft.new_chain(_TABLE, "without-endpoints")


def _frontends(store: Store) -> Iterator[Frontend]:
    for service in store.walk("services"):
        ip = service["spec"].get("clusterIP")
        if not ip or ip == "None" or ip in _ON_LOOPBACK:
            continue
        meta = service["metadata"]
        endpoints = store.find("endpoints", meta["name"], meta["namespace"]) or {}
        for port in service["spec"].get("ports") or ():
            protocol = port.get("protocol", "TCP")
            if protocol in _PROTOCOLS:
                backends = tuple(sorted(_backends(endpoints, port.get("name", ""), protocol)))
                yield Frontend(_PROTOCOLS[protocol], ip, port["port"], backends)


def _backends(endpoints: Object, name: str, protocol: str) -> Iterator[Address]:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            if port.get("name", "") == name and port.get("protocol", "TCP") == protocol:
                yield from ((address["ip"], port["port"]) for address in subset.get("addresses") or ())


def _rules(frontends: tuple[Frontend, ...], chains: list[str], old_chains: list[str]) -> Iterator[Message]:
    """The transaction: every rule of the table goes, the new ones come."""
    yield nft.flush_rules(_TABLE)
    yield from (nft.delete_chain(_TABLE, chain) for chain in old_chains)
    for hook in ("prerouting", "output"):
        yield nft.rule(_TABLE, hook, nft.jump("frontends"))
    for hook in ("forward-filter", "output-filter"):
        yield nft.rule(_TABLE, hook, nft.jump("without-endpoints"))
    for frontend, chain in zip(frontends, chains, strict=True):
        yield from _frontend_rules(frontend, chain)
    # A pod that reaches itself through a Service must not get a packet from its own address (hairpin).
    for ip in sorted({ip for frontend in frontends for ip, _ in frontend.backends}):
        yield nft.rule(_TABLE, "postrouting", nft.source(ip), nft.destination(ip), nft.snat(network.NODE_IP))


def _frontend_rules(frontend: Frontend, chain: str) -> Iterator[Message]:
    match = (nft.destination(frontend.ip), nft.port(frontend.protocol, frontend.port))
    if not frontend.backends:
        yield nft.rule(_TABLE, "without-endpoints", *match, nft.reject())
        return
    yield nft.new_chain(_TABLE, chain)
    yield nft.rule(_TABLE, "frontends", *match, nft.jump(chain, code=nft.NFT_GOTO))
    for left, (ip, port) in zip(range(len(frontend.backends), 0, -1), frontend.backends, strict=True):
        draw = (nft.one_in(left),) if left > 1 else ()
        yield nft.rule(_TABLE, chain, *draw, nft.dnat(ip, port))
