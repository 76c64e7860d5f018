"""TrafficSplit: backends that come, go, or are of another kind."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors
from fixtures.readings import Readings
from fixtures.services import Services
from fixtures.split import ALL, Splitter
from fixtures.stage import Stage
from smi_conformance.plugin import requirement

LATE = {"app": "web", "version": "late"}


@requirement("SP-036", schedule="fresh")
def test_backend_may_be_named_before_it_exists(split: Splitter, stage: Stage, clients: Actors) -> None:
    """A split may name a backend service before that service exists, and the present backends work meanwhile."""
    root = split.onto(v1=100, late=0)
    clients.a.follows(root)

    root = root.gets("late", stage.server(labels=LATE))
    clients.a.follows(root.at("late"))
    clients.a.follows(root)


@requirement("SP-037", schedule="fresh")
def test_missing_backend_takes_only_its_own_share(split: Splitter, stage: Stage, clients: Actors) -> None:
    """A backend without service or ready pod takes nothing away from the others beyond its own share."""
    root = split.onto(v1=50, late=50)
    clients.a.keeps_share(root, "v1")

    late = stage.server(labels=LATE)
    clients.a.follows(root.gets("late", late), within=0.1)
    stage.scale(late, 0)
    clients.a.keeps_share(root, "v1")

    stage.scale(late, 1)
    clients.a.follows(root.gets("late", late), within=0.1)


@requirement("SP-039", schedule="fresh")
def test_late_backend_is_used(split: Splitter, stage: Stage, clients: Actors) -> None:
    """A backend service that is created after the split is used by it."""
    raised, untouched = split.onto(v1=100, late=0), split.onto(v1=50, later=50)
    clients.a.converges_on(raised)
    clients.a.places(untouched)
    late = stage.server(labels=LATE)
    raised, untouched = raised.gets("late", late), untouched.gets("later", late)

    clients.a.follows(raised.reweighted((50, 50)), within=0.1)
    clients.a.follows(untouched, within=0.1)


@requirement("SP-040")
@pytest.mark.parametrize("missing", ["no Service", "no ready pod"])
def test_share_of_a_missing_backend(split: Splitter, clients: Actors, readings: Readings, missing: str) -> None:
    """The share of a backend without service or ready pods may fail or move to the others."""
    empty = {"no Service": split.backend("absent"), "no ready pod": split.service("nobody")}[missing]
    root = split.onto(v1=50, v2=(empty, 50))

    found = clients.a.places(root)
    named = {frozenset({"v1", "nobody"}): "fails", frozenset({"v1"}): "moves", frozenset(ALL): "root-balance"}
    readings.of(found, named, missing)


@requirement("SP-091")
def test_backends_of_several_types(split: Splitter, clients: Actors) -> None:
    """Backends may be Services of type ClusterIP and NodePort side by side."""
    root = split.onto(v1=80, v2=(split.service("v2", kind="NodePort"), 20))
    swapped = split.onto(v1=(split.service("v1", kind="NodePort"), 80), v2=20)

    clients.a.follows(root, within=0.1)
    clients.a.follows(swapped, within=0.1)


@requirement("SP-093")
@pytest.mark.parametrize("kind", ["headless", "ExternalName"])
def test_backends_without_an_address(
    split: Splitter, services: Services, clients: Actors, readings: Readings, kind: str
) -> None:
    """Headless and ExternalName Services may or may not work as backends."""
    plain = split.service("v2")
    other = {"headless": split.service("v2", headless=True), "ExternalName": services.external_to(plain)}[kind]
    root = split.onto(v1=50, v2=(other, 50))

    found = clients.a.places(root)
    named = {frozenset({"v1", "v2"}): "works", frozenset({"v1"}): "left-out", frozenset({"v1", "nobody"}): "fails"}
    readings.of(found, named, kind)
