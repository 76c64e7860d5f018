"""Traffic metrics of splits."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.readings import Readings
from fixtures.split import Splitter
from fixtures.split_metrics import SplitMetrics
from smi_conformance.plugin import requirement


@requirement("TM-080")
def test_one_item_per_backend(split_metrics: SplitMetrics, split: Splitter, clients: Actors) -> None:
    """Listing trafficsplits yields one TrafficMetrics per backend of a split."""
    root, other = split.across((90, 10)), split.onto(v3=100)
    clients.a.follows(root, rough=True)
    clients.a.follows(other, rough=True)
    split_metrics.lists(root, "v1", "v2")
    split_metrics.lists(other, "v3")

    split_metrics.lists(root.listing(v1=90), "v1")


@requirement("TM-081")
def test_numbers_are_those_of_the_root(split_metrics: SplitMetrics, split: Splitter, clients: Actors) -> None:
    """The numbers of a split cover the requests sent to its root service only, each for the backend that got it."""
    root, sent, direct = split.across((80, 20)), split_metrics.sender(clients.a), split_metrics.sender(clients.a)
    sent.finds(root)
    sent.sends(root, 400)
    direct.sends(root.at("v2"), 400)
    split_metrics.counts(root, sent)
    split_metrics.pods_count(root, "v2", sent, direct)

    root = split.across((0, 100))
    failing = split_metrics.sender(clients.a)
    failing.finds(root)
    failing.sends(root.failing(503), 100)
    split_metrics.counts(root, failing)


@requirement("TM-082")
def test_edge_of_the_items(split_metrics: SplitMetrics, split: Splitter, clients: Actors) -> None:
    """Items of a split have an edge with direction from, side client and a blank resource."""
    root = split.across((80, 20))
    clients.a.follows(root, rough=True)

    split_metrics.are_seen_by_clients(root)


@requirement("TM-083")
def test_backend_of_the_items(split_metrics: SplitMetrics, split: Splitter, clients: Actors) -> None:
    """The backend field of an item holds the root as apex, the backend's name, and its weight as in the split."""
    root = split.across((90, 10))
    clients.a.follows(root, rough=True)
    split_metrics.name_the_backends(root)

    split_metrics.name_the_backends(root.reweighted((10, 90)))


@requirement("TM-084")
def test_one_split_by_name(split_metrics: SplitMetrics, split: Splitter, clients: Actors, readings: Readings) -> None:
    """Getting one split by name may answer a list of items or one of them."""
    root = split.across((90, 10))
    clients.a.follows(root, rough=True)
    split_metrics.lists(root, "v1", "v2")

    readings.report(split_metrics.of_one(root))
