"""Statistical verdicts, held against exact figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import bdtr, bdtrc

from smi_conformance.judge.share_plan import ALPHA, SharePlan, characteristic, effect, looks
from smi_conformance.judge.statistics import (
    ATTEMPTS,
    Decision,
    ShareTest,
    family_wise,
    light,
    zero_bound,
)
from smi_conformance.judge.verdict import HarnessError

SHAPES = [
    (90, 10),
    (50, 50),
    (75, 25),
    (10, 20, 70),
    (50, 30, 20),
    (995, 5),
    (1, 1, 1),
    (98, 1, 1),
    (95, 5),
    (5, 90, 5),
]


def shape(weights: tuple[int, ...]) -> dict[str, float]:
    return {f"v{n}": weight / sum(weights) for n, weight in enumerate(weights, 1)}


def run(test: ShareTest, truth: dict[str, float], seed: int) -> Decision:
    """Draw from the true shares until the test ends."""
    random, counts = np.random.default_rng(seed), np.zeros(len(truth), dtype=int)
    while test.decision is Decision.CONTINUE:
        assert test.n < test.n_next <= test.cap
        counts += random.multinomial(test.n_next - test.n, list(truth.values()))
        test.look({name: int(count) for name, count in zip(truth, counts, strict=True)})
    return test.decision


@pytest.mark.parametrize("weights", SHAPES, ids=str)
def test_false_failure_and_power_are_as_promised(weights: tuple[int, ...]) -> None:
    """Exactly right shares fail with at most 1e-6; the effect fails with at least 99.5 % per backend."""
    test = ShareTest(shape(weights))

    assert 0 < test.false_failure <= ALPHA
    for name, alternatives in test.detects.items():
        for share in alternatives:
            rest = (1 - share) / (1 - test.shares[name])
            truth = {one: share if one == name else value * rest for one, value in test.shares.items()}
            assert test.power(truth) >= 0.995


def test_power_is_that_of_the_shares_it_is_asked_for() -> None:
    """Nothing fails the right shares but chance; a backend that gets nothing is the end of the scale."""
    test = ShareTest({"v1": 0.75, "v2": 0.25})

    assert test.power({"v1": 0.75, "v2": 0.25, "v3": 0.0}) == test.false_failure
    assert 0.1 < test.power({"v1": 0.775, "v2": 0.225}) < 0.9
    assert light({"v1": 0.98, "v2": 0.02}).power({"v1": 1.0}) < 0.5
    assert light({"v1": 0.98, "v2": 0.02}).power({"v2": 1.0}) == pytest.approx(1)
    assert ShareTest({"v1": 1.0}).power({"v1": 1.0}) == 0
    assert ShareTest({"v1": 1.0}).power({"v1": 0.9, "v2": 0.1}) == 1


def test_all_backends_are_looked_at_together() -> None:
    """So the figures are those of the longest rest between two looks that any of them needs."""
    test = ShareTest({"a": 0.02, "b": 0.49, "c": 0.49})
    assert (test.batch, test.plans["b"].batch) == (200, 100)
    figures = [characteristic(plan, plan.share, 200).reject for plan in test.plans.values()]
    assert test.false_failure == pytest.approx(sum(figures), rel=1e-9)
    assert test.false_failure != pytest.approx(
        sum(characteristic(plan, plan.share).reject for plan in test.plans.values()), rel=1e-3
    )


@pytest.mark.parametrize(("share", "fixed"), [(0.5, 200_000), (0.5, 200), (0.9, 200), (0.02, 200)])
def test_a_light_check_tells_to_the_point_what_it_detects(share: float, fixed: int) -> None:
    """99 % of those shares fail, and a point nearer fewer do, by the two tails of the binomial distribution."""
    plan = SharePlan(share, fixed=fixed)
    low, _, _, high = plan.window(fixed)

    def fails(q: float) -> float:
        return float((bdtr(low - 1.0, fixed, q) if low else 0) + bdtrc(float(high), fixed, q))

    for found, sign in zip(plan.alternatives, (-1, 1), strict=True):
        assert found in (0, 1) or fails(found) >= 0.99
        assert fails(found - sign * 0.01) < 0.99
        assert (found - share) * 100 == pytest.approx(round((found - share) * 100))
        assert sign * (found - share) > 0


@pytest.mark.parametrize(
    ("weights", "mean", "cap"),
    [((75, 25), 1195, 6000), ((50, 50), 1552, 7500), ((90, 10), 619, 3500), ((995, 5), 6886, 45500)],
    ids=str,
)
def test_mean_sample_numbers(weights: tuple[int, ...], mean: int, cap: int) -> None:
    """The cost of a pass, as the documentation states it."""
    test = ShareTest(shape(weights))

    assert test.mean_sample == pytest.approx(mean, abs=1)
    assert test.cap == cap


@pytest.mark.parametrize("share", [0.5, 0.75, 0.1])
def test_the_dynamic_programme_agrees_with_simulation(share: float) -> None:
    """Mean sample and power at an alternative, by 300 runs each."""
    plan = SharePlan(share)
    for truth in (share, share + 0.03):
        exact = characteristic(plan, truth)
        sizes, rejected = [], 0
        for seed in range(300):
            test = ShareTest({"a": share, "b": 1 - share})
            rejected += run(test, {"a": truth, "b": 1 - truth}, seed) is Decision.REJECT
            sizes.append(test.n)
        assert np.mean(sizes) == pytest.approx(exact.mean, rel=0.15)
        assert rejected / 300 == pytest.approx(exact.reject, abs=0.12)


def test_the_dynamic_programme_agrees_with_enumeration() -> None:
    """A small plan, followed through all of its paths."""
    plan = SharePlan(0.5, delta=0.45)

    def rejection(n: int, count: int, index: int) -> float:
        verdict = plan.decide(n, count) if n else 2
        if verdict != 2:
            return float(verdict != 0)
        step = sizes[index] - n
        ways = (math.comb(step, k) * 0.8**k * 0.2 ** (step - k) for k in range(step + 1))
        return sum(p * rejection(sizes[index], count + k, index + 1) for k, p in enumerate(ways))

    sizes = list(looks(plan.cap, plan.cap // 2))
    assert characteristic(plan, 0.8, plan.cap // 2).reject == pytest.approx(rejection(0, 0, 0), rel=1e-9)


@given(st.floats(0.001, 0.999), st.integers(100, 9000))
@settings(max_examples=60)
def test_windows_are_sane(share: float, n: int) -> None:
    """Rejection on both sides of acceptance, and the expected count never rejects."""
    window = SharePlan(share).window(n)

    assert window.reject_low <= share * n <= window.reject_high
    if window.low <= window.high:
        assert window.reject_low <= window.low
        assert window.high <= window.reject_high


@given(st.floats(0.01, 0.99), st.sampled_from([1, 3]))
@settings(max_examples=30)
def test_the_terminal_test_is_exact(share: float, parts: int) -> None:
    """Its tails hold at most their alpha, and one more count would be too much."""
    plan = SharePlan(share, parts=parts)
    low, _, _, high = plan.window(plan.cap)
    tail = 5e-7 / 2 / parts

    assert bdtr(low - 1.0, plan.cap, share) <= tail < bdtr(float(low), plan.cap, share)
    assert bdtrc(float(high), plan.cap, share) <= tail < bdtrc(high - 1.0, plan.cap, share)


@given(st.floats(0.001, 0.999))
@example(0.05)
@example(0.95)
def test_effects(share: float) -> None:
    """5 points, or a factor of 2 of the small part; always inside the scale and symmetric."""
    low, high = effect(share)
    mirrored = effect(1 - share)

    assert 0 < low < share < high < 1
    assert list(mirrored) == [pytest.approx(1 - high), pytest.approx(1 - low)]
    if 0.0501 < share < 0.9499:
        assert [low, high] == [pytest.approx(share - 0.05), pytest.approx(share + 0.05)]
    assert effect(0.005) == (0.0025, 0.01)


@pytest.mark.parametrize("weights", SHAPES, ids=str)
def test_right_shares_are_accepted(weights: tuple[int, ...]) -> None:
    """A faithful mesh passes, and the evidence holds every look."""
    test = ShareTest(shape(weights), title="web")

    assert run(test, shape(weights), seed=7) is Decision.ACCEPT
    evidence = test.evidence()
    assert evidence.passed
    assert [look.n for look in evidence.looks] == [look.n for look in test.history]
    assert evidence.false_failure == test.false_failure
    assert "accept" in evidence.text


@pytest.mark.parametrize(
    ("weights", "truth"),
    [
        ((90, 10), (80, 20)),
        ((75, 25), (50, 50)),
        ((10, 20, 70), (20, 10, 70)),
        ((995, 5), (1000, 0)),
        ((50, 50), (100, 0)),
    ],
)
def test_wrong_shares_are_rejected(weights: tuple[int, ...], truth: tuple[int, ...]) -> None:
    """The reason names the backend."""
    test = ShareTest(shape(weights))

    assert run(test, shape(truth), seed=3) is Decision.REJECT
    assert test.reason.startswith("v1 got too")
    assert not test.evidence().passed


@pytest.mark.parametrize("stray", ["decoy", "v3"])
def test_one_stray_request_rejects_at_once(stray: str) -> None:
    """A foreign server, and a backend of weight 0, must not be seen once."""
    test = ShareTest({"v1": 0.5, "v2": 0.5, "v3": 0.0})

    assert test.look({"v1": 50, "v2": 49, stray: 1}) is Decision.REJECT
    assert stray in test.reason
    assert test.power({"v1": 0.5, "v2": 0.4, "decoy": 0.1}) == 1.0


def test_a_single_backend_gets_everything() -> None:
    """There is no share to test: zeros are judged, and their bound is stated."""
    test = ShareTest({"v1": 1.0, "v2": 0.0}, fixed=59)

    assert test.n_next == 59
    assert test.look({"v1": 59}) is Decision.ACCEPT
    evidence = test.evidence()
    assert (evidence.kind, evidence.false_failure) == ("zero", 0)
    assert evidence.bound
    assert evidence.bound.value == pytest.approx(0.05, abs=0.001)


def test_a_light_check() -> None:
    """One look, no more than 1e-6 false failures, and it says how rough it is."""
    test = light({"v1": 0.9, "v2": 0.1}, 200)

    assert (test.n_next, test.cap) == (200, 200)
    assert 0 < test.false_failure <= ALPHA
    assert test.look({"v1": 175, "v2": 25}) is Decision.ACCEPT
    assert light({"v1": 0.5, "v2": 0.5}, 200).detects == {"v1": (0.25, 0.75)}
    assert light({"v1": 0.9, "v2": 0.1}).look({"v1": 100, "v2": 100}) is Decision.REJECT


def test_misuse_is_a_harness_error() -> None:
    """A sample is never drawn again, and never shrinks."""
    test = ShareTest({"v1": 0.5, "v2": 0.5})
    test.look({"v1": 50, "v2": 50})

    with pytest.raises(HarnessError, match="look at 80 requests after 100"):
        test.look({"v1": 40, "v2": 40})
    assert test.look({"v1": 50, "v2": 50}) is Decision.CONTINUE
    with pytest.raises(HarnessError):
        ShareTest({"v1": 1.0}).look({})
    with pytest.raises(ValueError, match="add up to 1"):
        ShareTest({"v1": 0.5})
    assert "not looked at" in ShareTest({"v1": 1.0}).explain()


@pytest.mark.parametrize(
    ("rigor", "leak", "confidence"), [("quick", 0.14, 0.95), ("standard", 0.05, 0.95), ("certify", 0.01, 0.999)]
)
def test_attempts_give_the_stated_bounds(rigor: str, leak: float, confidence: float) -> None:
    """The bound is exact: a leak of that size stays unseen with 1 - confidence."""
    bound = zero_bound(ATTEMPTS[rigor], confidence)

    assert bound == pytest.approx(leak, abs=0.002)
    assert (1 - bound) ** ATTEMPTS[rigor] == pytest.approx(1 - confidence)


def test_bounds_need_tries() -> None:
    """Nothing follows from nothing, and nothing is certain or has no confidence at all."""
    with pytest.raises(ValueError, match="0 tries"):
        zero_bound(0)
    assert zero_bound(1, 0.9) == pytest.approx(0.9)
    for confidence in (0, 1, 1.5):
        with pytest.raises(ValueError, match=f"confidence {confidence}"):
            zero_bound(10, confidence)


def test_family_wise_adds_up() -> None:
    """A thousand verdicts of 1e-6 each stay below 0.1 %."""
    assert family_wise([1e-6] * 1000) == pytest.approx(1e-3, rel=1e-3)
    assert family_wise([]) == 0
    assert family_wise([0.5, 0.5]) == pytest.approx(0.75)
