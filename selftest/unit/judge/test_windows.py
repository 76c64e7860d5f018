"""Counts over a window that is not known to the instant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smi_conformance.judge.windows import Between, offset, straddled

STEADY = [Between(n / 20, n / 20 + 0.004) for n in range(2000)]  # 20 per second for 100 seconds


@given(
    st.lists(st.tuples(st.floats(0, 40), st.floats(0, 2), st.floats(0, 1)), max_size=60),
    st.floats(1, 20), st.floats(0, 50), st.floats(0, 10), st.floats(0, 1),
)  # fmt: skip
def test_no_window_counts_more_or_less(
    known: list[tuple[float, float, float]], window: float, begin: float, width: float, where: float
) -> None:
    """Whenever each request is counted, and wherever the window ends."""
    requests = [Between(sent, sent + took) for sent, took, _ in known]
    moment = begin + width * where
    counted = sum(moment - window < sent + took * at <= moment for sent, took, at in known)
    least, most = straddled(requests, window, Between(begin, begin + width))
    assert least <= counted <= most


def test_a_steady_rate_is_known_to_the_request() -> None:
    """Once traffic has gone on for two windows, it does not matter when the window ended: 600 of 20 per second."""
    least, most = straddled(STEADY, 30.0, Between(65.0, 95.0))
    assert 598 <= least <= 600 <= most <= 602


@pytest.mark.parametrize("factor", [0.5, 0.98, 1.02, 2])
def test_two_percent_too_many_or_too_few_are_seen(factor: float) -> None:
    least, most = straddled(STEADY, 30.0, Between(65.0, 95.0))
    assert not least <= 600 * factor <= most


def test_nothing_was_sent() -> None:
    assert straddled([], 30.0, Between(0.0, 1.0)) == Between(0, 0)


@given(st.floats(-1e6, 1e6), st.lists(st.floats(0.05, 3), min_size=1, max_size=20))
def test_clocks_are_told_apart(ahead: float, gaps: list[float]) -> None:
    """The offset of two clocks lies in the bounds, and those are as narrow as the traffic is dense."""
    sent = [Between(ahead + n / 20, ahead + n / 20 + 0.004) for n in range(1300)]
    now, seen = 0.0, []
    for gap in gaps:
        now += gap
        seen.append((Between(now - 0.01, now + 0.01), sum(one.least - ahead + 0.002 <= now for one in sent)))
    found = offset(sent, seen)
    assert found.least - 1e-6 <= ahead <= found.most + 1e-6
    assert found.most - found.least < 0.1


def test_a_clock_that_was_turned_is_noticed() -> None:
    sent = [Between(float(n), n + 0.1) for n in range(10)]
    with pytest.raises(ValueError, match="turned"):
        offset(sent, [(Between(2.0, 2.1), 3), (Between(90.0, 90.1), 5)])
