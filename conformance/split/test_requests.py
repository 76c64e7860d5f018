"""TrafficSplit: what a split request looks like, and that it is delivered once."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.readings import Readings
from fixtures.split import Splitter
from smi_conformance.plugin import requirement

CUSTOM = [("x-custom", "one, two"), ("x-custom-2", "Mixed Case; q=0.5"), ("accept-language", "de")]


@requirement("SP-094")
def test_host_of_a_split_request(split: Splitter, clients: Actors, readings: Readings) -> None:
    """The Host header of a split request may be kept or replaced by the backend's name."""
    root = split.onto(v1=100)
    clients.a.converges_on(root)

    hosts = clients.a.hosts(root)
    readings.of(hosts, {frozenset({root.service.name}): "kept", frozenset({root.backend("v1").name}): "replaced"})


@requirement("SP-096")
def test_split_requests_are_unchanged(split: Splitter, clients: Actors) -> None:
    """Being split does not change a request's method, path, query, headers or body."""
    root = split.across((50, 50)).asked(method="POST", path="/a/b?c=d&e=%20f", headers=CUSTOM, body=4096)

    clients.a.finds(root.at("v1").verbatim(), "v1")
    clients.a.finds(root.verbatim(), "v1", "v2")


@requirement("SP-097")
def test_split_requests_are_delivered_once(split: Splitter, clients: Actors) -> None:
    """Each split request is delivered once."""
    root = split.across((50, 50)).asked(method="POST", body=100)
    clients.a.converges_on(root)

    clients.a.delivers_once(root, "v1", "v2")
    clients.a.delivers_once(root.failing(503), "v1", "v2")
