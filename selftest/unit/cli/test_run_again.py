"""`run` beside an earlier report: what failed once more, a baseline, and its outcome as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from selftest.unit.cli.conftest import Command, replays
from selftest.unit.report import sample
from smi_conformance.cli import complete
from smi_conformance.plugin.runner import RunOptions
from smi_conformance.report import write_all
from smi_conformance.report.diff import Difference, worse


def test_the_choice_of_versions_posture_and_time_is_passed_on(command: Command, started: list[RunOptions]) -> None:
    """As typed."""
    command("run", "--api", "all", "--api", "access=v1alpha1,v1alpha2", "--posture", "both", "--max-time", "90")
    (asked,) = started
    assert (asked.api, asked.posture, asked.max_time) == (("all", "access=v1alpha1,v1alpha2"), "both", 90.0)


@pytest.mark.parametrize("argv", ["run --rerun-failed", "run --rerun-failed --seed 1", "run --rerun-failed=report"])
def test_what_failed_is_run_again(command: Command, started: list[RunOptions], recorded: Path, argv: str) -> None:
    """Also what had an error, was blocked or tentatively failed; under the conditions of the report."""
    command(*argv.split(), "--report", "report")
    (asked,) = started
    failed = {"API-060", "TA-011", "TA-021", "TA-040", "TA-094", "SP-011", "SP-013"}
    assert set(asked.requirements) == failed
    assert len(asked.scenarios) == len(failed)
    assert all(name.startswith("conformance/") for name in asked.scenarios)
    assert (asked.mesh, asked.cluster, asked.rigor) == ("none", "current", "standard")
    assert asked.versions == {"access": ("v1alpha3",), "specs": ("v1alpha4",), "split": ("v1alpha4",)}


def test_what_is_typed_wins_over_the_report(command: Command, started: list[RunOptions], recorded: Path) -> None:
    """The rest is as recorded."""
    command("run", "--rerun-failed", str(recorded), "--cluster", "embedded", "--rigor", "certify")
    assert (started[0].cluster, started[0].rigor, started[0].mesh) == ("embedded", "certify", "none")


def test_what_a_run_did_not_reach_is_run_again(command: Command, started: list[RunOptions], recorded: Path) -> None:
    """Planned, begun or not."""
    mesh = sample.started()["mesh"] | {"name": "none"}
    sample.write(recorded, sample.events(complete=False, mesh=mesh, deadlines={}))
    command("run", "--rerun-failed", str(recorded))
    assert {"TA-040", "SP-010", "SP-014"} <= set(started[0].requirements)
    assert "API-010" not in started[0].requirements


def test_where_all_passed_nothing_is_run_again(command: Command, started: list[RunOptions], tmp_path: Path) -> None:
    """And that is no failure."""
    passed = [
        sample.finished("a.py::a", "t", {"SP-010": "pass"}),
        sample.finished("a.py::b", "t", {"SP-013": "skipped"}),
    ]
    sample.write(tmp_path, [sample.started(), *passed])
    code, out, _ = command("run", "--rerun-failed", ".")
    assert (code, out, started) == (0, "nothing to run again: all that . selected has passed\n", [])


def test_no_report_to_run_again_is_one_line(command: Command, started: list[RunOptions]) -> None:
    """Exit code 3, like every report that cannot be read."""
    code, _, err = command("run", "--rerun-failed", "absent")
    assert (code, started) == (3, [])
    assert err == "smi-conformance: absent/events.jsonl cannot be read: No such file or directory\n"


def accepted(folder: Path, change: dict[str, str]) -> Path:
    """A baseline: the sample with other verdicts."""
    target = folder.parent / "accepted"
    target.mkdir()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    for event in events:
        for row in event["requirements"] if event["event"] == "scenario-finished" else ():
            row["verdict"] = change.get(row["id"], row["verdict"])
    sample.write(target, events)
    write_all(target)
    return target


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({}, 0, "as in the baseline\n"),
        (
            {"SP-013": "pass"},
            1,
            "worse   SP-013 v1alpha4: pass -> fail\n1 change since the baseline, 1 for the worse\n",
        ),
        (
            {"SP-014": "fail"},
            0,
            "changed SP-014 v1alpha4: fail -> pass\n1 change since the baseline, 0 for the worse\n",
        ),
    ],
)
def test_beside_a_baseline_only_the_worse_counts(
    command: Command, recorded: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], code: int, told: str
) -> None:
    """The run itself has failed, for what is accepted."""
    baseline = accepted(recorded, change)
    replays(monkeypatch, recorded, {}, code=1)
    assert command("run", "--report", "new", "--baseline", str(baseline)) == (code, told, "")
    assert command("run", "--report", "new", "--baseline", str(baseline / "report.json"))[0] == code


@pytest.mark.parametrize("code", [3, 130])
def test_a_baseline_hides_no_error(
    command: Command, recorded: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Of the suite, or an interrupt."""
    replays(monkeypatch, recorded, {}, code=code)
    assert command("run", "--report", "new", "--baseline", str(recorded))[0] == code


def test_a_baseline_that_cannot_be_read_stops_the_run(command: Command, started: list[RunOptions]) -> None:
    """Before it begins."""
    code, _, err = command("run", "--baseline", "absent.json")
    assert (code, started) == (3, [])
    assert "absent.json cannot be read" in err


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("pass", "fail", True),
        ("pass", "unsupported", True),
        ("pass", "not-run", True),
        ("unsupported", "fail", True),
        (None, "fail", True),
        ("not-covered", "pass", False),
        ("fail", "blocked", False),
        ("fail", "error", True),
        ("fail", "pass", False),
        ("error", "fail", False),
        ("tentative-pass", "tentative-fail", False),
        (None, "unsupported", False),
    ],
)
def test_which_changes_are_for_the_worse(before: str | None, after: str | None, expected: bool) -> None:
    """Those that take something away; verdicts outside the score do not."""
    assert worse(Difference("SP-010", "v1alpha4", before, after)) == expected


def test_the_outcome_of_a_run_as_json(command: Command, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One object on standard output, whatever the run prints."""
    replays(monkeypatch, recorded, {"SP-014": "fail"}, code=1)
    code, out, _ = command("run", "--json", "--report", "new", "--baseline", str(recorded))
    found = json.loads(out)
    assert (code, found["exit"], found["complete"], found["posture"]) == (1, 1, True, "deny")
    assert found["api"]["access"] == ["v1alpha3"]
    assert {
        "requirement": "SP-010",
        "version": "v1alpha4",
        "level": "must",
        "verdict": "pass",
        "reason": None,
    } in found["rows"]
    assert found["changes"] == [
        {"requirement": "SP-014", "version": "v1alpha4", "before": "pass", "after": "fail", "worse": True}
    ]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("smi-conformance run --requirement SP-01", "SP-010"),
        ("smi-conformance run --api acc", "access=v1alpha2"),
        ("smi-conformance run --mesh n", "none"),
        ("smi-conformance run --posture b", "both"),
        ("smi-conformance run --rer", "--rerun-failed"),
        ("smi-conformance report v", "verify"),
    ],
)
def test_the_shell_completes_words(words: str, offered: str) -> None:
    """Commands, options and their values."""
    asked = {"_SMI_CONFORMANCE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "smi_conformance.cli"],
        env={**os.environ, **asked}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert offered in done.stdout.split()


def test_completion_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A register that cannot be read offers nothing."""
    monkeypatch.setattr("smi_conformance.locations.REGISTER", Path("absent"))
    assert complete.requirements("SP") == []
    assert complete.faults("TA-050/last") == ["TA-050/last-policy-wins"]
