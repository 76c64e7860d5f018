"""The null control: without a mesh nothing passes but what the API server does, each by its own assertion."""

from __future__ import annotations

import pytest

from selftest.proof.conftest import Run
from selftest.proof.test_main_job import REGISTERED, failed, judged_by_default, passed

# What the CRDs that the suite brings for a cluster without a mesh are enough for.
SERVED = ("API-010", "API-012", "API-020", "API-021")
REFUSED = ("API-060", "API-062", "API-071", "API-072", "API-073", "API-080", "API-083", "API-087")
# Conversion needs two versions of a group; CRDs alone serve one.
ONE_VERSION = ("API-051", "API-052", "API-053")
# The null control claims the metrics API and has none: one requirement says so, and all others stand on it.
NO_API = "TM-010"
# A sample for the lab, where waiting takes its time: one in so many.
SAMPLE = 8


def expected(name: str, verdict: str) -> str:
    """The verdict on a cluster without a mesh. A `may` is told and not judged: it may be anything but an error."""
    if name in (*SERVED, *REFUSED):
        return passed(name)
    if name in ONE_VERSION:
        return "unsupported"
    if REGISTERED.get(name).group == "metrics":
        return failed(name) if name == NO_API else "blocked"
    if REGISTERED.get(name).level == "may":
        return verdict if verdict in ("skipped", passed(name), failed(name)) else "told"
    return failed(name)


@pytest.mark.parametrize("cluster", ["model", "embedded"])
def test_nothing_passes_without_a_mesh(run: Run, cluster: str) -> None:
    """CRDs only: every requirement fails by its own assertion, none is an error."""
    wanted = judged_by_default() if cluster == "model" else set(sorted(judged_by_default())[::SAMPLE])
    chosen = [word for name in sorted(wanted) for word in ("--requirement", name)]
    quickly = [word for name in ("policy", "split", "endpoints") for word in ("--deadline", f"{name}=2")]
    null = run("--cluster", cluster, "--mesh", "none", *chosen, *quickly, name="null")
    assert null.code == 1, null.output
    seen = {name: verdict for name, verdict in null.verdicts.items() if name in wanted}
    assert seen == {name: expected(name, seen[name]) for name in wanted}
    failures = [s for s in null.report["scenarios"] if s["verdict"].endswith("fail")]
    assert failures
    assert all("; want " in scenario["message"] for scenario in failures)
