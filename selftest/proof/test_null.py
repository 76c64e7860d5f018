"""The null control: without a mesh nothing passes, and each requirement fails by its own assertion."""

from __future__ import annotations

from selftest.proof.conftest import Run
from selftest.proof.test_main_job import judged


def test_nothing_passes_without_a_mesh(run: Run) -> None:
    """CRDs only: every requirement that is judged fails, none is an error."""
    null = run("--mesh", "none", name="null")
    assert null.code == 1, null.output
    assert null.verdicts == dict.fromkeys(judged(), "fail")
    failed = [s for s in null.report["scenarios"] if s["verdict"] == "fail"]
    assert all("; want " in scenario["message"] for scenario in failed)
