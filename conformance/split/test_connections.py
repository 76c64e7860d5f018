"""TrafficSplit: requests on open connections."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors
from fixtures.split import Splitter
from smi_conformance.plugin import requirement


@requirement("SP-018")
@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2"])
def test_proportion_holds_per_request(split: Splitter, clients: Actors, protocol: str) -> None:
    """For HTTP the proportion holds per request, also when all requests share one connection."""
    root = split.across((80, 20))
    clients.a.follows(root, within=0.1)
    alone = root.spoken(protocol).alone()

    clients.a.follows(alone, within=0.1)
    clients.a.pauses(alone)
    clients.a.sample(alone, rough=True).follows()
