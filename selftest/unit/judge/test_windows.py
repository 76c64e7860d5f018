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


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), max_size=8), st.integers(4, 6),
    st.integers(0, 14), st.integers(0, 6),
)  # fmt: skip
def test_the_bounds_are_met(known: list[tuple[int, int]], window: int, begin: int, width: int) -> None:
    """By some end, of all on a grid of half seconds, and by some times of requests no longer than the window."""
    requests = [Between(sent, sent + took) for sent, took in known]
    ends = [begin + half / 2 for half in range(2 * width + 1)]
    fewest = min(sum(end - window < one.least and one.most <= end for one in requests) for end in ends)
    most = max(sum(end - window <= one.most and one.least <= end for one in requests) for end in ends)
    assert straddled(requests, window, Between(begin, begin + width)) == (fewest, most)


def test_a_request_longer_than_the_window_makes_the_least_less() -> None:
    """It is still a bound: the one that spans the window may be counted in it or not, the other one is."""
    assert straddled([Between(0.0, 4.0), Between(2.0, 2.0)], 1.0, Between(2.0, 2.0)) == (0, 2)


def test_a_window_that_begins_between_two_requests() -> None:
    """What changes the counts is the begin of the window as well as its end."""
    requests = [Between(0.0, 0.0), Between(4.5, 4.5)]
    assert straddled(requests, 4.0, Between(3.0, 6.0)) == (0, 1)  # from 4 to 4.5 there is none
    assert straddled(requests, 5.0, Between(3.0, 6.0)) == (1, 2)


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


def test_a_single_offset_may_fit() -> None:
    """The bounds touch: it is known to the instant. That all had arrived bounds one side only."""
    sent = [Between(10.0, 10.0), Between(11.0, 11.0)]
    assert offset(sent, [(Between(0.0, 1.0), 1), (Between(2.0, 2.0), 1)]) == (9.0, 9.0)
    assert offset(sent, [(Between(2.0, 2.5), 2)]) == (8.5, float("inf"))
    assert offset(sent, [(Between(2.0, 2.5), 0)]) == (float("-inf"), 8.0)


def test_a_clock_that_was_turned_is_noticed() -> None:
    sent = [Between(float(n), n + 0.1) for n in range(10)]
    with pytest.raises(ValueError, match=r"^the clocks of suite and workload"):
        offset(sent, [(Between(2.0, 2.1), 3), (Between(90.0, 90.1), 5)])
