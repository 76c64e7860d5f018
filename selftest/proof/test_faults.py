"""Every fault switch is caught by the scenario of its requirement, by assertion.

By default one fault per requirement is tried (CI); `--all-faults` tries each switch of the reference mesh.
"""

from __future__ import annotations

import os

import pytest

from selftest.proof.conftest import Run
from selftest.proof.test_main_job import judged
from smi_conformance.lab.cluster import Lab
from smi_conformance.lab.mesh.faults import FAULTS
from smi_conformance.locations import REGISTER
from smi_conformance.model.register import load_register

# A leak of one per cent is certain to be seen only with the attempts of the highest rigor.
NEEDS_CERTIFY = ("leak-one-percent", "one-percent-to-zero")


def switches() -> list[str]:
    """Fault switches of requirements that a scenario judges."""
    ids = judged()
    return sorted(name for name in FAULTS if name.split("/")[0] in ids)


def one_per_requirement() -> list[str]:
    """The first switch of each requirement."""
    return list({name.split("/")[0]: name for name in reversed(switches())}.values())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault" in metafunc.fixturenames:
        everything = metafunc.config.getoption("--all-faults")
        metafunc.parametrize("fault", switches() if everything else one_per_requirement())


def test_every_judged_requirement_has_a_switch() -> None:
    """A requirement counts only when a fault of it can be switched on."""
    assert {name.split("/")[0] for name in switches()} == judged()


def test_switches_are_faults_of_the_register() -> None:
    """No switch but those that the register asks for."""
    register = load_register(REGISTER)
    for name in FAULTS:
        register.fault(name)


def test_fault_is_caught(run: Run, lab: Lab, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mesh with this fault fails the requirement that the fault belongs to."""
    monkeypatch.setitem(os.environ, "KUBECONFIG", str(lab.kubeconfig))
    requirement, slug = fault.split("/")
    rigor = "certify" if slug in NEEDS_CERTIFY else "standard"
    broken = run(
        "--cluster", "current", "--fault", fault, "--requirement", requirement, "--rigor", rigor,
        "--deadline", "policy=4", "--deadline", "split=4", name="fault",
    )  # fmt: skip
    assert broken.verdicts == {requirement: "fail"}, broken.output
    assert broken.code == 1
