"""Label selectors on lists of metrics."""

from __future__ import annotations

from fixtures.measured import Measured
from smi_conformance.plugin import requirement


@requirement("TM-024")
def test_selector_keeps_what_carries_the_labels(measured: Measured) -> None:
    """A label selector keeps the items whose Kubernetes object carries the labels, and drops the others."""
    measured.lists_all("pods", measured.here)
    measured.selects("app=foo", "a", "b")
    measured.selects("app=foo,tier=back", "b")
    measured.selects("app=none")


@requirement("TM-025")
def test_selector_changes_no_numbers(measured: Measured) -> None:
    """A label selector never changes the numbers of an item that stays in the list."""
    measured.keeps_numbers("team=x", "deployments", "b")
    measured.keeps_numbers("app=foo", "pods", "b")
    measured.counts(measured.ref("deployments", "b"))


@requirement("TM-026")
def test_set_based_selectors(measured: Measured) -> None:
    """A list takes set-based label selectors."""
    measured.selects("app in (foo,bar)", "a", "b", "b-x", "c", "t")
    measured.selects("app notin (foo)", "b-x", "c", "g", "t", *measured.other_kinds)
    measured.selects("tier", "a", "b", "b-x", "c", "t")


@requirement("TM-027")
def test_selector_is_echoed(measured: Measured) -> None:
    """A list that was asked with a label selector echoes it."""
    measured.echoes("app=foo", {"app": "foo"})
    measured.echoes("app=foo,tier=back", {"app": "foo", "tier": "back"})
