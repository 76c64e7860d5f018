"""TrafficSplit: requests follow the weights."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors
from fixtures.split import Splitter
from smi_conformance.plugin import requirement

UPDATES = [(100, 0), (90, 10), (50, 50), (0, 100)]


@requirement("SP-010")
@pytest.mark.parametrize("weights", [(90, 10), (50, 50), (1, 2, 7)], ids=str)
def test_requests_follow_weights(split: Splitter, clients: Actors, weights: tuple[int, ...]) -> None:
    """Requests of a mesh client to the root service are spread over the backends in proportion to the weights."""
    root = split.across(weights)
    clients.a.converges_on(root)

    clients.a.sample(root).follows()


@requirement("SP-010")
def test_every_client_pod_follows_weights(split: Splitter, clients: Actors) -> None:
    """Requests of each mesh client pod are spread over the backends in proportion to the weights."""
    root = split.across((90, 10))
    for client in clients.in_the_mesh:
        client.converges_on(root)
        client.sample(root, rough=True).follows()


@requirement("SP-013")
@pytest.mark.parametrize("before", [(100, 0), (50, 50)], ids=str)
def test_zero_weight_gets_nothing(split: Splitter, clients: Actors, before: tuple[int, int]) -> None:
    """A backend with weight 0 receives no request that was addressed to the root service."""
    root = split.across(before)
    clients.a.converges_on(root)
    root = root.reweighted((100, 0))
    clients.a.converges_on(root)

    clients.a.can(root.backend("v2").get("/"))
    clients.a.sample(root).follows()


@requirement("SP-032")
def test_changed_weights_take_effect(split: Splitter, clients: Actors) -> None:
    """Changed weights take effect for running clients without restarts."""
    root = split.across(UPDATES[0])
    steady = clients.b.streams(root)
    for weights in UPDATES:
        root = root.reweighted(weights)
        clients.a.converges_on(root)
        steady.settles_on(root)
        clients.a.sample(root).follows()
    steady.ends()
    root.pods_are_unchanged()


@requirement("SP-020")
@pytest.mark.parametrize(
    ("client", "form"),
    [
        *(("a", form) for form in ("{svc}", "{svc}.{ns}", "{svc}.{ns}.svc", "{svc}.{ns}.svc.cluster.local")),
        *(("x", form) for form in ("{svc}.{ns}", "{svc}.{ns}.svc", "{svc}.{ns}.svc.cluster.local")),
    ],
)
def test_split_acts_under_every_name(split: Splitter, clients: Actors, client: str, form: str) -> None:
    """A split acts on requests to the root under every DNS form of its name, from its own and from other namespaces."""
    root, sender = split.across((90, 10)).named(form), getattr(clients, client)
    sender.converges_on(root)

    sender.sample(root).follows()
    sender.sample(root, rough=True, port_in_host=True).follows()
    unsplit = split.unsplit()
    sender.can(unsplit.get())
    sender.sample(unsplit, rough=True).reaches_every_version()
