"""TrafficSplit: splits whose weights are all 0."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.readings import Readings
from fixtures.split import ALL, Splitter
from smi_conformance.plugin import requirement


@requirement("SP-015")
def test_all_weights_zero(split: Splitter, clients: Actors, readings: Readings) -> None:
    """When every weight is 0 the split may be refused, ignored, or make requests fail."""
    root = split.offer(v1=0, v2=0)

    found = (root.stands, clients.a.places(root))
    named = {
        (False, frozenset(ALL)): "refused",
        (True, frozenset(ALL)): "root-balance",
        (True, frozenset({"v1", "v2"})): "equal-shares",
        (True, frozenset({"nobody"})): "requests-fail",
    }
    readings.of(found, named)


@requirement("SP-016")
def test_zeros_disturb_nobody_else(split: Splitter, clients: Actors) -> None:
    """A split whose weights are all 0 does not disturb other services."""
    other, plain = split.across((80, 20)), split.unsplit()
    clients.a.follows(other, within=0.1)
    clients.a.finds(plain, *ALL)
    zeros = split.offer(v1=0, v2=0)
    clients.a.places(zeros)

    clients.a.finds(plain, *ALL)
    clients.a.sample(other, within=0.1).follows()
    other = other.reweighted((20, 80))
    clients.a.follows(other, within=0.1)
    zeros.deleted()
    clients.a.finds(plain, *ALL)
    clients.a.follows(other, within=0.1)


@requirement("SP-019")
def test_split_recovers_from_zeros(split: Splitter, clients: Actors) -> None:
    """A split recovers when weights that were all 0 are set again."""
    root = split.across((20, 80))
    clients.a.converges_on(root)
    clients.a.places(root.tries((0, 0)))

    root = root.reweighted((80, 20))
    clients.a.follows(root, within=0.1)
    clients.a.follows(root.reweighted((50, 50)), within=0.1)
