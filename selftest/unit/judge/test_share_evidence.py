"""What a person reads of a verdict on shares, and what the report keeps of it."""

from __future__ import annotations

import pytest

from smi_conformance.judge.evidence import Look
from smi_conformance.judge.statistics import Decision, ShareTest, light, zero_bound


def test_a_rejected_share_is_told_by_backend() -> None:
    """Counts beside what was expected, the number of looks, the reason, and how sure that is."""
    test = ShareTest({"v1": 0.75, "v2": 0.25})
    test.look({"v1": 75, "v2": 25})
    assert test.explain().startswith(
        "100 requests, 1 look: v1 75 (75.0%, expected 75.0%), v2 25 (25.0%, expected 25.0%). continue. Shares "
    )

    assert test.look({"v1": 400}) is Decision.REJECT

    assert test.explain().startswith(
        "400 requests, 2 looks: v1 400 (100.0%, expected 75.0%), v2 0 (0.0%, expected 25.0%). "
        "reject: v1 got too many requests. Shares as expected fail with probability 6.1e-07; "
    )
    assert test.explain().endswith("; v1 at 0.7 with 99.63%, v1 at 0.8 with 99.72%.")


def test_the_evidence_of_shares() -> None:
    """Every look, what was expected and what it is told from; no bound, since no backend gets nothing."""
    test = ShareTest({"v1": 0.75, "v2": 0.25}, title="web")
    test.look({"v1": 75, "v2": 25})
    test.look({"v1": 400})
    evidence = test.evidence()

    assert (evidence.kind, evidence.title, evidence.passed) == ("share", "web", False)
    assert evidence.text == test.explain()
    assert evidence.looks == (Look(100, {"v1": 75, "v2": 25}), Look(400, {"v1": 400}))
    assert evidence.bound is None
    assert evidence.numbers == {
        "shares": {"v1": 0.75, "v2": 0.25},
        "n": 400,
        "cap": 6000,
        "detects": {"v1": (pytest.approx(0.7), pytest.approx(0.8))},
    }


def test_before_the_first_look_there_is_nothing_to_tell() -> None:
    """The evidence says so, and bounds nothing."""
    evidence = ShareTest({"v1": 1.0, "v2": 0.0}).evidence()

    assert evidence.text == "shares 100/0: not looked at"
    assert (evidence.passed, evidence.looks, evidence.bound, evidence.numbers["n"]) == (False, (), None, 0)


def test_a_backend_that_gets_nothing_has_a_bound() -> None:
    """Of the requests that were looked at, with 95 %, beside the shares of the others."""
    test = ShareTest({"v1": 0.5, "v2": 0.5, "v3": 0.0})
    test.look({"v1": 50, "v2": 50})

    bound = test.evidence().bound
    assert bound
    assert (bound.confidence, bound.value) == (0.95, zero_bound(100))
    assert "v3 0 (0.0%, expected 0.0%)" in test.explain()


@pytest.mark.parametrize("shares", [{"v1": 0.5, "v2": 0.5, "v3": 0.0}, {"v1": 1.0, "v3": 0.0}])
def test_what_was_seen_has_no_bound(shares: dict[str, float]) -> None:
    """A bound is for what was never seen. Strays are counted one by one, also those that are no backend."""
    test = ShareTest(shares)

    assert test.look({"v1": 97, "v3": 1, "decoy": 2}) is Decision.REJECT
    assert "requests came to v3 (1), decoy (2), which should get none" in test.explain()
    assert "decoy 2 (2.0%, expected 0.0%)" in test.explain()
    assert test.evidence().bound is None


def test_a_single_backend_says_that_every_request_counts() -> None:
    """There is no probability of a false failure to tell."""
    test = ShareTest({"v1": 1.0}, fixed=10)
    test.look({"v1": 10})

    assert test.explain() == "10 requests, 1 look: v1 10 (100.0%, expected 100.0%). accept. Every request counts."
    assert test.evidence().kind == "zero"


def test_too_few_are_told_from_too_many() -> None:
    """Of 22 requests on halves none at all is too few by a light check (2 ** -22), and one is not."""
    tests = [ShareTest({"v1": 0.5, "v2": 0.5}, fixed=22) for _ in range(3)]

    assert [
        tests[0].look({"v2": 22}),
        tests[1].look({"v1": 1, "v2": 21}),
        tests[2].look({"v1": 22}),
    ] == [Decision.REJECT, Decision.ACCEPT, Decision.REJECT]
    assert [test.reason for test in tests] == ["v1 got too few requests", "", "v1 got too many requests"]


def test_a_backend_that_was_accepted_is_not_judged_again() -> None:
    """With three or more, each has its own test; the verdict waits for the last of them."""
    test = ShareTest({"a": 0.02, "b": 0.49, "c": 0.49})

    assert test.look({"a": 20, "b": 490, "c": 490}) is Decision.CONTINUE
    assert [plan.decide(1000, count) for plan, count in zip(test.plans.values(), (20, 490, 490), strict=True)] == [
        2,
        0,
        0,
    ]
    assert test.plans["b"].decide(3000, 490) == -1
    assert test.look({"a": 60, "b": 490, "c": 2450}) is Decision.ACCEPT


def test_a_light_check_names_itself_by_its_shares() -> None:
    """Unless it is given a title. It says how rough it is."""
    assert light({"v1": 0.75, "v2": 0.25}).title == "shares 75/25"
    assert light({"v1": 0.75, "v2": 0.25}, title="web").title == "web"
    assert light({"v1": 0.02, "v2": 0.98}).detects["v1"][0] == 0.0
    assert light({"v1": 0.98, "v2": 0.02}).detects["v1"][1] == 1.0
