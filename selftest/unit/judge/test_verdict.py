"""The lattice of verdicts, the exceptions, the evidence."""

from __future__ import annotations

import execnet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smi_conformance.judge.evidence import Bound, Evidence, Look
from smi_conformance.judge.verdict import Blocked, HarnessError, Nonconformance, Verdict, Wedged, worst
from smi_conformance.judge.windows import Between

verdicts = st.sampled_from(Verdict)


@given(verdicts, verdicts, verdicts)
def test_worst_is_a_lattice(one: Verdict, two: Verdict, three: Verdict) -> None:
    """The order of scenarios does not matter, nor how they are grouped."""
    assert worst([one, one]) is one
    assert worst([one, two]) is worst([two, one])
    assert worst([worst([one, two]), three]) is worst([one, worst([two, three])])


def test_error_outranks_fail_and_pass_is_last() -> None:
    """The ends of the order."""
    assert worst(Verdict) is Verdict.ERROR
    assert worst([Verdict.FAIL, Verdict.BLOCKED, Verdict.TENTATIVE_FAIL]) is Verdict.FAIL
    assert worst([Verdict.PASS, Verdict.TENTATIVE_PASS]) is Verdict.TENTATIVE_PASS
    assert not Verdict.PASS.blocks_conformance
    assert Verdict.SKIPPED.blocks_conformance
    with pytest.raises(ValueError, match="empty"):
        worst([])


def test_tentative_verdicts() -> None:
    """Only pass and fail become tentative: an error stays one."""
    assert Verdict.FAIL.tentatively() is Verdict.TENTATIVE_FAIL
    assert Verdict.ERROR.tentatively() is Verdict.ERROR


def test_a_nonconformance_speaks_in_got_and_want() -> None:
    """One paragraph with the next step."""
    failure = Nonconformance("c-z is denied", got="3 of 59 arrived", want="none", hint="See the dump.")

    assert str(failure) == "c-z is denied: got 3 of 59 arrived; want none. See the dump."
    assert isinstance(failure, AssertionError)
    assert not isinstance(failure, HarnessError)
    assert str(Nonconformance("t", got="one", want="none")) == "t: got one; want none."


def test_what_blocks_is_named() -> None:
    """With the reason, if one is known."""
    assert str(Blocked("API-010", "not served")) == "blocked by API-010: not served"
    assert str(Blocked("API-010")) == "blocked by API-010"
    assert Blocked("API-010").requirement == "API-010"
    assert "wedged by SP-010: " in str(Wedged("SP-010"))
    assert Wedged("SP-010").requirement == "SP-010"


def test_evidence_round_trips() -> None:
    """What the report holds is what was judged."""
    whole = Evidence("share", "t", True, "text", {"n": 1}, (Look(100, {"v1": 60}),), Bound(0.95, 0.1), 1e-7)

    for evidence in (whole, Evidence("allowed", "t", False, "text")):
        assert Evidence.from_json(evidence.to_json()) == evidence
    assert set(Evidence("allowed", "t", True, "x").to_json()) == {
        "kind",
        "title",
        "passed",
        "text",
        "numbers",
    }


def test_evidence_crosses_from_worker_to_controller() -> None:
    """Numbers may be of types that the channel does not know, such as a named tuple; what is shown is plain."""
    evidence = Evidence("count", "t", True, "text", {"want": {"success_count": Between(3, 4)}})

    assert execnet.loads(execnet.dumps(evidence.to_json()))["numbers"] == {"want": {"success_count": [3, 4]}}
