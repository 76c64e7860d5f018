"""Counts over a window of time that is not known to the instant: how small and how large they can be.

Tolerances are worked out from what is known of the single requests, and none is chosen.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


class Between(NamedTuple):
    """A number, at least and at most."""

    least: float
    most: float


def straddled(requests: Sequence[Between], window: float, end: Between) -> Between:
    """How many requests a window counts that ends some time in `end`. All times are seconds of one clock.

    Each request is counted at some time of its own, between when it was sent and when it was answered. The bounds are
    sharp: each is met by some end and some times, unless a request takes longer than the window: then the least may be
    lower than that.
    """
    sent, done = sorted(one.least for one in requests), sorted(one.most for one in requests)

    def surely(moment: float) -> int:
        """Requests sent after the window began, and answered before it ended; those that span it all are not."""
        early, late = bisect_right(sent, moment - window), len(done) - bisect_right(done, moment)
        return max(0, len(requests) - early - late)

    def possibly(moment: float) -> int:
        """All but those answered before it began, or sent after it ended."""
        return bisect_right(sent, moment) - bisect_left(done, moment - window)

    # The counts change only where a window begins or ends at a request.
    steps = [one for time in (*sent, *done) for one in (time, time + window)]
    edges = sorted({*end, *(one for one in steps if end.least < one < end.most)})  # pragma: no mutate (the ends are in)
    moments = [*edges, *((one + other) / 2 for one, other in pairwise(edges))]  # pragma: no mutate (any place between)
    return Between(min(map(surely, moments)), max(map(possibly, moments)))


def offset(sent: Sequence[Between], seen: Sequence[tuple[Between, int]]) -> Between:
    """How far the clock that requests were sent by is ahead of the one that looks were made by, in seconds.

    `sent`: when each request was sent and answered by its own clock, in order; `seen`: when a look was made, and how
    many requests had arrived by then. Raises ValueError when no clock fits.
    """
    least, most = -math.inf, math.inf
    for (began, ended), count in seen:
        if count:
            least = max(least, sent[count - 1].least - ended)
        if count < len(sent):
            most = min(most, sent[count].most - began)
    if least > most:
        raise ValueError("the clocks of suite and workload do not fit together: one of them was turned")
    return Between(least, most)
