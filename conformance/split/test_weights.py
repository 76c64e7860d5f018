"""TrafficSplit: requests follow the weights."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors
from fixtures.split import Splitter
from smi_conformance.plugin import requirement


@requirement("SP-010")
@pytest.mark.parametrize("weights", [(90, 10), (50, 50), (1, 2, 7)], ids=str)
def test_requests_follow_weights(split: Splitter, clients: Actors, weights: tuple[int, ...]) -> None:
    """Requests of a mesh client to the root service are spread over the backends in proportion to the weights."""
    root = split.across(weights)

    clients.a.follows(root)


@requirement("SP-010")
def test_every_client_pod_follows_weights(split: Splitter, clients: Actors) -> None:
    """Requests of each mesh client pod are spread over the backends in proportion to the weights."""
    root = split.across((90, 10))
    for client in clients.in_the_mesh:
        client.follows(root, rough=True)


@requirement("SP-011")
@pytest.mark.parametrize("weights", [(1000, 500), (1, 2), (3, 5), (50, 25)], ids=str)
def test_weights_are_relative(split: Splitter, clients: Actors, weights: tuple[int, ...]) -> None:
    """Weights are relative and need not add up to 100."""
    root = split.across(weights)

    clients.a.follows(root)


@requirement("SP-012")
@pytest.mark.parametrize(
    "weights", [("1", "500m"), ("10m", "100m", "1500m"), ("100m", "900m"), ("1", "1000m")], ids=str
)
def test_weights_are_quantities(split: Splitter, clients: Actors, weights: tuple[str, ...]) -> None:
    """Weights of v1alpha1 are compared as quantities, so 1 equals 1000m."""
    root = split.across(weights)

    clients.a.follows(root)


@requirement("SP-013")
@pytest.mark.parametrize("before", [(100, 0), (50, 50)], ids=str)
def test_zero_weight_gets_nothing(split: Splitter, clients: Actors, before: tuple[int, int]) -> None:
    """A backend with weight 0 receives no request that was addressed to the root service."""
    root = split.across(before)
    clients.a.converges_on(root)
    root = root.reweighted((100, 0))

    clients.a.follows(root)
    clients.a.follows(root.at("v2"))


@requirement("SP-013", versions=("v1alpha1",))
def test_zero_quantity_gets_nothing(split: Splitter, clients: Actors) -> None:
    """A backend with the weight 0m receives no request that was addressed to the root service."""
    root = split.across(("1", "0m"))

    clients.a.follows(root)
    clients.a.follows(root.at("v2"))


@requirement("SP-014")
@pytest.mark.parametrize("weight", [1, 7])
def test_single_backend_gets_everything(split: Splitter, clients: Actors, weight: int) -> None:
    """A split with a single backend of positive weight sends all requests for the root there."""
    root = split.onto(v2=weight)

    clients.a.follows(root)


@requirement("SP-017")
@pytest.mark.parametrize("weights", [(995, 5, 0), (1, 399, 0)], ids=str)
def test_unequal_weights_keep_their_proportion(split: Splitter, clients: Actors, weights: tuple[int, int, int]) -> None:
    """Very unequal weights keep their proportion and are not rounded away."""
    root = split.across(weights)

    clients.a.follows(root)


@requirement("SP-026")
def test_proportion_holds_for_each_client(split: Splitter, clients: Actors) -> None:
    """The proportion holds for each client on its own and not merely over all clients together."""
    root = split.across((50, 50))
    clients.a.follows(root, within=0.1)
    clients.b.follows(root, within=0.1)
    clients.a.takes_turns_with(clients.b, root)

    root = root.reweighted((1000, 500))
    clients.a.follows(root)
    clients.b.follows(root, rough=True)  # a tenth of what the other sends
