"""The API surface: the shape of TrafficSplits."""

from __future__ import annotations

import pytest

from fixtures.api import Api
from fixtures.cast import Actors
from fixtures.readings import Readings
from fixtures.splitter import Splitter
from smi_conformance.model.objects import Backend, Split
from smi_conformance.plugin import requirement

MINIMAL = Split("nothing", (Backend("nobody", 1),))
MATCHED = Split("nothing", (Backend("nobody", 1),), matches=("group",))
NONSENSE = ((-1, 3), (1, 1))  # weights of two backends that are the same Service
NO_WHOLE_NUMBERS = (0.5, "50", "500m")
EVERY = frozenset({"v1", "v2", "v3", "v4"})


@requirement("API-080")
@pytest.mark.parametrize("field", ["service", "backends", "backends.0.service", "backends.0.weight"])
def test_incomplete_split_is_refused(api: Api, field: str) -> None:
    """A TrafficSplit without service or backends, or with a backend that lacks its service or weight, is refused."""
    api.draft(MINIMAL).without(field).is_refused()
    api.draft(MINIMAL).is_taken()


@requirement("API-081")
def test_other_weight_is_never_applied_as_another_number(split: Splitter, clients: Actors, api: Api) -> None:
    """A fractional or textual weight is never applied as a different whole number."""
    roots = [split.across((75, 25)) for _ in NO_WHOLE_NUMBERS]
    _ = [clients.a.follows(root, rough=True) for root in roots]

    offers = zip(roots, NO_WHOLE_NUMBERS, strict=True)
    _ = [api.object(root.ref).is_offered("backends.0.weight", weight) for root, weight in offers]
    clients.a.follows(split.across((1000, 1)), rough=True)
    _ = [clients.a.sample(root, rough=True).follows() for root in roots]


@requirement("API-082")
@pytest.mark.parametrize("weight", [1, "1", "500m", "0m", "1500m"], ids=repr)
def test_quantities_are_taken(api: Api, weight: int | str) -> None:
    """v1alpha1 weights are Kubernetes quantities, accepted both as numbers and as strings with the milli suffix."""
    stored = api.draft(Split("nothing", (Backend("nobody", weight),))).is_taken()
    stored.shows_quantity("backends.0.weight", weight)


@requirement("API-082")
def test_no_quantity_is_refused_or_never_applied(split: Splitter, clients: Actors, api: Api) -> None:
    """A v1alpha1 weight that is no quantity is refused or never applied."""
    root = split.across((75, 25))
    clients.a.follows(root)

    api.object(root.ref).is_offered("backends.0.weight", "abc")
    clients.a.follows(split.across(("1500m", "500m")), rough=True)
    clients.a.sample(root).follows()


@requirement("API-083")
def test_matches_are_route_groups(api: Api) -> None:
    """A matches entry of a split must be of kind HTTPRouteGroup, and another kind is refused."""
    api.draft(MATCHED).having("matches.0.kind", "TCPRoute").is_refused()
    api.draft(MATCHED).without("matches.0.kind").is_refused()
    api.draft(MATCHED).is_taken().shows("matches.0.kind", "HTTPRouteGroup")


@requirement("API-084")
@pytest.mark.parametrize("weights", NONSENSE, ids=["negative weight", "repeated backend"])
def test_what_becomes_of_nonsense(
    split: Splitter, clients: Actors, api: Api, readings: Readings, weights: tuple[int, int]
) -> None:
    """A split that passes the schema but makes no sense may be refused or accepted."""
    root, backend = split.unsplit(), split.service("v1").name
    offered = api.draft(Split(root.service.name, tuple(Backend(backend, one) for one in weights))).is_offered()

    places = clients.a.places(root)
    known = {(False, True): "refused", (True, True): "ignored", (True, False): "applied"}
    readings.of((offered.exists, places == EVERY), known, f"requests reach {', '.join(sorted(places))}")


@requirement("API-085")
def test_what_an_empty_list_of_backends_does(split: Splitter, clients: Actors, api: Api, readings: Readings) -> None:
    """A split with an empty backends list may be refused or accepted."""
    root = split.unsplit()
    offered = api.draft(Split(root.service.name, ())).is_offered()

    places = clients.a.places(root)
    known = {
        (False, EVERY): "refused",
        (True, EVERY): "acts-as-no-split",
        (True, frozenset({"nobody"})): "requests-fail",
    }
    readings.of((offered.exists, places), known)


@requirement("API-086")
def test_nonsense_disturbs_no_other_split(split: Splitter, clients: Actors, api: Api) -> None:
    """A split that makes no sense does not disturb other splits."""
    root, backend = split.across((75, 25)), split.service("v1").name
    clients.a.follows(root, rough=True)

    lists = [tuple(Backend(backend, weight) for weight in weights) for weights in NONSENSE]
    bad = [api.draft(Split(split.unsplit().service.name, backends)).is_offered() for backends in lists]
    clients.a.follows(split.across((90, 10)), rough=True)
    clients.a.sample(root, rough=True).follows()
    root = root.reweighted((25, 75))
    clients.a.follows(root)
    for one in bad:
        one.deleted()
    clients.a.follows(root.reweighted((50, 50)), rough=True)


@requirement("API-087")
@pytest.mark.parametrize("weight", NO_WHOLE_NUMBERS)
def test_other_weight_is_refused(api: Api, weight: float | str) -> None:
    """A fractional or textual weight is refused at admission."""
    api.draft(MINIMAL).having("backends.0.weight", weight).is_refused()
    for good in (1, 1000):
        api.draft(MINIMAL).having("backends.0.weight", good).is_taken()


@requirement("API-088")
def test_other_weight_stops_no_other_split(split: Splitter, clients: Actors, api: Api) -> None:
    """A split with a weight that is not a whole number does not stop other splits from working."""
    root, backend = split.across((75, 25)), split.service("v1").name
    clients.a.follows(root, rough=True)

    drafts = [api.draft(Split(split.unsplit().service.name, (Backend(backend, 1),))) for _ in NO_WHOLE_NUMBERS]
    offers = zip(drafts, NO_WHOLE_NUMBERS, strict=True)
    bad = [draft.having("backends.0.weight", weight).is_offered() for draft, weight in offers]
    root = root.reweighted((25, 75))
    clients.a.follows(root)
    for one in bad:
        one.deleted()
    clients.a.follows(split.across((90, 10)), rough=True)
    clients.a.sample(root, rough=True).follows()
