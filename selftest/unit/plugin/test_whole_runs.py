"""The plugin as a whole, run as a user runs it, on the cluster and mesh that are inside the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One command line of the product."""
    argv = [sys.executable, "-m", "smi_conformance.cli", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def report(folder: Path) -> dict[str, Any]:
    """The report.json of a folder."""
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def test_versions_and_postures_in_one_run(tmp_path: Path) -> None:
    """Each version has a row, the older one by a light check; each scenario its posture; all can be judged again."""
    wanted = ("--requirement", "TA-010", "--requirement", "SP-024", "--api", "access=v1alpha1,v1alpha3")
    done = run("run", "--cluster", "model", *wanted, "--posture", "both", "--report", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {(row["requirement"], row["version"]): row for row in report(tmp_path)["rows"] if row["scenarios"]}
    assert {key: (row["verdict"], row["evidence_at"]) for key, row in rows.items()} == {
        ("TA-010", "v1alpha1"): ("pass", "v1alpha3"),
        ("TA-010", "v1alpha3"): ("pass", None),
        ("SP-024", "v1alpha4"): ("pass", None),
    }
    scenarios = report(tmp_path)["scenarios"]
    postures = {one["requirements"][0]["id"]: one["posture"] for one in scenarios}
    assert postures == {"TA-010": "deny", "SP-024": "permissive"}
    older = next(one for one in scenarios if one["requirements"][0]["version"] == "v1alpha1")
    assert (older["light"], older["versions"]["access"], older["versions"]["specs"]) == (True, "v1alpha1", "v1alpha2")
    again = run("report", "verify", str(tmp_path))
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.endswith("all 3 verdicts are the same when judged again\n")


def test_a_run_that_has_no_time_is_finished_by_another(tmp_path: Path) -> None:
    """What was left is not run, which is not passed; then it is judged, and alone."""
    first, second = tmp_path / "first", tmp_path / "second"
    wanted = ("--requirement", "SP-010", "--requirement", "TA-010", "--max-time", "0.01")
    cut = run("run", "--cluster", "model", *wanted, "--report", str(first), "--json")
    assert cut.returncode == 1, cut.stderr
    assert {row["verdict"] for row in json.loads(cut.stdout)["rows"]} == {"not-run"}
    assert "--max-time 0.01 was over" in cut.stderr
    rest = run("run", "--rerun-failed", str(first), "--report", str(second), "--json", "--baseline", str(first))
    assert rest.returncode == 0, rest.stderr
    told = json.loads(rest.stdout)
    assert {(row["requirement"], row["verdict"]) for row in told["rows"]} == {("SP-010", "pass"), ("TA-010", "pass")}
    assert [change["worse"] for change in told["changes"]] == [False, False]


def test_a_selection_without_scenarios_says_so(tmp_path: Path) -> None:
    """Exit code 2: there was nothing to judge."""
    done = run("run", "--cluster", "model", "--requirement", "TA-130", "--report", str(tmp_path))
    assert done.returncode == 2
    assert "no scenario fits the selection" in done.stdout


def test_a_cluster_out_of_reach_is_one_line(tmp_path: Path) -> None:
    """Exit code 3, in the words of the other commands."""
    config = tmp_path / "config"
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {"token": "t"}}]
    config.write_text(
        json.dumps(
            {"kind": "Config", "clusters": [cluster], "contexts": [context], "current-context": "c", "users": users}
        )
    )
    done = run("run", "--cluster", "current", "--kubeconfig", str(config), "--report", str(tmp_path / "report"))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert done.stderr.startswith("smi-conformance: no API server answers at https://127.0.0.1:1")


@pytest.mark.parametrize(("slowdown", "code", "verdict"), [(3.0, 1, "fail"), (40.0, 3, "error")])
def test_a_failure_on_a_crowded_machine_is_an_error(tmp_path: Path, slowdown: float, code: int, verdict: str) -> None:
    """The same record: with a calm or busy machine a fault fails, with a crowded one nothing is said of the mesh."""
    first, second = tmp_path / "first", tmp_path / "second"
    fault = ("--requirement", "SP-010", "--fault", "SP-010/third-backend-dropped")
    assert run("run", "--cluster", "model", *fault, "--report", str(first)).returncode == 1
    for path in (first / "observations").glob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            if line["op"] == "observe":
                sent = [reply[5] for replies in line["result"]["replies"] for reply in replies]
                line["result"]["cpu"] = {line["result"]["client"]: [[min(sent), 0.5, slowdown]]}
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run("run", "--cluster", f"replay:{first}", *fault, "--report", str(second), "--json")
    assert done.returncode == code, done.stdout + done.stderr
    assert {row["verdict"] for row in json.loads(done.stdout)["rows"]} == {verdict}
    assert ("the machine was crowded" in (second / "report.json").read_text()) == (verdict == "error")
