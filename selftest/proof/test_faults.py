"""Every fault switch is caught by the scenario of its requirement, by assertion.

By default a sample of one fault for every second requirement is tried (CI); `--all-faults` tries each switch of the
reference mesh.
"""

from __future__ import annotations

import os
import sys

import pytest

from selftest.proof.conftest import Run
from selftest.proof.test_main_job import failed, judged, passed
from smi_conformance.lab.cluster import Lab
from smi_conformance.lab.mesh.faults import FAULTS
from smi_conformance.lab.mesh.switchboard import versions_of
from smi_conformance.locations import REGISTER, SUITE
from smi_conformance.meshes.profile import load
from smi_conformance.model.register import load_register
from smi_conformance.model.versions import JUDGED, best

PAGE = """# Faults, and what catches them

The reference mesh can be broken in {switches} ways, each of them a fault that the register lists. `tox -e faults`
switches on one after the other in the embedded lab and runs the scenarios of its requirement: the requirement has to
fail by assertion. {survivors} CI tries one of every second requirement. Every other fault of the register is a
switch of the [model](model.md), or stands there with the reason why no traffic can show it.

    smi-conformance run --fault TA-050/last-policy-wins --requirement TA-050

| fault | what it does | |
| --- | --- | --- |
{rows}

What else these fail is not looked at in the lab. Of the switches of the model it is: [matrix](proof/matrix.md).
"""

# A leak of one per cent is certain to be seen only with the attempts of the highest rigor.
NEEDS_CERTIFY = ("leak-one-percent", "one-percent-to-zero")

# Faults that no scenario of this version can see, and why. Each is seen to survive: once it is caught, its line goes.
SURVIVORS: dict[str, str] = {}


def switches() -> list[str]:
    """Fault switches of requirements that a scenario judges, of features that the mesh claims."""
    ids, register, features = judged(), load_register(REGISTER), load("reference").features
    claimed = {key for key, feature in features.items() if feature.claim != "none"}
    return sorted(n for n in FAULTS if n.split("/")[0] in ids and register.fault(n)[0].feature in claimed)


def sample() -> list[str]:
    """The first switch of every second requirement; of metrics that of every twentieth, each waits out windows."""
    seen = [name for name in switches() if name not in SURVIVORS]
    firsts = sorted({name.split("/")[0]: name for name in reversed(seen)}.values())
    measured = [name for name in firsts if name.startswith("TM-")]
    return [name for name in firsts if name not in measured][::2] + measured[::20]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault" in metafunc.fixturenames:
        everything = metafunc.config.getoption("--all-faults")
        metafunc.parametrize("fault", switches() if everything else sample())


def test_switches_are_faults_of_the_register() -> None:
    """No switch but those that the register asks for."""
    register = load_register(REGISTER)
    for name in FAULTS:
        register.fault(name)


def page() -> str:
    """docs/faults.md: every switch, what it breaks, and what catches it."""
    lines, known = [], switches()
    for name in known:
        requirement = name.split("/")[0]
        caught = SURVIVORS.get(name) and f"**survives**: {SURVIVORS[name]}"
        rigor = " at `--rigor certify`" if name.split("/")[1] in NEEDS_CERTIFY else ""
        lines.append(f"| `{name}` | {FAULTS[name]} | {caught or f'{requirement} fails{rigor}'} |")
    survivors = f"{len(SURVIVORS)} survive, for a reason that is told." if SURVIVORS else "None survives."
    return PAGE.format(switches=len(known), survivors=survivors, rows="\n".join(lines))


def test_page_is_up_to_date() -> None:
    """`python -m selftest.proof.test_faults > docs/faults.md` writes it."""
    assert (SUITE / "docs" / "faults.md").read_text() == page()


def api_of(fault: str) -> str:
    """The API version at which a fault shows: the stable one, unless fault or requirement are about others only."""
    entry, _ = load_register(REGISTER).fault(fault)
    if entry.group not in JUDGED:  # there is but one version
        return "stable"
    at = versions_of(fault) or entry.versions
    return f"{entry.group}={best(entry.group, at)}"


def test_fault_is_caught(run: Run, lab: Lab, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mesh with this fault fails the requirement that the fault belongs to."""
    monkeypatch.setitem(os.environ, "KUBECONFIG", str(lab.kubeconfig))
    requirement, slug = fault.split("/")
    rigor = "certify" if slug in NEEDS_CERTIFY else "standard"
    broken = run(
        "--cluster", "current", "--fault", fault, "--requirement", requirement, "--rigor", rigor,
        "--api", api_of(fault), "--deadline", "policy=4", "--deadline", "split=4", name="fault",
    )  # fmt: skip
    survives = fault in SURVIVORS
    verdict = (passed if survives else failed)(requirement)
    assert broken.verdicts == {requirement: verdict}, broken.output
    assert broken.code == (1 if verdict == "fail" else 0)


if __name__ == "__main__":
    sys.stdout.write(page())
