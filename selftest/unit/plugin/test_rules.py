"""The plugin's rules: verdicts of phases, exit codes, options, selection."""

from __future__ import annotations

from pathlib import Path

import pytest

from smi_conformance.cluster.port import ClusterError
from smi_conformance.judge.verdict import Blocked, Nonconformance, Verdict
from smi_conformance.locations import REGISTER
from smi_conformance.model.register import load_register
from smi_conformance.plugin import selection
from smi_conformance.plugin.outcome import Unsupported, exit_status, message_of, row_verdict, verdict_of
from smi_conformance.plugin.settings import RunOptions, UsageError

REGISTERED = load_register(REGISTER)


@pytest.mark.parametrize(
    ("raised", "verdict"),
    [
        (None, Verdict.PASS),
        (Nonconformance("t", got="g", want="w"), Verdict.FAIL),
        (Blocked("TA-010"), Verdict.BLOCKED),
        (Unsupported("none"), Verdict.UNSUPPORTED),
        (pytest.skip.Exception("later"), Verdict.SKIPPED),
        (ClusterError("gone"), Verdict.ERROR),
        (AssertionError("a bare assert says nothing of the mesh"), Verdict.ERROR),
        (KeyError("a defect of the suite"), Verdict.ERROR),
    ],
    ids=str,
)
def test_only_the_judge_can_fail_a_mesh(raised: BaseException | None, verdict: Verdict) -> None:
    """Whatever the judge did not say is an error of the suite."""
    assert verdict_of(raised) is verdict


def test_message_has_got_and_want() -> None:
    """A failure says what was got and what was wanted."""
    assert message_of(Nonconformance("share", got="50", want="90", hint="Look.")) == "share: got 50; want 90. Look."


def test_tentative_requirements_stand_outside_the_score() -> None:
    """Their pass and fail are tentative, an error stays one."""
    entry = next(one for one in REGISTERED.requirements if one.state != "settled")
    version = entry.versions[-1]
    assert row_verdict(entry, version, Verdict.FAIL) is Verdict.TENTATIVE_FAIL
    assert row_verdict(entry, version, Verdict.ERROR) is Verdict.ERROR


@pytest.mark.parametrize(
    ("verdicts", "interrupted", "broken", "code"),
    [
        ([Verdict.PASS], False, False, 0),
        ([Verdict.PASS, Verdict.UNSUPPORTED, Verdict.TENTATIVE_FAIL], False, False, 0),
        ([Verdict.PASS, Verdict.FAIL], False, False, 1),
        ([Verdict.BLOCKED], False, False, 1),
        ([Verdict.FAIL, Verdict.ERROR], False, False, 3),
        ([Verdict.PASS], False, True, 3),
        ([Verdict.ERROR], True, False, 130),
        ([], False, False, 2),
    ],
)
def test_exit_codes(verdicts: list[Verdict], interrupted: bool, broken: bool, code: int) -> None:
    """Error outranks fail, an interrupt outranks both, nothing selected is a usage error."""
    assert exit_status(verdicts, interrupted=interrupted, broken=broken) == code


def test_what_a_run_had_no_time_for_did_not_pass() -> None:
    """Also when it had time for nothing; an error and an interrupt still say more."""
    for verdicts, code in (([Verdict.PASS], 1), ([], 1), ([Verdict.ERROR], 3)):
        assert exit_status(verdicts, interrupted=False, broken=False, out_of_time=True) == code
    assert exit_status([], interrupted=True, broken=False, out_of_time=True) == 130


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (RunOptions(mesh="istoi"), "istoi"),
        (RunOptions(cluster="clowd"), "clowd"),
        (RunOptions(requirements=("TA-99*",)), "TA-99"),
        (RunOptions(posture="open"), "posture"),
        (RunOptions(rigor="lax"), "rigor"),
        (RunOptions(api=("access=v9",)), "access has v1alpha1"),
        (RunOptions(api=("metrics=v1alpha1",)), "groups: access"),
        (RunOptions(faults=("TA-050/none-such",)), "last-policy-wins"),
        (RunOptions(mesh="none", faults=("TA-050/last-policy-wins",)), "no fault switch"),
        (RunOptions(deadlines={"polcy": 3}), "policy"),
        (RunOptions(max_time=0), "--max-time takes seconds above 0"),
        (RunOptions(deadlines={"policy": -1}), "above 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_are_checked_before_anything_starts(options: RunOptions, word: str) -> None:
    """One line that names the mistake."""
    with pytest.raises(UsageError, match=word):
        options.checked()


def test_options_get_a_seed() -> None:
    """A run without a seed draws one, and the report holds it."""
    assert RunOptions().checked().seed is not None
    assert RunOptions(seed=7).checked().seed == 7


def test_profile_deadlines_yield_to_the_user() -> None:
    """The profile over the default, the user over the profile."""
    assert RunOptions(mesh="none").limits.policy == 2
    assert RunOptions(mesh="none", deadlines={"policy": 9}).limits.policy == 9


def test_uncovered_list_names_requirements_of_the_register() -> None:
    """Every id exists, and every reason says something."""
    for name, reason in selection.uncovered().items():
        REGISTERED.get(name)
        assert reason.strip()


def test_whole_suite_keeps_the_register_covered(pytester: pytest.Pytester) -> None:
    """Collection fails for a scenario without an id."""
    assert Path(REGISTER).exists()
    suite = pytester.mkdir("conformance")
    (suite / "test_x.py").write_text('def test_x():\n    """Something."""\n')
    with pytest.raises(pytest.UsageError, match="names no requirement"):
        selection.select(_items(pytester, suite), RunOptions())


def _items(pytester: pytest.Pytester, folder: Path) -> list[pytest.Item]:
    items, _ = pytester.inline_genitems(str(folder), "--rootdir", str(folder))
    return list(items)


def test_reproduce_command_repeats_the_run() -> None:
    """Every option that bears on a verdict, quoted for a shell; no path of the machine."""
    options = RunOptions(requirements=("SP-0*",), seed=7, deadlines={"split": 60.0}, kubeconfig=Path("/home/me/config"))
    assert options.command == (
        "smi-conformance run --mesh reference --cluster embedded --posture deny --rigor standard --seed 7 "
        "--requirement 'SP-0*' --deadline split=60"
    )
    assert "--api all --api split=v1alpha2" in RunOptions(api=("all", "split=v1alpha2")).command
