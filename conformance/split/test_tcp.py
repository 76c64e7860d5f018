"""TrafficSplit: TCP traffic that is not HTTP."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.split import Splitter
from smi_conformance.plugin import requirement


@requirement("SP-060")
def test_target_port_of_the_root_plays_no_part_for_tcp(tcp_split: Splitter, clients: Actors) -> None:
    """The targetPort of the root Service plays no part for raw TCP connections that a split sends to a backend."""
    root = tcp_split.onto(tcp_split.service("web", {7000: 9999}), v1=80, v2=20)
    clients.a.follows(root)

    root.deleted()
    clients.a.arrives_only_at(root)


@requirement("SP-089")
def test_tcp_is_split_per_connection(tcp_split: Splitter, clients: Actors) -> None:
    """TCP traffic that is not HTTP is split per connection."""
    root = tcp_split.across((80, 20))

    clients.a.follows(root)
    clients.a.sticks(root)
