"""Waiting: one helper for everything that takes time, with an injected clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

import tenacity
from scipy.special import chdtrc, chdtri, ndtri

from smi_conformance.judge.verdict import HarnessError, Starved

T = TypeVar("T")
SHORTEST, LONGEST, TENTH = 0.005, 0.25, 0.1  # of the rests between two looks: seconds, and a part of the time gone by
HALF = 0.5  # of a deadline that nobody has looked: nothing is known of its end


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Seconds that only ever rise."""

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True)
class Converged(Generic[T]):
    """The last value seen, and the seconds until it first held and until it began to hold for good."""

    value: T
    first: float
    stable: float
    looks: int


class DeadlineExpired(HarnessError):
    """The expectation did not hold in time. Whose fault it is, the witness decides (rules.expired)."""

    def __init__(self, what: str, deadline: float, looks: int, last: object) -> None:
        super().__init__(f"{what} did not hold within {deadline:g} s ({looks} looks); last seen: {last}")
        self.what, self.deadline, self.looks, self.last = what, deadline, looks, last


class _Watch(Generic[T]):
    """Looks and counts how often in a row the expectation held."""

    def __init__(self, check: Callable[[], T], holds: Callable[[T], bool], clock: Clock) -> None:
        self._check, self._holds, self._clock = check, holds, clock
        self._start = clock.now()
        self.first: float | None = None
        self.stable: float  # there from the moment that it first held
        self.begun: float  # these two are of the last look
        self.starved: Starved | None
        self.row = self.looks = 0

    @property
    def elapsed(self) -> float:
        return self._clock.now() - self._start

    @property
    def rest(self) -> float:
        """Seconds until the next look: many at first, so that a quick change is timed to a tenth of what it took."""
        return min(LONGEST, max(SHORTEST, TENTH * self.elapsed))

    def look(self) -> T | None:
        """The value seen; None when the look was lost on a crowded machine, which says neither yes nor no."""
        self.begun, self.starved = self.elapsed, None
        self.looks += 1
        try:
            value = self._check()
        except Starved as lost:
            self.starved, self.row = lost, 0
            return None
        if not self._holds(value):
            self.row = 0
            return value
        if not self.row:
            self.stable = self.elapsed
        self.first = self.stable if self.first is None else self.first
        self.row += 1
        return value


def until(
    check: Callable[[], T],
    *,
    deadline: float,
    poll: float | None = None,
    in_a_row: int = 1,
    holds: Callable[[T], bool] = bool,
    what: str = "the expectation",
    clock: Clock | None = None,
) -> Converged[T]:
    """Look until `holds` is true of what `check` returns so many times in a row.

    There are `poll` seconds between two looks; by default a tenth of the time gone by, from 5 ms to a quarter second.

    The look that was begun before the deadline counts, and what holds when the deadline passes may complete its
    row: slow looks, such as denials by time-out, are no failure. A look that was begun in the first half, and was held
    up until the end, does not tell what is by then: another one is taken. Raises DeadlineExpired with the last value
    seen, or Starved when the last look was lost on a crowded machine; what else `check` raises is passed on.
    """
    clock = clock or SystemClock()
    watch = _Watch(check, holds, clock)

    def rest() -> float:
        return watch.rest if poll is None else poll

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda _: watch.row < in_a_row),
        stop=lambda _: not watch.row and watch.elapsed + rest() > deadline and watch.begun >= deadline * HALF,
        wait=lambda _: rest(),
        sleep=clock.sleep,
        retry_error_callback=lambda state: _expire(what, deadline, watch, state),
    )
    value = retrying(watch.look)
    assert watch.first is not None
    seen = cast("T", value)  # pragma: no mutate (does nothing when it runs)
    return Converged(seen, watch.first, watch.stable, watch.looks)


def _expire(what: str, deadline: float, watch: _Watch[T], state: tenacity.RetryCallState) -> None:
    if watch.starved:
        raise Starved(f"{what}: not known within {deadline:g} s ({watch.looks} looks); {watch.starved}")
    assert state.outcome is not None
    raise DeadlineExpired(what, deadline, watch.looks, state.outcome.result())


Counts = Mapping[str, int]
MISTAKEN = 1e-6  # how often a window may take what was before for what is to come: there may be hundreds of looks


def fits(counts: Counts, shares: Mapping[str, float], *, alpha: float = 1e-3) -> bool:
    """Whether a window of counts may come from these shares: chi-square test of fit at `alpha`.

    Meant for waiting, not for verdicts. An empty window fits nothing, and nothing may be seen where the share
    is 0 or unknown.
    """
    total = sum(counts.values())
    if not total or any(count and not shares.get(name) for name, count in counts.items()):
        return False
    due = {name: share * total for name, share in shares.items() if share}
    statistic = sum((counts.get(name, 0) - expected) ** 2 / expected for name, expected in due.items())
    return len(due) == 1 or float(chdtrc(len(due) - 1, statistic)) >= alpha


def telling(shares: Mapping[str, float], was: Mapping[str, float], *, least: int, most: int = 2000) -> int:
    """Requests in a window by which `fits` tells these shares from those that were before, at least and at most.

    While a change is on its way every look meets the shares of before. They are taken for the new ones less than once
    in a million looks: the noncentral chi-square of the window is far enough off, or a stray is seen.
    """
    distance = sum((was.get(name, 0) - share) ** 2 / share for name, share in shares.items() if share)
    stray = sum(share for name, share in was.items() if not shares.get(name))
    if not distance:
        return least
    far = (math.sqrt(float(chdtri(len(shares), 1e-3))) - float(ndtri(MISTAKEN))) ** 2
    seen = math.log(MISTAKEN) / math.log1p(-stray) if 0 < stray < 1 else math.inf
    return min(most, max(least, math.ceil(min(far / distance, seen))))
