"""The lattice of verdicts, the exceptions, the deadlines."""

from __future__ import annotations

from pathlib import Path

import execnet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smi_conformance.judge.deadlines import Deadlines
from smi_conformance.judge.evidence import Bound, Evidence, Look
from smi_conformance.judge.verdict import Blocked, HarnessError, Nonconformance, Verdict, worst
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
    assert str(Blocked("API-010", "not served")) == "blocked by API-010: not served"


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


def test_deadlines_from_a_flag_and_a_file(tmp_path: Path) -> None:
    """Both name the same, and say which ones were raised."""
    path = tmp_path / "deadlines.yaml"
    path.write_text("policy: 60\nready: 10\n")
    loaded = Deadlines.load(path)

    assert loaded == Deadlines.parse("policy=60, ready=10")
    assert loaded.raised() == ["policy"]
    assert loaded.to_json()["ready"] == 10
    assert set(Deadlines.meanings()) == set(Deadlines.names())
    assert Deadlines.parse("") == Deadlines()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("polcy=60", "did you mean policy"),
        ("x=1", "known are ready"),
        ("split", "split=60"),
        ("split=-1", "above 0"),
    ],
)
def test_wrong_deadlines_are_explained(text: str, complaint: str) -> None:
    """The message says what to write."""
    with pytest.raises(ValueError, match=complaint):
        Deadlines.parse(text)


def test_a_deadline_file_is_a_map(tmp_path: Path) -> None:
    """Anything else is refused, with the name of the file."""
    path = tmp_path / "deadlines.yaml"
    path.write_text("- 60\n")

    with pytest.raises(ValueError, match=r"deadlines\.yaml"):
        Deadlines.load(path)
