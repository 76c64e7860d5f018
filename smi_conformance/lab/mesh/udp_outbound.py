"""UDP that a pod sends to split Services, as nf_tables rules.

A split is decided for the first datagram of a flow; the flow then stays where it is, until the split changes or its
endpoint goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from smi_conformance.lab.mesh import nft
from smi_conformance.lab.mesh.conntrack import Flow
from smi_conformance.lab.mesh.udp_inbound import TABLE, UDP

#: Nobody listens there: the sender hears at once that its datagram came to nothing.
NOWHERE = 15001

Address = tuple[str, int]
#: Name, weight and endpoints (lists of address and port).
Backend = Mapping[str, Any]
#: The backends of each split address.
Splits = Mapping[Address, Sequence[Backend]]


def messages(splits: Splits, *, per_datagram: bool = False) -> Iterator[nft.Message]:
    """Chains and rules that spread flows over backends by weight; `per_datagram` takes every datagram for a flow."""
    if not splits:
        return
    yield nft.nat_chain(TABLE, "split", nft.OUTPUT)
    if per_datagram:
        yield nft.raw_chain(TABLE, "apart", nft.OUTPUT)
    for number, ((address, port), backends) in enumerate(splits.items()):
        called, name = (UDP, nft.to_address(address), nft.to_port(port)), f"split-{number}"
        yield from _pick_backend(name, [one for one in backends if one["weight"]])
        yield nft.rule(TABLE, "split", *called, nft.go_to(name))
        if per_datagram:
            yield nft.rule(TABLE, "apart", *called, nft.random_zone())


def _pick_backend(name: str, backends: Sequence[Backend]) -> Iterator[nft.Message]:
    """The first backend with the chance of its weight, else the second with that of its share of the rest, ..."""
    yield nft.chain(TABLE, name)
    left = sum(one["weight"] for one in backends)
    for number, backend in enumerate(backends):
        yield from _pick_endpoint(f"{name}-{number}", backend["endpoints"])
        yield nft.rule(TABLE, name, *_draw(backend["weight"], left), nft.go_to(f"{name}-{number}"))
        left -= backend["weight"]
    if not backends:
        yield nft.rule(TABLE, name, UDP, nft.redirect(NOWHERE))


def _pick_endpoint(name: str, endpoints: Sequence[Sequence[Any]]) -> Iterator[nft.Message]:
    yield nft.chain(TABLE, name)
    for left, (ip, port) in zip(range(len(endpoints), 0, -1), endpoints, strict=True):
        yield nft.rule(TABLE, name, UDP, *_draw(1, left), nft.send_to(ip, port))
    if not endpoints:
        yield nft.rule(TABLE, name, UDP, nft.redirect(NOWHERE))


def _draw(part: int, whole: int) -> tuple[bytes, ...]:
    return () if part == whole else (nft.chance(part, whole),)


def is_stale(flow: Flow, before: Splits, now: Splits) -> bool:
    """Whether a flow goes another way than it would now: the split is another one, or its endpoint has gone.

    UDP knows no end of a flow: a client that comes by the same port again would be taken for the old one.
    """
    old, new = before.get(flow.dialled), now.get(flow.dialled)
    if old is None and new is None:
        return False
    return old is None or new is None or _weights(old) != _weights(new) or flow.answering not in _endpoints(new)


def _weights(backends: Sequence[Backend]) -> list[tuple[str, int]]:
    return [(one["name"], one["weight"]) for one in backends]


def _endpoints(backends: Sequence[Backend]) -> set[Address]:
    return {(ip, port) for one in backends for ip, port in one["endpoints"]}
