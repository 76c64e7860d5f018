"""The suite is right on the model: without a fault everything passes, and every fault fails its requirement.

By default one fault per requirement is tried; `--all-faults` tries each switch of the model.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from selftest.proof import model_runs
from selftest.proof.conftest import Run
from selftest.proof.model_runs import Result
from smi_conformance.cluster.model.switchboard import UNOBSERVABLE, faults
from smi_conformance.locations import REGISTER, SUITE
from smi_conformance.model.register import load_register

REGISTERED = load_register(REGISTER)


@pytest.fixture(scope="session", autouse=True)
def _lab_is_possible() -> None:
    """Nothing here needs a lab."""


def one_per_requirement() -> list[str]:
    """The first switch of each judged requirement."""
    return sorted({name.split("/")[0]: name for name in reversed(model_runs.wanted())}.values())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault" in metafunc.fixturenames:
        everything = metafunc.config.getoption("--all-faults")
        metafunc.parametrize("fault", model_runs.wanted() if everything else one_per_requirement())


def test_switches_are_faults_of_the_register() -> None:
    """No switch, and no excuse, but for what the register asks for."""
    for name in [*faults(), *UNOBSERVABLE]:
        REGISTERED.fault(name)


def test_every_fault_has_a_switch_or_a_reason() -> None:
    """Of every requirement that a scenario judges."""
    judged = model_runs.judged()
    asked = {f"{one.id}/{fault.id}" for one in REGISTERED.requirements if one.id in judged for fault in one.faults}
    both = faults().keys() & UNOBSERVABLE.keys()
    assert not both
    assert sorted(asked - faults().keys() - UNOBSERVABLE.keys()) == []


@pytest.mark.parametrize("posture", ["deny", "permissive"])
@pytest.mark.parametrize("api", ["stable", "all"])
def test_nothing_fails_without_a_fault(run: Run, api: str, posture: str) -> None:
    """The model meets every requirement, at every version, in both postures."""
    perfect = run("--cluster", "model", "--api", api, "--posture", posture, name="perfect")
    assert perfect.code == 0, perfect.output
    assert set(perfect.verdicts.values()) <= set(model_runs.PASSED)


def test_without_a_mesh_nothing_errs(run: Run) -> None:
    """The null control is judged to the end: what a cluster lacks without a mesh are failures and no errors."""
    null = run("--cluster", "model", "--mesh", "none", name="null")
    assert null.code == 1, null.output
    assert "error" not in null.verdicts.values()


def test_fault_is_caught(fault: str, caught: dict[str, Result]) -> None:
    """A mesh with this fault fails the requirement that the fault belongs to."""
    assert model_runs.verdict_of(caught[fault]) == "caught", caught[fault].reasons


@pytest.fixture(scope="session")
def caught(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """The results of all faults of this session, made by one process before the first of them is looked at."""
    calls = [item.callspec for item in request.session.items if hasattr(item, "callspec")]
    names = [str(call.params["fault"]) for call in calls if "fault" in call.params]
    folder = tmp_path_factory.mktemp("model-matrix")
    argv = [sys.executable, "-m", "selftest.proof.model_runs", "--out", str(folder), *names]
    subprocess.run(argv, check=False, cwd=SUITE, stdout=subprocess.DEVNULL)
    return {result.fault: result for result in model_runs.kept(folder)}


@pytest.mark.parametrize(("delay", "seed"), [("0.2", "1"), ("1", "2"), ("1", "3"), ("4", "4")])
def test_a_mesh_that_is_late_fails_nothing(run: Run, delay: str, seed: str) -> None:
    """Whatever reaches the mesh first or last, no verdict is drawn from what was in force before."""
    late = run("--cluster", "model", "--delay", delay, "--seed", seed, name="late")
    assert late.code == 0, late.wrong


def test_a_mesh_that_is_later_than_the_deadline_fails(run: Run) -> None:
    """A grant has to be in force within the deadline."""
    late = run("--cluster", "model", "--delay", "120", "--requirement", "TA-010", name="too-late")
    assert late.verdicts == {"TA-010": "fail"}, late.wrong
    assert "before the deadline" in late.wrong


STUCK = """
from smi_conformance.cluster.model.mesh import Mesh
from smi_conformance.cli import main

read = Mesh._read

def stuck(mesh):
    splits = [split.thing for split in read(mesh).splits]
    if any(one.service in [backend.service for backend in one.backends] for one in splits):
        mesh.stuck_at = read(mesh)
    return getattr(mesh, "stuck_at", None) or read(mesh)

Mesh._read = stuck
main()
"""


def test_a_mesh_that_is_stuck_is_named_and_judged_no_further(tmp_path: Path) -> None:
    """From the first split on that names its own root, this mesh follows no change: the scenario after it waits."""
    picked = [word for name in ("SP-080", "SP-088", "SP-090") for word in ("--requirement", name)]
    argv = [sys.executable, "-c", STUCK, "run", "--cluster", "model", "--report", str(tmp_path), *picked]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    rows = {row["requirement"]: row for row in json.loads((tmp_path / "report.json").read_text())["rows"]}

    assert done.returncode == 1, done.stdout + done.stderr
    assert rows["SP-090"]["verdict"] == "blocked"
    assert rows["SP-090"]["reason"] == "wedged by SP-088: since its scenario the mesh follows no change any more"
