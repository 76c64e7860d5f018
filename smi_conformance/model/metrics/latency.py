"""Latencies as counts per bucket: buckets grow by two percent, so that a percentile is right to one percent."""

from __future__ import annotations

import math
from collections.abc import Mapping

GROWTH = 1.02
_LOG = math.log(GROWTH)


def bucket(microseconds: float) -> int:
    """The bucket of a latency. All below a microsecond share one."""
    return math.ceil(math.log(microseconds) / _LOG) if microseconds > 1 else 0


def microseconds(index: int) -> int:
    """What a bucket stands for: its middle, at least one microsecond."""
    return max(round(math.pow(GROWTH, index - 0.5)), 1)


def percentile(counts: Mapping[int, int], percent: int) -> int:
    """The latency, in microseconds, that `percent` of all requests did not exceed (nearest rank); 0 without any."""
    total = sum(counts.values())
    rank, seen = math.ceil(total * percent / 100), 0
    for index in sorted(counts):
        seen += counts[index]
        if seen >= rank:
            return microseconds(index)
    return 0
