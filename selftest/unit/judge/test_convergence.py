"""Waiting, on a clock of its own."""

from __future__ import annotations

from itertools import pairwise

import pytest
from scipy.stats import binom

from smi_conformance.judge.convergence import DeadlineExpired, SystemClock, fits, telling, until
from smi_conformance.judge.verdict import HarnessError, Starved


class FakeClock:
    """Time passes by sleeping only. Whoever looks at it without end is stopped."""

    def __init__(self) -> None:
        self.time = 100.0
        self.looks = 0

    def now(self) -> float:
        self.looks += 1
        assert self.looks < 10_000
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_it_waits_until_it_holds_in_a_row() -> None:
    """A flicker does not count; first effect and the begin of stability are told apart."""
    seen = iter([0, 1, 0, 1, 1, 1])

    got = until(lambda: next(seen), deadline=30, poll=2, in_a_row=3, clock=FakeClock())

    assert (got.value, got.first, got.stable, got.looks) == (1, 2, 6, 6)


def test_the_deadline_tells_what_was_seen_last() -> None:
    """The error is neutral: by itself it is not the mesh's."""
    counter = iter(range(100))
    clock = FakeClock()

    with pytest.raises(DeadlineExpired, match=r"policy did not hold within 5 s \(6 looks\); last seen: 5") as caught:
        until(lambda: next(counter), holds=lambda _: False, deadline=5, poll=1, what="policy", clock=clock)

    assert isinstance(caught.value, HarnessError)
    assert (caught.value.last, caught.value.looks, clock.time) == (5, 6, 105.0)


def test_looks_become_rarer() -> None:
    """A tenth of the time gone by is rested, so the time of a change is known to a tenth and waiting costs little."""
    clock, times = FakeClock(), list[float]()

    def look() -> bool:
        times.append(clock.time - 100)
        return False

    with pytest.raises(DeadlineExpired):
        until(look, deadline=30, clock=clock)

    rests = [later - earlier for earlier, later in pairwise(times)]
    assert all(rest == pytest.approx(min(0.25, max(0.005, at / 10))) for at, rest in zip(times, rests, strict=False))
    assert len(times) < 200


def test_it_looks_at_least_once() -> None:
    """A deadline shorter than the poll still allows one look."""
    got = until(lambda: "yes", deadline=0.001, clock=FakeClock())

    assert (got.value, got.looks) == ("yes", 1)
    with pytest.raises(DeadlineExpired, match=r"^the expectation did not hold within 0 s \(1 looks\); last seen: 0"):
        until(lambda: 0, deadline=0, clock=FakeClock())


def test_errors_of_the_check_are_passed_on() -> None:
    """Nothing is swallowed while waiting."""

    def broken() -> int:
        raise HarnessError("agent gone")

    with pytest.raises(HarnessError, match="agent gone"):
        until(broken, deadline=9, clock=FakeClock())


def test_the_system_clock_rises() -> None:
    """The default clock is the machine's."""
    clock = SystemClock()
    before = clock.now()
    clock.sleep(0)

    assert clock.now() >= before


def test_windows_fit_shares_or_not() -> None:
    """Strays and empty windows fit nothing."""
    assert fits({"v1": 91, "v2": 9}, {"v1": 0.9, "v2": 0.1})
    assert not fits({"v1": 60, "v2": 40}, {"v1": 0.9, "v2": 0.1})
    assert not fits({"v1": 90, "v2": 10, "decoy": 1}, {"v1": 0.9, "v2": 0.1})
    assert not fits({"v1": 99, "v2": 1}, {"v1": 1.0, "v2": 0.0})
    assert fits({"v1": 100}, {"v1": 1.0, "v2": 0.0})
    assert not fits({}, {"v1": 1.0})


def test_a_window_without_a_backend_may_be_too_short_to_tell() -> None:
    """None of 30 may be chance where a tenth is due, none of 100 is not. What fits exactly always does."""
    assert fits({"v1": 30}, {"v1": 0.9, "v2": 0.1})
    assert not fits({"v1": 100}, {"v1": 0.9, "v2": 0.1})
    assert fits({"v1": 90, "v2": 10}, {"v1": 0.9, "v2": 0.1}, alpha=1.0)


@pytest.mark.parametrize(
    ("shares", "was"),
    [
        ((0.7, 0.3), (0.9, 0.1)),
        ((0.5, 0.5), (2 / 3, 1 / 3)),
        ((0.2, 0.8), (0.8, 0.2)),
        ((0.9, 0.1), (1, 0)),
        ((1, 0), (0.9, 0.1)),
    ],
)
def test_a_window_tells_new_shares_from_those_before(shares: tuple[float, ...], was: tuple[float, ...]) -> None:
    """What still follows the old shares fits once in a million windows, what follows the new ones nearly always."""
    new, old = dict(zip("ab", shares, strict=True)), dict(zip("ab", was, strict=True))
    n = telling(new, old, least=1)

    def fitting(truth: float, n: int = n) -> float:
        return sum(float(binom.pmf(k, n, truth)) for k in range(n + 1) if fits({"a": k, "b": n - k}, new))

    assert fitting(old["a"]) < 2e-6
    assert fitting(new["a"]) > 0.99
    if 0 < old["a"] < 1:  # then it varies, and half as many would be too few
        assert fitting(old["a"], n // 2) > 1e-6


def test_a_window_is_as_long_as_it_is_told_at_least_and_at_most() -> None:
    """Shares that nothing has changed need no more; those that are hardly different cannot be told apart."""
    assert telling({"a": 1.0}, {"a": 1.0}, least=100) == 100
    assert telling({"a": 0.5, "b": 0.5}, {"a": 0.51, "b": 0.49}, least=100, most=700) == 700
    assert telling({"a": 0.5, "b": 0.5}, {"a": 0.51, "b": 0.49}, least=100) == 2000


def test_a_backend_that_is_new_got_nothing_before() -> None:
    """Whether it is named with 0 or not at all; where all of them are new, that is as telling as can be."""
    new = {"a": 0.7, "b": 0.3}
    assert telling(new, {"a": 1.0}, least=1) == telling(new, {"a": 1.0, "b": 0.0}, least=1)
    assert telling({"a": 1.0}, {"b": 1.0}, least=1) < 100


def test_slow_looks_that_hold_are_no_failure() -> None:
    """A denial by time-out takes seconds a look: the deadline does not cut off a row that holds."""
    clock = FakeClock()

    def slow() -> bool:
        clock.sleep(3)
        return True

    assert until(slow, deadline=4, poll=0.05, in_a_row=3, clock=clock).looks == 3


def test_what_fails_after_the_deadline_ends_the_waiting() -> None:
    """Completing a row is all that is allowed then."""
    clock = FakeClock()
    seen = iter([True, False, True, True])

    def slow() -> bool:
        clock.sleep(3)
        return next(seen)

    with pytest.raises(DeadlineExpired):
        until(slow, deadline=4, poll=0.05, in_a_row=2, clock=clock)


def test_a_lost_look_says_neither_yes_nor_no() -> None:
    """It breaks a row and fails nothing; what holds afterwards holds."""
    clock, seen = FakeClock(), iter([True, None, True, True])

    def look() -> bool:
        found = next(seen)
        if found is None:
            raise Starved("crowded")
        return found

    got = until(look, deadline=30, poll=1, in_a_row=2, clock=clock)

    assert (got.looks, got.first, got.stable) == (4, 0, 2)


def test_a_deadline_that_passes_with_a_lost_look_is_ours() -> None:
    """Whatever the looks before it saw."""
    clock, counter = FakeClock(), iter(range(100))

    def look() -> bool:
        if next(counter) > 3:
            raise Starved("5 s were worth 0.1 s")
        return False

    with pytest.raises(Starved, match=r"policy: not known within 5 s \(6 looks\); 5 s were worth 0.1 s"):
        until(look, deadline=5, poll=1, what="policy", clock=clock)


@pytest.mark.parametrize(("held_up", "looks"), [(40, 2), (8, 2), (1, 11)])
def test_one_look_that_is_held_up_does_not_pass_for_the_whole_wait(held_up: float, looks: int) -> None:
    """Nobody has looked in the second half: another look is taken, which says what is by then."""
    clock, taken = FakeClock(), list[float]()

    def look() -> bool:
        began = clock.time
        taken.append(began)
        clock.sleep(held_up if len(taken) == 1 else 0)
        return began - 100 > 10

    if held_up > 10:
        assert until(look, deadline=10, poll=1, clock=clock).looks == looks
    else:
        with pytest.raises(DeadlineExpired):
            until(look, deadline=10, poll=1, clock=clock)
        assert taken[-1] - 100 > 5
