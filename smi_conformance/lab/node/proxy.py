"""Services of the lab: ClusterIPs, TCP and UDP, translated by nf_tables in the node's network namespace.

Each Service port has a chain that picks an endpoint; it changes in one transaction. Established TCP connections
keep their endpoint, as with kube-proxy. There is no sessionAffinity, NodePort or load balancer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from smi_conformance.lab.api.store import Event, Object, Store

from . import conntrack, network, nft
from .netlink import NETLINK_NETFILTER, Message, Netlink

_TABLE = "services"
_PROTOCOLS = {"TCP": socket.IPPROTO_TCP, "UDP": socket.IPPROTO_UDP}
_ON_LOOPBACK = (network.API_IP, network.DNS_IP)
_DEBOUNCE = 0.003  # seconds; the endpoints of a rollout change in bursts

_TRANSACTION = 1 << 16  # bytes
_CHAINS = {
    "frontends": ("prerouting", "output"),
    "without-endpoints": ("forward-filter", "output-filter"),
    "hairpin": ("postrouting",),
}

Address = tuple[str, int]


@dataclass(frozen=True)
class Frontend:
    """One port of a Service."""

    protocol: int
    ip: str
    port: int

    @property
    def chain(self) -> str:
        """The chain that picks an endpoint."""
        return f"{self.protocol}-{self.ip}-{self.port}"


Backends = tuple[Address, ...]
Services = dict[Frontend, Backends]


class ServiceProxy:
    """Keeps the node's Service rules as the store says; to be made inside the node's network namespace."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._link = Netlink(NETLINK_NETFILTER)
        self._written: Services = {}
        self._changed = asyncio.Event()

    def prepare(self) -> None:
        """Make the table with its hooks, and follow the store from now on."""
        nft.commit(self._link, [*_table()])
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
        wanted = dict(_services(self._store))
        if wanted == self._written:
            return
        for messages in _chunks(_chain_messages(wanted, self._written)):
            nft.commit(self._link, messages)
        nft.commit(self._link, [*_layout_messages(wanted, self._written)])
        before, self._written = self._written, wanted
        self._forget_stale_flows(before)

    def _forget_stale_flows(self, before: Services) -> None:
        """Those of UDP frontends that lost an endpoint: the kernel takes 10 ms to walk through its table."""
        lost = [front for front, backends in before.items() if set(backends) - set(self._written.get(front, ()))]
        udp = {(f.ip, f.port): self._written.get(f, ()) for f in lost if f.protocol == socket.IPPROTO_UDP}
        if not udp:
            return
        flows = [flow for flow in conntrack.udp_flows(self._link) if flow.dialled in udp]
        for flow in flows:
            if flow.answering not in udp[flow.dialled]:
                conntrack.forget(self._link, flow)


def _table() -> Iterator[Message]:
    yield nft.new_table(_TABLE)
    yield nft.base_chain(_TABLE, "prerouting", "nat", nft.PREROUTING, nft.PRIORITY_DSTNAT)
    yield nft.base_chain(_TABLE, "output", "nat", nft.OUTPUT, nft.PRIORITY_DSTNAT)
    yield nft.base_chain(_TABLE, "postrouting", "nat", nft.POSTROUTING, nft.PRIORITY_SRCNAT)
    yield nft.base_chain(_TABLE, "forward-filter", "filter", nft.FORWARD, nft.PRIORITY_FILTER)
    yield nft.base_chain(_TABLE, "output-filter", "filter", nft.OUTPUT, nft.PRIORITY_FILTER)
    for chain, hooks in _CHAINS.items():
        yield nft.new_chain(_TABLE, chain)
        yield from (nft.rule(_TABLE, hook, nft.jump(chain)) for hook in hooks)


def _services(store: Store) -> Iterator[tuple[Frontend, Backends]]:
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
                yield Frontend(_PROTOCOLS[protocol], ip, port["port"]), backends


def _backends(endpoints: Object, name: str, protocol: str) -> Iterator[Address]:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            if port.get("name", "") == name and port.get("protocol", "TCP") == protocol:
                yield from ((address["ip"], port["port"]) for address in subset.get("addresses") or ())


def _chain_messages(wanted: Services, written: Services) -> Iterator[list[Message]]:
    """For each frontend whose endpoints changed, what makes its chain pick among them."""
    for frontend, backends in wanted.items():
        if not backends or written.get(frontend) == backends:
            continue
        chain = frontend.chain
        fresh = nft.flush_chain if written.get(frontend) else nft.new_chain
        yield [fresh(_TABLE, chain), *_picks(chain, backends)]


def _picks(chain: str, backends: Backends) -> Iterator[Message]:
    """The first of N with a chance of 1/N, else the first of the N-1 others, and so on."""
    for left, (ip, port) in zip(range(len(backends), 0, -1), backends, strict=True):
        draw = (nft.one_in(left),) if left > 1 else ()
        yield nft.rule(_TABLE, chain, *draw, nft.dnat(ip, port))


def _chunks(groups: Iterable[list[Message]]) -> Iterator[list[Message]]:
    """Groups put together to transactions small enough for any socket; a group is never divided."""
    chunk: list[Message] = []
    for group in groups:
        if chunk and sum(len(message.body) for message in chunk + group) > _TRANSACTION:
            yield chunk
            chunk = []
        chunk = chunk + group
    if chunk:
        yield chunk


def _layout_messages(wanted: Services, written: Services) -> Iterator[Message]:
    """The transaction that leads packets to the chains as they are now, and drops chains of no use."""
    for chain in ("frontends", "without-endpoints", "hairpin"):
        yield nft.flush_chain(_TABLE, chain)
    for frontend, backends in wanted.items():
        match = (nft.destination(frontend.ip), nft.port(frontend.protocol, frontend.port))
        if backends:
            yield nft.rule(_TABLE, "frontends", *match, nft.jump(frontend.chain, code=nft.NFT_GOTO))
        else:
            yield nft.rule(_TABLE, "without-endpoints", *match, nft.reject())
    # A pod that reaches itself through a Service must not get a packet from its own address (hairpin).
    for ip in sorted({ip for backends in wanted.values() for ip, _ in backends}):
        yield nft.rule(_TABLE, "hairpin", nft.source(ip), nft.destination(ip), nft.snat(network.NODE_IP))
    for frontend, backends in written.items():
        if backends and not wanted.get(frontend):
            yield nft.flush_chain(_TABLE, frontend.chain)
            yield nft.delete_chain(_TABLE, frontend.chain)
