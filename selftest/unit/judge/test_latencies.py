"""Where a percentile has to lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smi_conformance.judge.latencies import Span, holds, interval, ranks

METHODS = (
    *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen"),
    *("weibull", "linear", "median_unbiased", "normal_unbiased"),
)


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=300),
    st.sampled_from([50, 90, 99]),
    st.sampled_from(METHODS),
)
def test_every_definition_lies_in_the_interval(known: list[tuple[float, float, float]], percent: int, how: str) -> None:
    """Whatever the true latencies are within their spans, and whichever definition a mesh takes."""
    spans = [Span(least, least + width) for least, width, _ in known]
    true = [least + width * where for least, width, where in known]
    value = float(np.percentile(true, percent, method=how))  # type: ignore[call-overload]
    found = interval(spans, percent)
    assert found.least - 1e-9 <= value <= found.most + 1e-9


@pytest.mark.parametrize(
    ("count", "percent", "between"),
    [
        (1, 50, (1, 1)),
        (100, 50, (50, 51)),
        (100, 99, (99, 100)),
        (117, 90, (105, 107)),
        (11, 10, (1, 2)),
        (12, 10, (1, 3)),
    ],
)
def test_ranks(count: int, percent: int, between: tuple[int, int]) -> None:
    assert ranks(count, percent) == between


def test_no_requests_have_no_percentile() -> None:
    with pytest.raises(ValueError, match=r"^no requests"):
        interval([], 50)


def test_what_is_wrong_lies_outside() -> None:
    """Of 105 requests at 100 ms and 12 at 400 ms: sums, means, other units and equal percentiles are all caught."""
    spans = [Span(0.1, 0.105)] * 105 + [Span(0.4, 0.41)] * 12
    p50, p90, p99 = (interval(spans, percent, 1.02) for percent in (50, 90, 99))
    assert holds(0.102, p50)
    assert holds(0.401, p99)
    assert not holds(0.4, p50)
    assert not holds(0.102, p99)
    assert not holds(102.0, p50)
    assert not holds(float("nan"), p50)
    assert p90.least < 0.41


def test_buckets_widen_the_interval() -> None:
    assert interval([Span(0.1, 0.1)], 50, 2.5) == Span(0.04, 0.25)
    assert interval([Span(0.1, 0.2)], 50) == Span(0.1, 0.2)


def test_the_ends_of_the_interval_belong_to_it() -> None:
    """A mesh that says exactly what was seen is right."""
    assert holds(0.1, Span(0.1, 0.2))
    assert holds(0.2, Span(0.1, 0.2))
    assert not holds(0.2001, Span(0.1, 0.2))
