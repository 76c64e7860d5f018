"""The main job: everything judged, passed, reported, and judged again from its observations."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from selftest.proof.conftest import Finished, Run
from selftest.proof.registered import by_default
from smi_conformance.locations import REGISTER, REPORT_SCHEMA
from smi_conformance.model.register import load_register
from smi_conformance.model.versions import BASELINE
from smi_conformance.plugin.catalogue import scenarios

REGISTERED = load_register(REGISTER)


def judged() -> set[str]:
    """Requirements with a scenario."""
    return {name for scenario in scenarios() for name in scenario.requirements}


def judged_by_default() -> set[str]:
    """Those of the stable versions where access is enforced: what a run without options is about."""
    return by_default(judged())


def passed(name: str) -> str:
    """The verdict on a mesh that meets a requirement, at the stable version."""
    return f"{_in_words(name)}pass"


def failed(name: str) -> str:
    """The verdict on a mesh that does not."""
    return f"{_in_words(name)}fail"


def _in_words(name: str) -> str:
    entry = REGISTERED.get(name)
    return "tentative-" if entry.tentative(BASELINE.get(entry.group, "")) else ""


def test_every_requirement_with_a_scenario_passes(main_job: Finished) -> None:
    """The reference mesh meets everything that is judged."""
    assert main_job.code == 0, main_job.wrong
    assert main_job.verdicts == {name: passed(name) for name in judged_by_default()}


def test_the_run_does_not_claim_more_than_it_showed(main_job: Finished) -> None:
    """SPLIT-HTTP needs a must of the permissive posture (SP-024), which was not looked at."""
    statements = {profile["name"]: profile["statement"] for profile in main_job.report["profiles"]}
    access = dict.fromkeys(("ACCESS-HTTP", "ACCESS-TCP", "ACCESS-UDP", "METRICS"), "conformant")
    assert statements == {**access, "SPLIT-HTTP": "undecided"}


def test_report_folder_is_complete(main_job: Finished) -> None:
    """report.json fits its schema; HTML, JUnit and Allure are there."""
    jsonschema.validate(main_job.report, json.loads(REPORT_SCHEMA.read_text()))
    assert (main_job.folder / "index.html").stat().st_size > 10_000
    assert list((main_job.folder / "allure-results").glob("*-result.json"))
    assert list((main_job.folder / "observations").glob("*.jsonl"))


def test_junit_names_the_requirements(main_job: Finished) -> None:
    """Every testcase has a property `requirement` for each id."""
    root = ElementTree.parse(main_job.folder / "junit.xml").getroot()  # noqa: S314 (our own file)
    named = [
        {p.get("value") for p in case.iterfind("properties/property[@name='requirement']")}
        for case in root.iter("testcase")
    ]
    assert all(named)
    assert set().union(*named) == judged_by_default()


def test_allure_knows_mesh_and_requirement(main_job: Finished) -> None:
    """Mesh, version and requirement are parameters of all that ran, so that two meshes never merge into one entry."""
    found = [json.loads(path.read_text()) for path in (main_job.folder / "allure-results").glob("*-result.json")]
    results = [result for result in found if result["status"] != "skipped"]
    assert len(results) > 200
    assert all({"mesh", "mesh version", "requirement"} <= {p["name"] for p in r["parameters"]} for r in results)


def test_no_secret_is_in_the_report(main_job: Finished) -> None:
    """Neither a bearer token nor a private key is in any file of the report."""
    for path in (p for p in main_job.folder.rglob("*") if p.is_file()):
        text = path.read_text(errors="replace")
        assert "eyJhbGciOi" not in text, path
        assert "PRIVATE KEY" not in text, path


def test_replay_gives_the_same_verdicts(main_job: Finished, run: Run) -> None:
    """A finished run, judged again from its observations alone."""
    again = run("--cluster", f"replay:{main_job.folder}")
    assert again.code == main_job.code, again.wrong
    assert again.verdicts == main_job.verdicts


@pytest.mark.parametrize(
    ("requirement", "change"),
    [("TA-021", "arrival of a denied request"), ("SP-010", "swapped counts")],
    ids=str,
)
def test_changed_evidence_changes_the_verdict(
    main_job: Finished, run: Run, tmp_path: Path, requirement: str, change: str
) -> None:
    """Replay judges what is recorded: with other evidence it comes to another verdict."""
    folder = tmp_path / "changed"
    shutil.copytree(main_job.folder, folder)
    edit = {"TA-021": _let_one_in, "SP-010": _swap}[requirement]
    for path in (folder / "observations").glob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        edit([line for line in lines if _belongs(line, requirement)])
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = run("--cluster", f"replay:{folder}", "--requirement", requirement)
    assert again.verdicts[requirement] == "fail", again.output
    assert again.code == 1


def _belongs(line: dict[str, Any], requirement: str) -> bool:
    scope = {
        "TA-021": "test_unlisted_source_is_denied[v1alpha3]",
        "SP-010": "test_requests_follow_weights[v1alpha4-(90, 10)]",
    }[requirement]
    return line["op"] == "observe" and str(line["scope"]).endswith(scope)


def _let_one_in(lines: list[dict[str, Any]]) -> None:
    """One request of the judged denial of c-z appears in the server's log."""
    judged_one = max(
        (line["result"] for line in lines if "c-z" in line["key"]),
        key=lambda seen: sum(map(len, seen["replies"])),
    )
    step, log = judged_one["plan"][0], next(iter(judged_one["servers"].values()))
    log["arrivals"] = [[log["span"][0], f"{step['id']}.0", "http", 8080, "GET", "/data", "10.0.0.1"]]
    log["span"][1] = max(log["span"][1], log["span"][0] + 1)


def _swap(lines: list[dict[str, Any]]) -> None:
    """The logs of the two backends change places from the moment the sample begins."""
    for line in lines[-3:]:
        servers = line["result"]["servers"]
        one, two = sorted(name for name in servers if "web-v1" in name or "web-v2" in name)
        servers[one], servers[two] = servers[two], servers[one]
