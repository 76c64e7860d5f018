"""Percentiles of latencies: where they have to lie, given what is known of every single request.

A request took at least as long as its server held the answer back, and at most as long as its client waited. A
percentile of a sample is one of its order statistics or lies between two neighbours, whichever definition is taken;
and order statistics rise with every latency. So the interval is exact: no assumption on distribution or mesh.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """What is known of the latency of one request: seconds, at least and at most."""

    least: float
    most: float


def ranks(count: int, percent: int) -> tuple[int, int]:
    """The order statistics, from 1, between which a percentile of so many values lies, by any common definition.

    The definitions of Hyndman and Fan (1996) place it between count * p and (count - 1) * p + 1 or (count + 1) * p,
    whichever is more; count * p + 1/2 lies in the middle of these. Raises ValueError for no values.
    """
    if count < 1:
        raise ValueError("no requests, no percentile")
    least = count * percent
    most = max((count - 1) * percent + 100, (count + 1) * percent)
    return max(1, least // 100), min(count, -(-most // 100))


def interval(spans: Sequence[Span], percent: int, resolution: float = 1.0) -> Span:
    """Where a percentile has to lie, in seconds; `resolution` is the factor by which a mesh may misstate a latency.

    A mesh that keeps latencies in buckets states any value of a bucket for all in it: the factor is that between the
    ends of its widest bucket. Raises ValueError for no requests.
    """
    low, high = ranks(len(spans), percent)
    least, most = sorted(span.least for span in spans)[low - 1], sorted(span.most for span in spans)[high - 1]
    return Span(least / resolution, most * resolution)


def holds(value: float, within: Span) -> bool:
    """Whether a percentile lies where it has to."""
    return math.isfinite(value) and within.least <= value <= within.most
