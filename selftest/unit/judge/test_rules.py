"""The rules of allowing and denying."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selftest.unit.judge.observed import NOW, answered, log, observed
from smi_conformance.judge.convergence import DeadlineExpired
from smi_conformance.judge.rules import allowed, check_witness, denied, expired
from smi_conformance.judge.statistics import zero_bound
from smi_conformance.judge.verdict import EvidenceLost, HarnessError, Nonconformance, WitnessError

WITNESS = answered(3, prefix="w", client="c-b")
REFUSED = ["reset", "status", "timeout", "refused", "closed", "altered"]


def test_an_allowed_client() -> None:
    """Answered unaltered, and seen once."""
    evidence = allowed("c-a is admitted", answered(5))

    assert evidence.passed
    assert evidence.numbers == {"requests": 5, "arrived": 5, "outcomes": {"answer": 5}}


@pytest.mark.parametrize("outcome", REFUSED)
def test_any_other_outcome_is_not_allowed(outcome: str) -> None:
    """Also when the request arrived; the failure carries its evidence."""
    with pytest.raises(Nonconformance, match=rf"1 \(q\.1 {outcome}\) of 2") as caught:
        allowed("c-a is admitted", observed(["answer", outcome], {"web": [0, 1]}))

    assert caught.value.evidence
    assert not caught.value.evidence.passed


def test_a_request_that_arrives_twice_is_not_allowed() -> None:
    """A retry changes what the server does."""
    with pytest.raises(Nonconformance, match="arrived 2 times"):
        allowed("t", observed(["answer"], {"one": [0], "two": [0]}))


def test_answers_without_arrivals_judge_nothing() -> None:
    """The record has a hole, whichever way one would judge."""
    hollow = replace(answered(2), servers={"web": log([])})

    with pytest.raises(EvidenceLost):
        allowed("t", hollow)
    with pytest.raises(EvidenceLost):
        denied("t", hollow, [WITNESS])


def test_a_denied_client() -> None:
    """Nothing arrived beside a live witness; the bound is that of the attempts made."""
    evidence = denied("c-z is denied", observed(REFUSED * 10), [WITNESS, WITNESS])

    assert evidence.passed
    assert evidence.bound
    assert evidence.bound.value == zero_bound(60)
    assert evidence.numbers["witness"] == {"c-b": 6}


@pytest.mark.parametrize("outcome", REFUSED)
def test_what_arrives_is_not_denied(outcome: str) -> None:
    """Whatever the client was told, and whatever the witnesses say."""
    leak = observed(["reset", outcome], {"web": [1]})

    for witnesses in ([WITNESS], [], [observed(["reset"], prefix="w")]):
        with pytest.raises(Nonconformance, match=r"1 \(q\.1 arrived at web\) of 2"):
            denied("c-z is denied", leak, witnesses)


@pytest.mark.parametrize(
    "witness",
    [
        observed(["answer", "reset"], {"web": [0, 1]}, prefix="w"),
        replace(WITNESS, servers={"web": log([])}),
        observed(["answer"], {"elsewhere": [0]}, prefix="w"),
        answered(3, prefix="w", at=NOW + 60),
        answered(3, prefix="w", at=NOW - 60),
        observed([], prefix="w"),
    ],
)
def test_a_denial_without_a_live_witness_is_an_error(witness: object) -> None:
    """Not answered, not seen, another server, another time, or nothing sent: nothing is known."""
    with pytest.raises(HarnessError):
        denied("t", observed(["reset"]), [WITNESS, witness])  # type: ignore[list-item]


def test_a_denial_without_any_witness_is_an_error() -> None:
    """A cluster that is broken denies everybody."""
    with pytest.raises(WitnessError, match="no witness"):
        denied("t", observed(["reset"]), [])


def test_names_that_do_not_resolve_are_ours() -> None:
    """The request was never sent."""
    seen = observed(["unresolved", "reset"])

    with pytest.raises(HarnessError, match="cannot resolve web"):
        allowed("t", seen)
    with pytest.raises(HarnessError, match="cannot resolve web"):
        denied("t", seen, [WITNESS])


def test_no_request_is_no_denial() -> None:
    """An empty plan proves nothing."""
    with pytest.raises(HarnessError, match="nothing"):
        denied("t", observed([]), [WITNESS])


def test_an_expired_deadline_is_the_meshs_beside_a_witness() -> None:
    """With the last observation in the message."""
    expiry = DeadlineExpired("c-a is admitted", 30, 60, observed(["reset"] * 2))

    with pytest.raises(Nonconformance, match="2 reset; 0 of 2 arrived") as caught:
        expired(expiry, WITNESS)
    assert caught.value.evidence


@pytest.mark.parametrize("witness", [None, observed(["reset"], prefix="w"), replace(WITNESS, servers={"web": log([])})])
def test_an_expired_deadline_without_a_witness_is_ours(witness: object) -> None:
    """The expiry itself is passed on."""
    expiry = DeadlineExpired("c-a is admitted", 30, 60, "nothing")

    with pytest.raises(DeadlineExpired, match="last seen: nothing"):
        expired(expiry, witness)  # type: ignore[arg-type]


def test_a_witness_in_the_same_window_holds() -> None:
    """Half a minute is near enough."""
    check_witness(answered(1, prefix="w", at=NOW + 29), observed(["reset"]))
