"""Waiting: one helper for everything that takes time, with an injected clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import tenacity
from scipy.special import chdtrc

from smi_conformance.judge.verdict import HarnessError

T = TypeVar("T")


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
        self.stable = 0.0
        self.row = self.looks = 0

    @property
    def elapsed(self) -> float:
        return self._clock.now() - self._start

    def look(self) -> T:
        value = self._check()
        self.looks += 1
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
    poll: float = 0.5,
    in_a_row: int = 1,
    holds: Callable[[T], bool] = bool,
    what: str = "the expectation",
    clock: Clock | None = None,
) -> Converged[T]:
    """Look every `poll` seconds until `holds` is true of what `check` returns so many times in a row.

    The look that was begun before the deadline counts, and what holds when the deadline passes may complete its
    row: slow looks, such as denials by time-out, are no failure. Raises DeadlineExpired with the last value seen; what
    `check` raises is passed on.
    """
    clock = clock or SystemClock()
    watch = _Watch(check, holds, clock)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda _: watch.row < in_a_row),
        stop=lambda _: not watch.row and watch.elapsed + poll > deadline,
        wait=tenacity.wait_fixed(poll),
        sleep=clock.sleep,
        retry_error_callback=lambda state: _expire(what, deadline, watch.looks, state),
    )
    value = retrying(watch.look)
    assert watch.first is not None
    return Converged(value, watch.first, watch.stable, watch.looks)


def _expire(what: str, deadline: float, looks: int, state: tenacity.RetryCallState) -> None:
    assert state.outcome is not None
    raise DeadlineExpired(what, deadline, looks, state.outcome.result())


Counts = Mapping[str, int]


def agree(one: Counts, other: Counts, *, alpha: float = 0.01) -> bool:
    """Whether two windows of counts may come from the same shares: chi-square test of homogeneity at `alpha`.

    Meant for waiting, not for verdicts: with 200 requests each it tells 50/50 from 62/38. Empty windows do
    not agree with anything.
    """
    total, other_total = sum(one.values()), sum(other.values())
    if not total or not other_total:
        return False
    seen = [key for key in {*one, *other} if one.get(key, 0) + other.get(key, 0)]
    statistic = sum(_deviation(one.get(key, 0), other.get(key, 0), total, other_total) for key in seen)
    return len(seen) == 1 or float(chdtrc(len(seen) - 1, statistic)) >= alpha


def _deviation(count: int, other: int, total: int, other_total: int) -> float:
    share = (count + other) / (total + other_total)
    due, other_due = share * total, share * other_total
    return (count - due) ** 2 / due + (other - other_due) ** 2 / other_due


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


def settled(windows: Sequence[Counts], *, before: Counts | None = None, alpha: float = 0.01) -> bool:
    """Whether the last two windows agree with each other, and no longer with the state `before` the change.

    A change of weights has no marker: without `before`, two windows of the old state agree as well.
    """
    if len(windows) < 2 or not agree(windows[-2], windows[-1], alpha=alpha):
        return False
    return before is None or not agree(before, windows[-1], alpha=alpha)
