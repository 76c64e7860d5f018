"""The boundaries of the sequential test, held against likelihood ratios and tails that are worked out here."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binom

from smi_conformance.judge.share_plan import ALPHA_BOUNDARY, BETA, SMALL_SHARE, SharePlan, effect
from smi_conformance.judge.statistics import Decision, ShareTest, light


def ratio(count: int, n: int, other: float, share: float) -> float:
    """The logarithm of the likelihood ratio of a count."""
    return float(binom.logpmf(count, n, other) - binom.logpmf(count, n, share))


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(("share", "n"), [(0.5, 400), (0.75, 1300), (0.1, 700), (0.02, 2000)])
def test_a_window_is_where_the_likelihood_ratios_say(share: float, n: int, parts: int) -> None:
    """Reject from 1 / alpha on, accept where both are at most beta; one count more or less is another decision."""
    plan = SharePlan(share, parts=parts)
    below, above = plan.alternatives
    window, limit = plan.window(n), -math.log(ALPHA_BOUNDARY / 2 / parts)
    assert n < plan.cap

    assert ratio(window.reject_high, n, above, share) < limit <= ratio(window.reject_high + 1, n, above, share)
    assert ratio(window.reject_low, n, below, share) < limit <= ratio(window.reject_low - 1, n, below, share)
    assert ratio(window.high, n, above, share) <= math.log(BETA) < ratio(window.high + 1, n, above, share)
    assert ratio(window.low, n, below, share) <= math.log(BETA) < ratio(window.low - 1, n, below, share)


@pytest.mark.parametrize("n", [1300, 6000])
def test_a_decision_changes_at_its_boundary(n: int) -> None:
    """In between and at the cap. What is on the boundary is not rejected, and belongs to what is accepted."""
    plan = SharePlan(0.75)
    window = plan.window(n)

    assert plan.decide(n, window.reject_low - 1) == -1
    assert plan.decide(n, window.reject_high + 1) == 1
    assert [plan.decide(n, count) for count in (window.low, window.high)] == [0, 0]
    beside = 2 if n < plan.cap else 0
    assert [plan.decide(n, count) for count in (window.reject_low, window.reject_high)] == [beside, beside]


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_at_the_cap_the_effect_is_hardly_missed(share: float, parts: int) -> None:
    """One in 5000 times by the last test alone; a fifth less of a sample would miss it more often."""
    plan = SharePlan(share, parts=parts)
    missed = []
    for n in (plan.cap, round(plan.cap * 0.8)):
        low, _, _, high = plan._terminal(n)
        missed.append(max(binom.cdf(high, n, q) - binom.cdf(low - 1, n, q) for q in plan.alternatives))

    assert missed[0] < 3e-4 < missed[1]


def test_a_light_check_decides_nothing_before_its_one_look() -> None:
    """Whatever came until then."""
    plan = SharePlan(0.5, fixed=200)

    assert {plan.decide(199, count) for count in (0, 1, 100, 199)} == {2}
    assert light({"v1": 0.5, "v2": 0.5}).look({"v1": 199}) is Decision.CONTINUE


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1])
def test_only_what_varies_can_be_tested(share: float) -> None:
    """Neither all nor nothing."""
    with pytest.raises(ValueError, match=f"not at {share}"):
        effect(share)


def test_the_largest_small_share_is_told_from_its_half_and_double() -> None:
    assert effect(SMALL_SHARE) == (SMALL_SHARE / 2, SMALL_SHARE * 2)


def test_one_backend_is_looked_at_after_a_hundred_requests() -> None:
    """There is no share to test, so one look is enough."""
    test = ShareTest({"v1": 1.0})

    assert (test.n_next, test.cap, test.plans) == (100, 100, {})
    assert test.look({"v1": 100}) is Decision.ACCEPT
    assert test.n_next == 100
