"""A mesh without a metrics API: its Prometheus is judged by the scenarios of the API, and it passes nothing."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from selftest.proof.conftest import TIMEOUT, Finished, Run, command
from smi_conformance.locations import SUITE
from smi_conformance.meshes.profile import load

NUMBERS = {
    *("TM-033", "TM-034", "TM-035", "TM-036", "TM-039", "TM-040", "TM-041", "TM-052", "TM-054", "TM-056"),
    *("TM-059", "TM-060", "TM-061", "TM-063", "TM-070", "TM-073"),
}
"""What is about numbers alone; TM-074 needs a label for Services, which Open Service Mesh has not."""
MARK = "metrics API absent; numbers read from Prometheus osm-system/osm-prometheus:7070"
ALL = ("--cluster", "model", "--requirement", "TM-*")


@pytest.fixture
def mesh(tmp_path: Path) -> str:
    """The model with its faults, whose numbers are where Open Service Mesh has them."""
    folder = SUITE / "smi_conformance" / "meshes"
    model, osm = (yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("model", "osm"))
    del model["claims"]["metrics"]
    path = tmp_path / "numbers.yaml"
    path.write_text(yaml.safe_dump({**model, "metrics": osm["metrics"]}, sort_keys=False))
    assert load(str(path)).prometheus
    return str(path)


def rows(finished: Finished) -> dict[str, dict[str, Any]]:
    """The rows of metrics that were judged, by requirement."""
    return {row["requirement"]: row for row in finished.report["rows"] if row["scenarios"]}


def test_right_numbers_pass_nothing(run: Run, mesh: str) -> None:
    """What is about numbers is judged and marked, all else is unsupported; and it is judged again without a cluster."""
    done = run(*ALL, "--mesh", mesh)
    assert done.code == 0, done.wrong
    found = rows(done)
    assert {name for name, row in found.items() if row["adapter"] == MARK} == NUMBERS
    assert Counter(row["verdict"] for row in found.values()) == {"tentative-pass": 16, "unsupported": 38}
    assert {row["verdict"] for name, row in found.items() if name in NUMBERS} == {"tentative-pass"}
    assert MARK in found["TM-010"]["reason"]
    assert f"{MARK}: 16 requirements judged by adapter, which no mesh passes" in " ".join(done.output.split())
    again = subprocess.run(
        command("report", "verify", str(done.folder)), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert again.stdout.endswith("all 54 verdicts are the same when judged again\n"), again.stdout


@pytest.mark.parametrize("fault", ["TM-035/counted-twice", "TM-052/directions-reversed", "TM-073/percentiles-summed"])
def test_wrong_numbers_fail_and_are_marked(run: Run, mesh: str, fault: str) -> None:
    """By assertion, as by the API."""
    name = fault.partition("/")[0]
    done = run("--cluster", "model", "--mesh", mesh, "--fault", fault, "--requirement", name)
    row = rows(done)[name]
    assert (done.code, row["verdict"], row["adapter"]) == (1, "fail", MARK)


@pytest.mark.parametrize(
    ("switch", "code", "verdict", "told"),
    [
        ("prometheus-down", 3, "error", "no answer of a Prometheus, but 503 no endpoints available"),
        ("prometheus-page", 3, "error", "no answer of a Prometheus, but 200 <!doctype html>"),
        ("prometheus-nan", 1, "fail", "'NaN' is no quantity"),
    ],
)
def test_odd_answers(tmp_path: Path, mesh: str, switch: str, code: int, verdict: str, told: str) -> None:
    """What is no Prometheus is held against nobody; what it tells is judged."""
    argv = command("run", "--cluster", "model", "--mesh", mesh, module="selftest.proof.odd_metrics")
    argv += ["--fault", f"PLANTED/{switch}", "--requirement", "TM-036", "--report", str(tmp_path / "report")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    (row,) = rows(Finished(done.returncode, done.stdout, tmp_path / "report")).values()
    assert (done.returncode, row["verdict"]) == (code, verdict), done.stdout
    assert told in row["reason"]
    assert "Traceback" not in done.stdout + done.stderr


def test_smi_metrics_passes_nothing_either(run: Run) -> None:
    """It serves the API for another: all is judged, also the API itself, and none of it passes."""
    done = run(*ALL, "--mesh", "linkerd")
    assert done.code == 0, done.wrong
    judged = [row for row in rows(done).values() if row["verdict"] != "unsupported"]
    assert {row["verdict"] for row in judged} == {"tentative-pass"}
    assert {row["adapter"] for row in judged} == {"metrics API of the mesh absent; answered by smi-metrics v0.2.2"}
    assert {"TM-010", "TM-035", "TM-091"} <= {row["requirement"] for row in judged}
