"""Label selectors of the metrics API: what is written is read, what is echoed means the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smi_conformance.model.metrics.selectors import Requirement, echo, fits, parse

KEYS = st.sampled_from(["app", "tier", "example.org/part-of"])
VALUES = st.sampled_from(["", "a", "b-1", "v2.0"])
sets = st.lists(VALUES, min_size=1, max_size=3).map(tuple)
requirements = st.one_of(
    st.builds(Requirement, KEYS, st.just("In"), VALUES.map(lambda one: (one,)), st.just(True)),
    st.builds(Requirement, KEYS, st.sampled_from(["In", "NotIn"]), sets),
    st.builds(Requirement, KEYS, st.sampled_from(["Exists", "DoesNotExist"])),
)
selectors = st.lists(requirements, max_size=4).map(tuple)
labels = st.dictionaries(KEYS, VALUES)


def written(one: Requirement, space: str = "") -> str:
    """A requirement as a client writes it."""
    if one.equality:
        return f"{one.key}{space}={space}{one.values[0]}"
    if one.operator in ("Exists", "DoesNotExist"):
        return one.key if one.operator == "Exists" else f"!{space}{one.key}"
    listed = f",{space}".join(one.values)
    return f"{one.key} {'in' if one.operator == 'In' else 'notin'} {space}({space}{listed}{space})"


def holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """What Kubernetes says of one expression of a LabelSelector."""
    key, values = expression["key"], expression.get("values", [])
    return {
        "In": key in labels and labels[key] in values,
        "NotIn": key not in labels or labels[key] not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]


@given(selectors, st.sampled_from(["", " "]))
def test_what_is_written_is_read(selector: Sequence[Requirement], space: str) -> None:
    """Each form, with blanks and without, in the order of the text."""
    assert parse(f"{space},{space}".join(written(one, space) for one in selector)) == tuple(selector)


@given(selectors, labels)
def test_a_selector_and_its_echo_mean_the_same(selector: tuple[Requirement, ...], labels: dict[str, str]) -> None:
    """All of matchLabels and all of matchExpressions hold where the selector fits, and nowhere else."""
    echoed = echo(selector)
    assert set(echoed) <= {"matchLabels", "matchExpressions"}
    equal = all(labels.get(key) == value for key, value in echoed.get("matchLabels", {}).items())
    others = all(holds(one, labels) for one in echoed.get("matchExpressions", []))
    assert fits(selector, labels) == (equal and others)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a==1", Requirement("a", "In", ("1",), equality=True)), ("a!=1", Requirement("a", "NotIn", ("1",))),
        ("a = 1", Requirement("a", "In", ("1",), equality=True)), ("a=", Requirement("a", "In", ("",), equality=True)),
        ("a in (1,2)", Requirement("a", "In", ("1", "2"))), ("a notin ( 1 )", Requirement("a", "NotIn", ("1",))),
        ("a", Requirement("a", "Exists")), ("! a", Requirement("a", "DoesNotExist")),
    ],
)  # fmt: skip
def test_forms(text: str, read: Requirement) -> None:
    assert parse(text) == (read,)


def test_nothing_is_no_requirement() -> None:
    """It fits everything, and its echo is empty."""
    for text in ("", " "):
        assert parse(text) == ()
    assert fits((), {"a": "1"})
    assert echo(()) == {}


@pytest.mark.parametrize("part", ["app=(", "=a", "a in 1", "a b", "a,,b", "in (a)"])
def test_what_cannot_be_read_is_told_with_the_whole_selector(part: str) -> None:
    """As Kubernetes does."""
    found = part if "," not in part else ""
    with pytest.raises(ValueError, match=r"^unable to parse requirement: found ") as caught:
        parse(f"x=1,{part}")
    assert str(caught.value) == f'unable to parse requirement: found "{found}" in "x=1,{part}"'


def test_the_echo_has_no_values_where_there_are_none() -> None:
    assert echo(parse("a,!b,c notin (1,2),d=3")) == {
        "matchLabels": {"d": "3"},
        "matchExpressions": [
            {"key": "a", "operator": "Exists"},
            {"key": "b", "operator": "DoesNotExist"},
            {"key": "c", "operator": "NotIn", "values": ["1", "2"]},
        ],
    }
