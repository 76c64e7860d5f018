"""What a person reads of a verdict on access: who, how many, what instead, and where to look."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selftest.unit.judge.observed import NOW, answered, log, observed
from smi_conformance.judge.convergence import DeadlineExpired
from smi_conformance.judge.observation import Observation
from smi_conformance.judge.rules import allowed, check_witness, denied, expired
from smi_conformance.judge.verdict import EvidenceLost, HarnessError, Nonconformance, WitnessError

WITNESS = answered(3, prefix="w", client="c-b")


def during(seen: Observation, *moments: float) -> Observation:
    """The same requests, sent at these times."""
    sent = tuple(reply._replace(sent_at=moment) for reply, moment in zip(seen.replies[0], moments, strict=True))
    return replace(seen, replies=(sent,))


def test_a_client_that_is_not_allowed() -> None:
    """Title, got, want and the next step; the evidence has the same title."""
    with pytest.raises(Nonconformance) as caught:
        allowed("c-a is admitted", observed(["answer", "reset"], {"web": [0]}))

    assert str(caught.value).startswith("c-a is admitted: got 1 (q.1 reset) of 2; want every request answered ")
    assert "dump" in caught.value.hint
    assert caught.value.evidence
    assert (caught.value.evidence.kind, caught.value.evidence.title) == ("allowed", "c-a is admitted")
    assert caught.value.evidence.text == "c-a sent 2 requests: 1 answer, 1 reset; 1 arrived"


def test_an_allowed_client_leaves_evidence_of_its_kind() -> None:
    """There is no bound: nothing was denied."""
    evidence = allowed("c-a is admitted", answered(5))

    assert (evidence.kind, evidence.title, evidence.bound) == ("allowed", "c-a is admitted", None)


def test_a_client_that_is_not_denied() -> None:
    """Every server that was reached is named, and the evidence keeps the failure."""
    leak = observed(["reset", "reset"], {"one": [1], "two": [1]})

    with pytest.raises(Nonconformance) as caught:
        denied("c-z is denied", leak, [WITNESS])
    assert str(caught.value).startswith("c-z is denied: got 1 (q.1 arrived at one, two) of 2; want no request arrives ")
    assert "dump" in caught.value.hint
    assert caught.value.evidence
    assert (caught.value.evidence.kind, caught.value.evidence.title) == ("denied", "c-z is denied")
    assert (caught.value.evidence.passed, caught.value.evidence.bound) == (False, None)


def test_a_denied_client_leaves_the_bound_of_what_may_get_through() -> None:
    """In per cent, by 59 attempts."""
    evidence = denied("c-z is denied", observed(["reset"] * 59), [WITNESS])

    assert (evidence.kind, evidence.title) == ("denied", "c-z is denied")
    assert evidence.text.endswith("0 arrived; with 95 % confidence fewer than 5.0% get through")
    assert evidence.bound
    assert evidence.bound.confidence == 0.95


def test_only_the_first_three_requests_are_named() -> None:
    """Dots stand for more, and for more only."""
    for count, shown in (
        (3, r"3 \(q\.0 reset, q\.1 reset, q\.2 reset\) of 3"),
        (4, r"4 \(.*q\.2 reset, \.\.\.\) of 4"),
    ):
        with pytest.raises(Nonconformance, match=shown):
            allowed("t", observed(["reset"] * count))


def test_lost_evidence_names_the_requests() -> None:
    """Answered, and in no log."""
    hollow = replace(answered(2), servers={"web": log(["q.1"])})

    with pytest.raises(EvidenceLost, match=r"^1 \(q\.0\) answered"):
        allowed("t", hollow)
    with pytest.raises(EvidenceLost, match=r"^2 \(q\.0, q\.1\) answered"):
        denied("t", replace(hollow, servers={"web": log([])}), [WITNESS])


def test_a_witness_that_does_not_hold_is_named_with_the_reason() -> None:
    """What came of it, where it got to, or when."""
    reset = observed(["answer", "reset", "reset"], {"web": [0]}, prefix="w", client="c-b")
    far = observed(["answer"] * 2, {"there": [0], "elsewhere": [1]}, prefix="w")

    with pytest.raises(WitnessError, match="witness c-b was not answered: 2 reset, 1 answer"):
        check_witness(reset, observed(["reset"]))
    with pytest.raises(EvidenceLost, match="witness c-b was answered, and is in no"):
        check_witness(replace(WITNESS, servers={"web": log(["w.0"])}), observed(["reset"]))
    with pytest.raises(WitnessError, match="witness reached elsewhere, there, which"):
        check_witness(far, observed(["reset"]))
    with pytest.raises(WitnessError, match="answered 45 s away"):
        check_witness(answered(1, prefix="w", at=NOW + 45), observed(["reset"]))


@pytest.mark.parametrize("witness", [(-500, 500), (-500, -30), (30, 500)])
def test_a_witness_is_near_by_its_nearest_answer(witness: tuple[float, float]) -> None:
    """Half a minute is the limit, and belongs to it. How long the witness went on does not matter."""
    beside = during(observed(["reset"] * 2), NOW, NOW)

    check_witness(during(answered(2, prefix="w"), *(NOW + at for at in witness)), beside)


@pytest.mark.parametrize("witness", [(-500, -31), (81, 500)])
def test_a_witness_is_far_by_its_nearest_answer(witness: tuple[float, float]) -> None:
    """Before the first of the denied requests, or after the last of them."""
    beside = during(observed(["reset"] * 2), NOW, NOW + 50)

    with pytest.raises(WitnessError, match="answered 31 s away"):
        check_witness(during(answered(2, prefix="w"), *(NOW + at for at in witness)), beside)


def test_an_expired_deadline_says_what_was_seen_last() -> None:
    """With the deadline, the number of looks and the witness; the evidence is that of the last look."""
    expiry = DeadlineExpired("c-a is admitted", 30, 60, observed(["reset"] * 2))

    with pytest.raises(Nonconformance) as caught:
        expired(expiry, WITNESS)
    assert str(caught.value).startswith(
        "c-a is admitted: got 2 reset; 0 of 2 arrived, still after 30 s (60 looks); want what the title says"
    )
    assert "A witness (c-b) was answered" in caught.value.hint
    assert "dump" in caught.value.hint
    evidence = caught.value.evidence
    assert evidence
    assert (evidence.kind, evidence.title, evidence.passed) == ("expired", "c-a is admitted", False)


@pytest.mark.parametrize(
    ("last", "said"),
    [({"v2": 4, "v1": 3}, "got v1 3, v2 4, still"), ({}, "got nothing, still"), ("no pod", "got no pod, still")],
)
def test_an_expired_deadline_shows_counts_and_texts(last: object, said: str) -> None:
    """Counts in the order of their names. There is no evidence without an observation."""
    with pytest.raises(Nonconformance, match=said) as caught:
        expired(DeadlineExpired("t", 30, 60, last), WITNESS)
    assert caught.value.evidence is None


def test_names_that_do_not_resolve_are_listed() -> None:
    """With the number of requests that were never sent."""
    with pytest.raises(HarnessError, match="c-a cannot resolve web: 2 requests not sent"):
        allowed("t", observed(["unresolved", "unresolved", "reset"]))
    two = observed(["unresolved"])
    other = replace(two.plan.steps[0], id="r", host="api")
    both = replace(two, plan=replace(two.plan, steps=(*two.plan.steps, other)), replies=two.replies * 2)
    with pytest.raises(HarnessError, match="c-a cannot resolve api, web: 2 requests"):
        denied("t", both, [WITNESS])
    with pytest.raises(HarnessError, match="c-a has sent nothing"):
        allowed("t", observed([]))
