"""The sequential test of one share: its boundaries, and its exact operating characteristic.

A backend's expected share p is tested against p + d and p - d by two one-sided sequential probability ratio
tests. At every look the test rejects when either likelihood ratio exceeds 1 / alpha: by Ville's inequality a
mesh with share p ever gets there with probability alpha at most, whatever the looks. It accepts when both
ratios are below beta. At the cap, where neither has happened, an exact binomial test decides. A light test
has one look only, and all of its alpha there. All figures are exact, by dynamic programming over the counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, gammaln, ndtri

DELTA = 0.05
SMALL_SHARE = 0.05 + 1e-9  # with 1 - 0.95 too, which is a little more
FACTOR = 2.0
ALPHA_BOUNDARY = 5e-7
ALPHA_TERMINAL = 5e-7
ALPHA = ALPHA_BOUNDARY + ALPHA_TERMINAL
BETA = 0.01  # Wald's bound: the exact probability of missing the effect is below 0.005
BETA_TERMINAL = 2e-4  # the terminal test alone misses the effect with about this probability: it sets the cap

Array = NDArray[np.float64]


class Window(NamedTuple):
    """At one look: reject below `reject_low` or above `reject_high`, accept from `low` to `high`."""

    reject_low: int
    low: int
    high: int
    reject_high: int


class Characteristic(NamedTuple):
    """Exact behaviour at one true share: probability of rejection, mean and 99th percentile of requests."""

    reject: float
    mean: float
    percentile99: int


def effect(share: float, delta: float = DELTA) -> tuple[float, float]:
    """The alternatives (lower, upper) that a share is told from.

    Plus and minus delta; where the share, or what is left of the whole, is at most 5 %, half and double of
    that small part instead, for there 5 points make no sense.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share to be tested lies between 0 and 1, not at {share}")
    if share <= SMALL_SHARE:
        return share / FACTOR, share * FACTOR
    if 1 - share <= SMALL_SHARE:
        return 1 - (1 - share) * FACTOR, 1 - (1 - share) / FACTOR
    return share - delta, share + delta


@dataclass(frozen=True)
class SharePlan:
    """How one share is tested.

    `parts` is the number of tests that one verdict divides its alpha over; `fixed` is the sample size of a
    light test.
    """

    share: float
    delta: float = DELTA
    parts: int = 1
    fixed: int | None = None

    @cached_property
    def alternatives(self) -> tuple[float, float]:
        """The shares it is told from with more than 99 %."""
        if self.fixed:
            return self._detectable(0.0), self._detectable(1.0)
        return effect(self.share, self.delta)

    def _detectable(self, end: float) -> float:
        """The nearest share, in whole points from the expected one to this end, that a light test fails with 99 %."""
        room = end - self.share
        steps = (points / 100 for points in range(1, math.ceil(100 * abs(room))))
        shares = (self.share + math.copysign(step, room) for step in steps)
        return next((share for share in shares if characteristic(self, share).reject >= 0.99), end)

    @cached_property
    def cap(self) -> int:
        """Requests after which the terminal test decides: it alone detects the effect almost surely."""
        if self.fixed:
            return self.fixed
        sizes = [self._fixed(other) for other in self.alternatives]
        return int(math.ceil(max(sizes) / 500) * 500)

    def _fixed(self, other: float) -> float:
        spread = [math.sqrt(share * (1 - share)) for share in (self.share, other)]
        miss = -float(ndtri(ALPHA_TERMINAL / 2 / self.parts)), -float(ndtri(BETA_TERMINAL))
        return float(((miss[0] * spread[0] + miss[1] * spread[1]) / (other - self.share)) ** 2)

    @property
    def batch(self) -> int:
        """Requests between two looks: at most some 80 looks until the cap."""
        return self.fixed or max(100, math.ceil(self.cap / 80 / 100) * 100)

    @cached_property
    def _slopes(self) -> list[tuple[float, float]]:
        """Per alternative (lower, upper): what one request to the backend, or past it, adds to log LR."""
        p = self.share
        return [(math.log(q / p), math.log((1 - q) / (1 - p))) for q in self.alternatives]

    def window(self, n: int) -> Window:
        """The decision at `n` requests as a function of the backend's count."""
        if n >= self.cap:
            return self._terminal(n)
        if self.fixed:
            return Window(0, 1, 0, n)
        (down_hit, down_miss), (up_hit, up_miss) = self._slopes
        log_reject, log_accept = -math.log(ALPHA_BOUNDARY / 2 / self.parts), math.log(BETA)
        low = (log_accept - n * down_miss) / (down_hit - down_miss)
        high = (log_accept - n * up_miss) / (up_hit - up_miss)
        reject_low = (log_reject - n * down_miss) / (down_hit - down_miss)
        reject_high = (log_reject - n * up_miss) / (up_hit - up_miss)
        return Window(math.floor(reject_low) + 1, math.ceil(low), math.floor(high), math.ceil(reject_high) - 1)

    def _terminal(self, n: int) -> Window:
        """Reject the largest tails that each have at most their part of the terminal alpha."""
        counts = np.arange(n + 1)
        tail = (ALPHA if self.fixed else ALPHA_TERMINAL) / 2 / self.parts
        low = int(np.argmax(bdtr(counts, n, self.share) > tail))
        above = bdtrc(counts - 1.0, n, self.share)
        high = int(np.flatnonzero(above > tail)[-1])
        return Window(low, low, high, high)

    def decide(self, n: int, count: int) -> int:
        """-1 too few, +1 too many, 0 accepted; 2 go on."""
        window = self.window(n)
        if count < window.reject_low:
            return -1
        if count > window.reject_high:
            return 1
        return 0 if window.low <= count <= window.high else 2


def looks(cap: int, batch: int) -> Iterator[int]:
    """The sizes at which the test is looked at."""
    yield from range(batch, cap, batch)
    yield cap


@lru_cache(maxsize=512)
def characteristic(plan: SharePlan, truth: float, batch: int | None = None) -> Characteristic:
    """The exact behaviour of a plan when the backend's true share is `truth`."""
    alive, start, before = np.ones(1), 0, 0
    reject, sizes, ends = 0.0, [], []
    for n in looks(plan.cap, batch or plan.batch):
        alive = np.convolve(alive, _binomial(n - before, truth))
        window = plan.window(n)
        counts = start + np.arange(len(alive))
        rejected = (counts < window.reject_low) | (counts > window.reject_high)
        ended = rejected | ((counts >= window.low) & (counts <= window.high))
        reject += float(alive[rejected].sum())
        sizes.append(n)
        ends.append(float(alive[ended].sum()))
        alive = np.where(ended, 0.0, alive)
        alive, start, before = *_trimmed(alive, start), n
    share_ended = np.cumsum(ends) / sum(ends)
    mean = float(np.dot(sizes, ends) / sum(ends))
    return Characteristic(reject, mean, sizes[int(np.searchsorted(share_ended, 0.99))])


def _trimmed(alive: Array, start: int) -> tuple[Array, int]:
    found = np.flatnonzero(alive > 1e-30)
    if not len(found):
        return np.zeros(1), start
    return alive[found[0] : found[-1] + 1], start + int(found[0])


@lru_cache(maxsize=64)
def _binomial(n: int, p: float) -> Array:
    """Probabilities of 0 to n successes."""
    k = np.arange(n + 1)
    if p in (0.0, 1.0):
        return np.where(k == n * p, 1.0, 0.0)
    log_choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    logs: Array = log_choose + k * math.log(p) + (n - k) * math.log1p(-p)
    return np.exp(logs)
