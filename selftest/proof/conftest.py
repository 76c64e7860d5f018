"""Runs of the product in subprocesses, with their reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from smi_conformance.lab.cluster import Lab, LabError

Run = Callable[..., "Finished"]
TIMEOUT = 900


@dataclass(frozen=True)
class Finished:
    """One finished run: exit code, what it printed, and its report folder."""

    code: int
    output: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found

    @property
    def verdicts(self) -> dict[str, str]:
        """Requirement to verdict, of everything that was judged."""
        return {r["requirement"]: r["verdict"] for r in self.report["rows"] if r["verdict"] != "not-covered"}

    @property
    def wrong(self) -> str:
        """What did not pass and why, a line each: short enough for the end of a CI log."""
        rows = [r for r in self.report["rows"] if r["verdict"] in ("fail", "tentative-fail", "error", "not-run")]
        told = [f"{r['requirement']} {r['version']} {r['verdict']}: {r['reason']}"[:600] for r in rows]
        return "\n".join([f"exit {self.code}", *told, self.output[-300:] if not told else ""])


def command(*arguments: str, module: str = "smi_conformance.cli") -> list[str]:
    """The command line of the product, or of a module that stands in for it."""
    return [sys.executable, "-m", module, *arguments]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the suite; arguments are those of `smi-conformance run`."""

    def start(*arguments: str, name: str = "report") -> Finished:
        folder = tmp_path_factory.mktemp(name)
        argv = command("run", "--report", str(folder), *arguments)
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT, check=False
        )
        return Finished(done.returncode, done.stdout, folder)

    return start


@pytest.fixture(scope="session", autouse=True)
def _lab_is_possible() -> None:
    """Without namespaces nothing here can run: a skip, but a failure in CI."""
    try:
        Lab.start().stop()
    except LabError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the embedded lab cannot run: {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def main_job(run: Run) -> Finished:
    """The main job, once for all tests that look at it."""
    return run(name="main")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A lab with the reference mesh, for many short runs through `--cluster current`."""
    with Lab.start() as running:
        environment = {**os.environ, "KUBECONFIG": str(running.kubeconfig)}
        subprocess.run(command("mesh", "install", "reference"), env=environment, check=True, timeout=TIMEOUT)
        yield running
