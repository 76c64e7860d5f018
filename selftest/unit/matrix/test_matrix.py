"""The matrix: cells from a file, runs that end as they do, and the table of all."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from selftest.unit.report import sample
from smi_conformance.cli import app
from smi_conformance.matrix import plan
from smi_conformance.matrix.plan import MatrixError
from smi_conformance.report import write_all

FILE = """
meshes:
  - profile: reference
  - {profile: none, version: two, options: [--seed, "7"]}
kubernetes: [embedded, "kindest/node:v1.33.1@sha256:abc"]
options: [--requirement, SP-010]
exclude:
  - {profile: none, kubernetes: embedded, reason: nothing to see}
"""
NODE = "kindest/node:v1.33.1@sha256:abc"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "matrix.yaml"
    path.write_text(FILE)
    return path


def test_cells(file: Path) -> None:
    """Every mesh on every Kubernetes but what is left out; each has a name, a title and the options of its run."""
    first, second, third = plan.read(file)
    assert [one.name for one in (first, second, third)] == [
        "reference-0.1.0-embedded", "reference-0.1.0-v1.33.1", "none-two-v1.33.1",
    ]  # fmt: skip
    assert first.options == ("--mesh", "reference", "--cluster", "embedded", "--requirement", "SP-010")
    kind = ("--cluster", "kind", "--kind-image", NODE)
    assert third.options == ("--mesh", "none", *kind, "--requirement", "SP-010", "--seed", "7")
    assert third.title == "none two on v1.33.1"
    assert plan.as_github([third]) == {"include": [{"name": third.name, "title": third.title}]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[", "cannot be read"),
        ("meshes: []\nkubernetes: [embedded]", "meshes: Tuple should have at least 1 item"),
        ("meshes: [{profile: none}]", "kubernetes: Field required"),
        ("meshes: [{profile: none}, {profile: none}]\nkubernetes: [embedded]", "two cells are called none-"),
        (FILE.replace("nothing to see", "''"), "exclude.0.reason: String should have at least 1"),
        (
            FILE.replace("kubernetes: embedded, reason", "kubernetes: v9, reason"),
            "none on v9, which is not in the matrix",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, told: str) -> None:
    """One line."""
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(MatrixError) as caught:
        plan.read(tmp_path / "m.yaml")
    assert told in str(caught.value)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs that write the report of the sample, but for the null control, which comes to none; who was run."""
    names: list[str] = []

    def start(argv: list[str], check: bool) -> SimpleNamespace:
        folder = Path(argv[argv.index("--report") + 1])
        names.append(folder.name)
        if folder.name.startswith("reference"):
            folder.mkdir(parents=True)
            sample.write(folder, sample.events())
            write_all(folder)
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(subprocess, "run", start)
    return names


def test_a_cell_without_a_report_is_no_pass(
    file: Path, runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All cells are run, the table shows what is missing, and the code is the worst one; then only what failed."""
    folder = tmp_path / "out"
    code = app.execute(["matrix", "run", str(file), "--report", str(folder)])
    assert (code, len(runs)) == (3, 3)
    told = json.loads((folder / "matrix.json").read_text())
    assert [(cell["exit"], bool(cell["missing"])) for cell in told["cells"]] == [(3, False), (3, False), (3, True)]
    first = told["rows"][0]["verdicts"]
    assert first["none-two-v1.33.1"] == "no report"
    assert len(set(list(first.values())[:2])) == 1
    page = (folder / "matrix.html").read_text()
    assert '<a href="reference-0.1.0-embedded/index.html">' in page
    assert "no report" in page
    assert sample.HOSTILE not in page
    assert "exit 3  none two on v1.33.1" in capsys.readouterr().out
    assert app.execute(["matrix", "merge", str(file), "--report", str(folder)]) == 3
    runs.clear()
    app.execute(["matrix", "run", str(file), "--report", str(folder), "--cell", "none-two-v1.33.1", "--failed"])
    assert runs == ["none-two-v1.33.1"]


def test_a_cell_that_passed_is_not_run_again(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--failed` leaves out what ended with 0."""
    from smi_conformance.matrix import table  # noqa: PLC0415

    asked: list[str] = []
    monkeypatch.setattr(subprocess, "run", lambda argv, check: asked.append(argv[5]))
    monkeypatch.setattr(table.Column, "exit", 0)
    assert app.execute(["matrix", "run", str(file), "--report", str(tmp_path / "r"), "--failed"]) == 0
    assert asked == []


def test_unknown_cells_are_usage(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest name."""
    assert app.execute(["matrix", "run", str(file), "--cell", "reference-0.1.0-embeded"]) == 2
    assert "did you mean reference-0.1.0-embedded" in capsys.readouterr().err


def test_the_line_for_github(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON on one line."""
    assert app.execute(["matrix", "cells", str(file), "--github"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert len(json.loads(line)["include"]) == 3


def test_the_projects_own_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    """It can be read, and the workflow and the script use it."""
    from smi_conformance.locations import SUITE  # noqa: PLC0415

    assert app.execute(["matrix", "cells", str(SUITE / "ci" / "matrix.yaml")]) == 0
    assert "kindest/node" in capsys.readouterr().out
    texts: Callable[[str], str] = lambda name: (SUITE / name).read_text()  # noqa: E731
    assert "matrix run" in texts("ci/matrix.sh")
    assert "ci/matrix.yaml" in texts(".github/workflows/matrix.yml")
