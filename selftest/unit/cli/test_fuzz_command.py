"""The command `fuzz`: what it refuses, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selftest.unit.cli.conftest import Command
from smi_conformance.cli.fuzz import parsed


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("30", 30)])
def test_times(text: str, seconds: float) -> None:
    """A number with a unit."""
    assert parsed(text) == seconds


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--time", "soon"], "--time takes a number with s, m or h"),
        (["--time", "0s"], "--time takes a number"),
        (["--cluster", "replay:x"], "unknown cluster"),
        (["--mesh", "referenc"], "did you mean reference?"),
        (["--cluster", "model", "--fault", "TA-050/none"], "fault"),
        (["--examples", "0"], "examples"),
    ],
)
def test_usage(command: Command, options: list[str], told: str) -> None:
    """One line and exit code 2."""
    code, _, err = command("fuzz", *options)
    assert code == 2
    assert told in err


def test_a_short_run(command: Command, tmp_path: Path) -> None:
    """Nothing is found of a mesh without a fault, and an earlier report is gone."""
    old = tmp_path / "counterexample-1"
    old.mkdir()
    (old / "README.md").write_text("old")
    code, out, err = command("fuzz", "--cluster", "model", "--examples", "10", "--seed", "5", "--report", str(tmp_path))
    assert (code, err) == (0, "")
    assert "10 policy sets" in out
    assert "no disagreement" in out
    assert json.loads((tmp_path / "fuzz.json").read_text())["seed"] == 5
    assert not old.exists()


def test_a_fault_is_found(command: Command, tmp_path: Path) -> None:
    """With exit code 1, one paragraph, and a folder to read."""
    code, out, _ = command(
        "fuzz", "--cluster", "model", "--examples", "100", "--seed", "1", "--stop-after", "1",
        "--fault", "TA-021/any-mesh-identity", "--report", str(tmp_path),
    )  # fmt: skip
    assert code == 1, out
    assert "DISAGREES" in out
    assert (tmp_path / "counterexample-1" / "policy.yaml").exists()
