"""Lists and single objects of the metrics API, and their shape."""

from __future__ import annotations

from fixtures.measured import Measured
from fixtures.readings import Readings
from smi_conformance.plugin import requirement


@requirement("TM-020")
def test_lists_are_about_a_kind(measured: Measured) -> None:
    """Listing a kind returns a TrafficMetricsList whose resource carries only kind, namespace and apiVersion."""
    measured.is_a_list("pods", measured.here)
    measured.is_a_list("pods", measured.there)
    measured.is_a_list("pods", measured.everywhere)


@requirement("TM-021")
def test_one_object_by_name(measured: Measured) -> None:
    """Getting one object by name returns a TrafficMetrics that is about it, with the numbers of the list."""
    measured.is_about(measured.ref("pods", "b"))
    measured.is_about(measured.ref("pods", "c"))
    measured.is_about(measured.ref("namespaces", "b"))


@requirement("TM-022")
def test_items_are_of_the_kind_and_scope(measured: Measured) -> None:
    """The items of a list are objects of the requested kind in the requested scope."""
    measured.lists_all("pods", measured.here)
    measured.lists_all("pods", measured.there)
    measured.lists_all("pods", measured.everywhere)


@requirement("TM-023")
def test_spelling_of_kinds(measured: Measured, readings: Readings) -> None:
    """Kinds in answers may be spelled as in Kubernetes or otherwise."""
    others = measured.spellings()
    detail = ", ".join(f"{kind} as {spelled}" for kind, spelled in others.items())
    readings.of(bool(others), {False: "kubernetes-spelling", True: "other-spelling"}, detail)


@requirement("TM-028")
def test_what_does_not_exist(measured: Measured) -> None:
    """Unknown kinds and unknown objects are answered with 404 and a Status."""
    measured.is_not_found("foos", measured.ref("pods", "a").name)
    measured.is_not_found("pods", "no-such")
    measured.single(measured.ref("pods", "b"))


@requirement("TM-029")
def test_objects_without_traffic(measured: Measured) -> None:
    """An existing object without traffic is answered with 404 or zero counts, and with no server error."""
    measured.is_idle(measured.ref("pods", "d"))
    measured.single(measured.ref("pods", "b"))


@requirement("TM-030")
def test_shape_of_an_object(measured: Measured) -> None:
    """A TrafficMetrics has resource, edge, timestamp, window and metrics, each with a name and a quantity."""
    measured.has_no_defect()


@requirement("TM-031")
def test_the_five_metrics(measured: Measured) -> None:
    """Every object carries the three percentiles, success_count and failure_count: also where one of them is 0."""
    measured.carries_all_five()
    measured.counts(measured.ref("pods", "c"), measured.ref("pods", "b-x"), measured.ref("pods", "t"))
