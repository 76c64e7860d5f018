"""What a sidecar's agent does with what the control plane says about its pod's UDP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smi_conformance.lab.mesh import nft, udp_inbound, udp_outbound
from smi_conformance.lab.mesh.conntrack import Tracking
from smi_conformance.lab.mesh.udp_outbound import Splits

Json = Mapping[str, Any]


class Rules:
    """Keeps the pod's rules, and ends flows that would go on the way an earlier policy had sent them."""

    def __init__(self) -> None:
        self._splits: Splits = {}

    def write(self, resources: Sequence[Json]) -> None:
        """Put the resources of an answer in force. Raises OSError with the kernel's reason, KeyError, ValueError."""
        before, now = self._splits, splits_of(resources)
        nft.commit(messages(resources))
        if before != now:
            _forget_stale_flows(before, now)
        self._splits = now


def _forget_stale_flows(before: Splits, now: Splits) -> None:
    with Tracking() as tracking:
        for flow in tracking.udp_flows():
            if udp_outbound.is_stale(flow, before, now):
                tracking.forget(flow)


def messages(resources: Sequence[Json]) -> list[nft.Message]:
    """The table for the resources, in place of the one before. Raises KeyError, ValueError."""
    named = {item["name"]: item for item in resources}
    inbound, outbound = named["inbound"], named["outbound"]
    judged = udp_inbound.messages(
        [(ip, port) for ip, port in inbound["granted"]],
        everything=inbound["open"],
        to_everybody=inbound["to_everybody"],
        remembering=inbound.get("remembering", False),
        mute=inbound.get("mute", ()),
    )
    spread = udp_outbound.messages(splits_of(resources), per_datagram=outbound.get("per_datagram", False))
    return nft.replacing(udp_inbound.TABLE, [*judged, *spread])


def splits_of(resources: Sequence[Json]) -> Splits:
    """The split addresses among the resources."""
    return {
        (split["address"], split["port"]): split["backends"]
        for item in resources
        if item["name"] == "outbound"
        for split in item["splits"]
    }
