"""Deadlines: their bounds, and what is said of a wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from smi_conformance.judge.deadlines import Deadlines

DAY = 86400


def test_some_are_replaced() -> None:
    """The others stay, and only the longer ones are raised."""
    changed = Deadlines().with_(policy=60, ready=10, split=30)

    assert changed.to_json() == {**Deadlines().to_json(), "policy": 60, "ready": 10}
    assert changed.raised() == ["policy"]
    assert Deadlines.names()[:2] == ["ready", "policy"]


@pytest.mark.parametrize("seconds", [0.001, 1, DAY])
def test_from_the_shortest_moment_to_a_day(seconds: float) -> None:
    """Both ends are allowed."""
    assert Deadlines(request=seconds).request == seconds


@pytest.mark.parametrize("seconds", [0, -1, DAY + 0.5, float("nan"), "60", None])
def test_what_is_no_deadline(seconds: Any) -> None:
    """The message names the deadline and what was given."""
    with pytest.raises(ValueError, match=rf"deadline split must be .* not {seconds!r}"):
        Deadlines().with_(split=seconds)


def test_an_unknown_name_gets_advice() -> None:
    """The nearest name, or all of them."""
    with pytest.raises(ValueError, match=r"'polcy'; did you mean policy\?"):
        Deadlines().with_(polcy=60)
    with pytest.raises(ValueError, match="'x'; known are ready, policy, stale"):
        Deadlines().with_(x=1)
