"""The fuzzer finds bugs that no scenario lists, finds none where there are none, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selftest.proof.planted import PLANTED


@pytest.fixture(scope="session", autouse=True)
def _lab_is_possible() -> None:
    """Nothing here needs a lab."""


def fuzz(folder: Path, *arguments: str) -> list[str]:
    """The command line, with the planted bugs among its switches."""
    base = ["fuzz", "--cluster", "model", "--report", str(folder), "--seed", "1"]
    return [sys.executable, "-m", "selftest.proof.planted", *base, *arguments]


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_bug_is_found(fault: str, tmp_path: Path) -> None:
    """Within 600 policy sets; the counter-example is small."""
    argv = fuzz(tmp_path, "--fault", fault, "--examples", "600", "--time", "5m", "--stop-after", "1")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "DISAGREES" in done.stdout
    assert (tmp_path / "counterexample-1" / "policy.yaml").read_text().count("kind: TrafficTarget") <= 3 + 3


def test_nothing_is_found_without_a_fault(tmp_path: Path) -> None:
    """The model does what the oracle says, so whatever is found is a defect of the fuzzer."""
    argv = fuzz(tmp_path, "--examples", "600", "--time", "5m")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.glob("counterexample-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(number: signal.Signals, tmp_path: Path) -> None:
    """It ends at once with 130."""
    argv = fuzz(tmp_path, "--time", "5m")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout
        lines = iter(run.stdout)
        while "drawing for" not in next(lines):
            pass
        time.sleep(1.0)  # it is in the middle of something, whatever that is
        run.send_signal(number)
        rest = run.stdout.read()
        assert run.wait(timeout=60) == 130, rest
    assert "interrupted" in rest
    assert "Traceback" not in rest
