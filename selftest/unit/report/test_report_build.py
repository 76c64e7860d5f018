"""From events to rows, headline and statements."""

from __future__ import annotations

import itertools

import pytest

from selftest.unit.report import sample
from selftest.unit.report.sample import finished, row_of
from smi_conformance.judge.verdict import Verdict
from smi_conformance.report.build import build
from smi_conformance.report.document import ProfileStatement, Report
from smi_conformance.report.errors import ReportError
from smi_conformance.report.verdicts import WORST_FIRST, worst

ONE = {"SPLIT": frozenset({"split.http"})}


def report(*scenarios: sample.EventData, only: tuple[str, ...] = ("SP-010",), **start: object) -> Report:
    """The report of a whole run of these scenarios, over a register of these entries."""
    end = {"event": "run-finished", "time": "t", "seconds": 1.0, "exit": 0}
    data = [sample.started(**start), *scenarios, end]
    return build(sample.parsed(data), sample.register(only, ONE))


def judged(verdict: str, name: str = "SP-010", test: str = "a") -> sample.EventData:
    """A scenario that found this verdict."""
    return finished(f"split/test_x.py::{test}", "t", {name: verdict}, reason=f"because {verdict}")


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(WORST_FIRST[:-1], 2)))
def test_a_row_takes_the_worst_verdict(first: str, second: str) -> None:
    """The order is error, fail, blocked, tentative fail, skipped, not run, unsupported, tentative pass, pass."""
    if "not-run" in (first, second):
        assert worst([second, first]) == first  # type: ignore[list-item]
        return
    row = row_of(report(judged(second, test="a"), judged(first, test="b")), "SP-010")
    assert (row.verdict, row.reason) == (first, f"because {first}")


def test_the_order_is_the_judges() -> None:
    """The report adds words of its own to the judge's lattice and changes nothing in it."""
    known = [verdict.value for verdict in sorted(Verdict, key=lambda one: one.severity, reverse=True)]
    assert [status for status in WORST_FIRST if status in known] == known


def test_versions_have_rows_of_their_own() -> None:
    """One row per requirement and version."""
    other = judged("fail", test="b")
    other["requirements"][0]["version"] = "v1alpha2"
    rows = report(judged("pass"), other).rows
    assert [(row.version, row.verdict, row.claimed) for row in rows] == [
        ("v1alpha2", "fail", False),
        ("v1alpha4", "pass", True),
    ]


def test_an_unknown_requirement_is_refused() -> None:
    """The report never shows what the register does not hold."""
    with pytest.raises(ReportError, match="SP-010, which the register does not hold"):
        report(judged("pass"), only=("SP-011",))


def test_what_has_no_scenario_is_not_covered_with_its_reason() -> None:
    """Requirements of the register that nothing judges are rows too."""
    full = build(sample.parsed(sample.events()), sample.register())
    row = row_of(full, "SP-090")
    assert (row.verdict, row.reason) == ("not-covered", "two splits in a circle need a mesh that can be restarted")


def test_entries_outside_the_run_are_counted_by_why() -> None:
    """Other versions, the other posture, and what the filter leaves out."""
    found = report(judged("pass"), only=("SP-010", "SP-012", "SP-024", "SP-011"), filter=["SP-010"]).scope
    assert (found.other_version, found.other_posture, found.not_selected) == (1, 1, 1)


def test_what_was_asked_for_and_has_no_scenario_is_not_covered() -> None:
    """A filter that names it does not make it disappear."""
    found = report(judged("pass"), only=("SP-010", "SP-011", "TA-010"), filter=["sp-*"])
    assert row_of(found, "SP-011").verdict == "not-covered"
    assert found.scope.not_selected == 1


def test_a_run_that_was_cut_off_is_marked() -> None:
    """What was under way and what was planned is not run; what was judged stays."""
    cut = build(sample.parsed(sample.events(complete=False)), sample.register())
    assert not cut.run.complete
    assert row_of(cut, "API-010").verdict == "pass"
    assert row_of(cut, "TA-040").reason == "its scenario was under way when the run ended"
    assert row_of(cut, "SP-013").reason == "the run ended before its scenario began"
    assert any(not scenario.finished for scenario in cut.scenarios)


def test_a_requirement_judged_in_part_is_not_passed() -> None:
    """Its other scenario never ran."""
    data = sample.events()
    kept = [e for e in data if not (e.get("nodeid", "").endswith("[10-20-70]"))]
    row = row_of(build(sample.parsed(kept[:-1]), sample.register()), "SP-010")
    assert (row.verdict, row.reason) == ("not-run", "judged in part: the run ended early")


def test_a_scenario_whose_worker_died_is_an_error_of_its_rows() -> None:
    """The plan tells what it would have judged."""
    lost = judged("error") | {"requirements": [], "message": "worker gw0 crashed"}
    plan = {"event": "plan", "scenarios": [{"nodeid": lost["nodeid"], "requirements": ["SP-010"]}]}
    row = row_of(report(plan, lost), "SP-010")
    assert (row.verdict, row.reason) == ("error", "worker gw0 crashed")


def test_the_headline_counts_per_level_and_ground() -> None:
    """Counts and no percentage."""
    found = {(c.level, c.ground): c.counts for c in build(sample.parsed(sample.events()), sample.register()).headline}
    assert found["must", "text"] | {"not-covered": 0} == {
        "error": 1,
        "fail": 1,
        "blocked": 1,
        "pass": 6,
        "not-covered": 0,
    }


def test_the_same_events_give_the_same_report() -> None:
    """Byte for byte."""
    first, second = (build(sample.parsed(sample.events()), sample.register()) for _ in range(2))
    assert first.model_dump_json() == second.model_dump_json()


def statement(*scenarios: sample.EventData, **more: object) -> ProfileStatement:
    """What is said of a profile with SP-010 and SP-011 as its core musts."""
    only = ("SP-010", "SP-011", "SP-015", "SP-046")
    (found,) = report(*scenarios, only=only, **more).profiles
    return found


BOTH = (judged("pass"), judged("pass", "SP-011", "b"))


def test_conformant_is_said_when_every_core_must_passed() -> None:
    """In a whole run without faults."""
    found = statement(*BOTH)
    assert (found.statement, found.passed, found.required, found.reasons) == ("conformant", 2, 2, ())


@pytest.mark.parametrize(
    ("verdict", "said", "reason"),
    [
        ("fail", "not-conformant", "failed: SP-011"),
        ("blocked", "not-conformant", "blocked: SP-011"),
        ("error", "undecided", "could not be judged: SP-011"),
        ("skipped", "undecided", "skipped: SP-011"),
        ("unsupported", "undecided", "core, but declared unsupported: SP-011"),
    ],
)
def test_one_core_must_is_enough_to_take_the_word_away(verdict: str, said: str, reason: str) -> None:
    """Each verdict with the exact reason."""
    found = statement(BOTH[0], judged(verdict, "SP-011", "b"))
    assert (found.statement, found.reasons) == (said, (reason,))


def test_an_uncovered_core_must_takes_the_word_away() -> None:
    """Nothing is claimed of what was not looked at."""
    assert statement(BOTH[0]).reasons == ("no scenario in this edition: SP-011",)


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ({"filter": ["SP-*"]}, "the run was limited to SP-*"),
        ({"faults": ["SP-010/weights-ignored"]}, "faults were switched on: SP-010/weights-ignored"),
    ],
)
def test_limited_and_broken_runs_never_say_the_word(start: dict[str, object], reason: str) -> None:
    """Even when everything passed."""
    found = statement(*BOTH, **start)
    assert (found.statement, found.reasons) == ("undecided", (reason,))


def test_an_interrupted_run_never_says_the_word() -> None:
    """Even when everything had passed by then."""
    data = [sample.started(), *BOTH]
    (found,) = build(sample.parsed(data), sample.register(("SP-010", "SP-011"), ONE)).profiles
    assert (found.statement, found.reasons) == ("undecided", ("the run did not end",))


def test_tentative_verdicts_stand_outside_the_score() -> None:
    """They neither give nor take the word."""
    api = {"PROFILE": frozenset({"split.api", "split.http"})}
    data = [sample.started(), *BOTH, judged("tentative-fail", "SP-021", "c")]
    end = {"event": "run-finished", "time": "t", "seconds": 1.0, "exit": 0}
    register = sample.register(("SP-010", "SP-011", "SP-021"), api)
    (found,) = build(sample.parsed([*data, end]), register).profiles
    assert (found.statement, found.required, found.tentative) == ("conformant", 2, 1)


def test_a_profile_that_the_mesh_does_not_claim_is_not_judged() -> None:
    """By its groups or by its features."""
    nothing = sample.started()["mesh"] | {"claims": {"access": "v1alpha3"}}
    assert statement(*BOTH, mesh=nothing).statement == "not-claimed"
    declined = sample.started()["mesh"] | {"features": {"split.http": {"claim": "none", "reason": "no"}}}
    assert statement(*BOTH, mesh=declined).statement == "not-claimed"
    udp = {"UDP": frozenset({"access.api", "access.udp"})}
    (found,) = build(sample.parsed([sample.started(), *BOTH]), sample.register((), udp)).profiles
    assert found.statement == "not-claimed"


def test_the_chance_of_any_false_failure_is_the_runs_own_or_the_sum() -> None:
    """A run that was cut off has not stated one."""
    whole = build(sample.parsed(sample.events()), sample.register())
    cut = build(sample.parsed(sample.events()[:-1]), sample.register())
    assert whole.statistics.family_wise_false_failure == 3e-6
    assert cut.statistics.family_wise_false_failure == pytest.approx(3e-6)


def test_a_run_that_never_started_has_no_report() -> None:
    """One line, no traceback."""
    with pytest.raises(ReportError, match="hold no run-started"):
        build([], sample.register())
