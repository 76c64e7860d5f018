"""TrafficSplit: UDP traffic."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.split import Splitter
from smi_conformance.plugin import requirement


@requirement("SP-092", versions=("v1alpha1", "v1alpha2", "v1alpha4"))
def test_udp_is_split_per_flow(udp_split: Splitter, clients: Actors) -> None:
    """UDP traffic is split per flow."""
    root = udp_split.across((80, 20))

    clients.a.follows(root)
    clients.a.sticks(root)
