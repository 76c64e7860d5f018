"""Command lines, and runs that are asked for and not made."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from selftest.unit.report import sample
from smi_conformance.cli.app import execute
from smi_conformance.meshes import install
from smi_conformance.plugin import runner
from smi_conformance.plugin.runner import RunOptions
from smi_conformance.report import write_all

Command = Callable[..., tuple[int, str, str]]
SWITCHES = {"TA-050/second-target-ignored": "the second TrafficTarget of a destination is ignored"}


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs a command line: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def call(*argv: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["smi-conformance", *argv])
        code = execute(argv)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[RunOptions]:
    """The runs that were asked for; none is made."""
    asked: list[RunOptions] = []

    def run(options: RunOptions) -> int:
        asked.append(options)
        return 1

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(install, "faults_of", lambda profile: SWITCHES if profile.name == "reference" else {})
    monkeypatch.setattr("smi_conformance.plugin.settings.faults_of", install.faults_of)
    return asked


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A report folder of the sample run, on a mesh that has a profile."""
    folder = tmp_path / "report"
    folder.mkdir()
    mesh = sample.started()["mesh"] | {"name": "none"}
    sample.write(folder, sample.events(mesh=mesh, deadlines={}))
    write_all(folder)
    return folder


def replays(monkeypatch: pytest.MonkeyPatch, folder: Path, change: dict[str, str], code: int = 3) -> list[RunOptions]:
    """Let a run write the events of `folder`, with other verdicts for some requirements, and end with a code."""
    asked: list[RunOptions] = []

    def run(options: RunOptions) -> int:
        asked.append(options)
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        for event in events:
            for row in event["requirements"] if event["event"] == "scenario-finished" else ():
                row["verdict"] = change.get(row["id"], row["verdict"])
        options.report.mkdir(exist_ok=True)
        sample.write(options.report, events)
        write_all(options.report)
        return code

    monkeypatch.setattr(runner, "run", run)
    return asked
