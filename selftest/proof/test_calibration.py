"""The calibration page holds what the suite does, and both ways to its figures agree."""

from __future__ import annotations

import math

import pytest

from selftest.proof import calibration
from selftest.proof.calibration import DRAWS, PAGE, Used, moved, simulated, tries, used
from selftest.proof.conftest import Run
from smi_conformance.judge.share_plan import ALPHA


@pytest.fixture(scope="session", autouse=True)
def _lab_is_possible() -> None:
    """Nothing here needs a lab."""


@pytest.fixture(scope="session")
def kinds(run: Run) -> list[Used]:
    return used(run("--cluster", "model", name="calibration").folder)


def test_the_page_is_that_of_this_suite(kinds: list[Used]) -> None:
    """`python -m selftest.proof.calibration` writes it."""
    assert PAGE.read_text() == calibration.page(kinds)


def test_no_verdict_fails_a_right_mesh_more_often_than_it_may(kinds: list[Used]) -> None:
    assert [one for one in kinds if one.test().false_failure > ALPHA] == []


def test_drawing_agrees_with_the_exact_power(kinds: list[Used]) -> None:
    """Within five standard errors, at the effect and half way to it, where the verdict is a matter of chance."""
    for test in (one.test() for one in kinds if len(one.shares) == 2):
        there = moved(test)
        half = {name: (share + there[name]) / 2 for name, share in test.shares.items()}
        for truth in (there, half):
            exact = test.power(truth)
            error = math.sqrt(max(exact * (1 - exact), 1 / DRAWS) / DRAWS)
            assert simulated(test, truth) == pytest.approx(exact, abs=5 * error), (test.shares, truth)


def test_other_designs_are_computed_by_the_textbook() -> None:
    """The sum of binomial probabilities from 325 to 375 of 500, once and in ten tries."""
    once = sum(math.comb(500, k) * 0.63**k * 0.37 ** (500 - k) for k in range(325, 376))

    assert tries(500, 0.05, 0.7, 0.63, 1) == pytest.approx(once)
    assert tries(500, 0.05, 0.7, 0.63, 10) == pytest.approx(1 - (1 - once) ** 10)
    assert tries(500, 0.05, 0.7, 0.63, 10) > 0.8
