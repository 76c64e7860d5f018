"""Reports of runs at several API versions, in both postures, and of runs whose time was over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from selftest.unit.report import sample
from selftest.unit.report.sample import finished, row_of
from smi_conformance.report import html, json_report, junit
from smi_conformance.report.build import build
from smi_conformance.report.document import Report, Row

API = {"access": ["v1alpha2", "v1alpha3"], "specs": ["v1alpha4"], "split": ["v1alpha4"]}
CLAIMS = {"access": ["v1alpha2", "v1alpha3"], "specs": ["v1alpha3", "v1alpha4"], "split": "v1alpha4"}
CRDS = [
    {"name": "traffictargets.access.smi-spec.io", "versions": ["v1alpha2", "v1alpha3"]},
    {"name": "httproutegroups.specs.smi-spec.io", "versions": ["v1alpha3", "v1alpha4"]},
]
PROFILE = {"ACCESS": frozenset({"access.http", "specs.http.path"})}
ONLY = ("TA-010", "TA-020", "TS-010")


def judged(name: str, version: str, verdict: str = "pass", **more: Any) -> sample.EventData:
    """A scenario of one requirement at one version."""
    event = finished(f"access/test_x.py::{name}[{version}]", "t", {name: verdict}, **more)
    event["requirements"][0].update(version=version, evidence_at=more.get("evidence_at"))
    return event


def report(*scenarios: sample.EventData, end: dict[str, Any] | None = None, **start: Any) -> Report:
    """The report of a run at two versions of access."""
    ended = {"event": "run-finished", "time": "t", "seconds": 1.0, "exit": 0, **(end or {})}
    mesh = sample.started()["mesh"] | {"claims": CLAIMS}
    begun = sample.started(**{"api": API, "mesh": mesh, **start})
    begun["cluster"]["crds"] = CRDS
    return build(sample.parsed([begun, *scenarios, ended]), sample.register(ONLY, PROFILE))


def rows(found: Report, name: str = "TA-010") -> dict[str, Row]:
    """The rows of a requirement by version."""
    return {row.version: row for row in found.rows if row.requirement == name}


def test_every_version_under_test_has_a_row() -> None:
    """Judged or not; of the others nothing is said."""
    found = rows(report(judged("TA-010", "v1alpha3")))
    assert {version: row.verdict for version, row in found.items()} == {"v1alpha2": "not-covered", "v1alpha3": "pass"}


def test_what_is_judged_at_some_versions_only_says_so() -> None:
    """No scenario is for the other one."""
    nodeid = judged("TA-010", "v1alpha3")["nodeid"]
    plan = {"nodeid": nodeid, "requirements": ["TA-010"], "versions": {"TA-010": "v1alpha3"}}
    found = rows(report({"event": "plan", "scenarios": [plan]}, judged("TA-010", "v1alpha3")))
    assert found["v1alpha2"].reason == "judged at other versions"


def test_a_light_check_names_the_version_of_the_full_evidence() -> None:
    """In the row, in the page and in the JSON; not where one of several scenarios gathered it in full."""
    light = judged("TA-010", "v1alpha2", evidence_at="v1alpha3")
    found = report(light, judged("TA-010", "v1alpha3"))
    assert {version: row.evidence_at for version, row in rows(found).items()} == {
        "v1alpha2": "v1alpha3",
        "v1alpha3": None,
    }
    assert "light check, full evidence at v1alpha3" in html.render(found)
    assert json.loads(json_report.render(found))["rows"][0]["evidence_at"] == "v1alpha3"
    full = judged("TA-010", "v1alpha2") | {"nodeid": "other"}
    assert rows(report(light, full))["v1alpha2"].evidence_at is None


def test_a_version_that_is_not_claimed_is_flagged() -> None:
    """It is judged all the same."""
    found = report(judged("TA-010", "v1alpha3"), mesh=sample.started()["mesh"] | {"claims": {"access": "v1alpha2"}})
    assert (rows(found)["v1alpha3"].claimed, rows(found)["v1alpha3"].verdict) == (False, "pass")
    assert "version not claimed" in html.render(found)


def test_a_planned_version_that_was_not_reached_is_not_run() -> None:
    """The other version of the same requirement keeps its verdict."""
    plan = [
        {"nodeid": one["nodeid"], "requirements": ["TA-010"], "versions": {"TA-010": version}}
        for version in API["access"]
        for one in [judged("TA-010", version)]
    ]
    event = {"event": "plan", "scenarios": plan}
    found = rows(report(event, judged("TA-010", "v1alpha3"), end={"interrupted": True}))
    assert {version: row.verdict for version, row in found.items()} == {"v1alpha2": "not-run", "v1alpha3": "pass"}


def test_the_plans_of_a_run_in_two_parts_are_one() -> None:
    """Workers first, then what is run alone."""
    plans = [
        {"event": "plan", "scenarios": [{"nodeid": name, "requirements": [name], "versions": {name: "v1alpha3"}}]}
        for name in ("TA-010", "TA-020")
    ]
    found = report(*plans, end={"interrupted": True})
    assert {rows(found, name)["v1alpha3"].verdict for name in ("TA-010", "TA-020")} == {"not-run"}


def test_a_profile_is_stated_at_each_version() -> None:
    """With the versions of the other groups that go with it, which have to be judged as well."""
    everything = [judged(name, "v1alpha3") for name in ("TA-010", "TA-020")] + [judged("TS-010", "v1alpha4")]
    everything += [judged(name, "v1alpha2") for name in ("TA-010", "TA-020")]
    older, stable = report(*everything).profiles
    assert older.versions == {"access": "v1alpha2", "specs": "v1alpha3"}
    assert (older.statement, older.reasons) == ("undecided", ("not judged in this run: TS-010",))
    assert stable.versions == {"access": "v1alpha3", "specs": "v1alpha4"}
    assert (stable.statement, stable.passed, stable.required) == ("conformant", 3, 3)


def test_a_profile_at_a_version_that_is_not_claimed_is_not_claimed() -> None:
    """Although the stable one is."""
    mesh = sample.started()["mesh"] | {"claims": {"access": "v1alpha3", "specs": "v1alpha4"}}
    older, stable = report(judged("TA-010", "v1alpha2", "fail"), mesh=mesh).profiles
    assert (older.statement, stable.statement) == ("not-claimed", "undecided")


def test_a_run_whose_time_was_over_is_not_complete() -> None:
    """The page says why."""
    found = report(judged("TA-010", "v1alpha3"), end={"stopped": "--max-time 5 was over, 1 of 2 scenarios were left"})
    assert not found.run.complete
    assert "ran out of time" in html.render(found)
    assert "--max-time 5 was over" in html.render(found)
    assert all("the run did not end" in profile.reasons for profile in found.profiles)


def test_both_postures_leave_no_requirement_of_the_other_one() -> None:
    """SP-024 asks for the permissive one."""
    ended = {"event": "run-finished", "time": "t", "seconds": 1.0, "exit": 0}
    data = sample.parsed([sample.started(posture="both"), ended])
    found = build(data, sample.register(("SP-024", "TA-010")))
    assert (found.scope.other_posture, {row.verdict for row in found.rows}) == (0, {"not-covered"})
    assert "in both postures" in html.render(found)


def test_junit_tells_the_version_of_each_requirement() -> None:
    """As a property."""
    text = junit.render(report(judged("TA-010", "v1alpha2")))
    assert 'value="TA-010 v1alpha2"' in text
    assert 'value="access=v1alpha2,v1alpha3 specs=v1alpha4 split=v1alpha4"' in text


def test_a_report_of_format_1_is_read() -> None:
    """There each group had one version."""
    body = json.loads(json_report.render(report(judged("TA-010", "v1alpha3"))))
    body["schema"] = 1
    body["run"]["api"] = {"access": "v1alpha3"}
    body["mesh"]["claims"] = {"access": "v1alpha3"}
    read = json_report.parse(json.dumps(body), "old")
    assert (read.run.api, read.mesh.claims) == ({"access": ("v1alpha3",)}, {"access": ("v1alpha3",)})


def reading(slug: str) -> dict[str, Any]:
    """Evidence that tells a reading."""
    return {"kind": "reading", "title": "t", "passed": True, "text": "", "numbers": {"reading": slug}}


@pytest.mark.parametrize("told", [["refused"], ["matches-none", "refused"]])
def test_a_requirement_of_level_may_shows_the_reading_of_the_mesh(told: list[str]) -> None:
    """In the order of the register, with its meaning; what the register does not name is left out."""
    evidence = [reading(slug) for slug in (*reversed(told), "unheard-of")]
    event = finished("api/test_x.py::a", "t", {"API-075": "tentative-pass"}, evidence=evidence)
    event["requirements"][0]["version"] = "v1alpha1"
    ended = {"event": "run-finished", "time": "t", "seconds": 1.0, "exit": 0}
    start = sample.started(api={"specs": "v1alpha1"})
    found = build(sample.parsed([start, event, ended]), sample.register(("API-075",)))
    row = row_of(found, "API-075")
    assert sorted(one.id for one in row.readings) == sorted(told)
    page = html.render(found)
    assert "reported" in page
    assert "the API refuses the object" in page
    assert json.loads(json_report.render(found))["rows"][0]["readings"][0]["id"] == "refused"


def test_requests_during_changes_are_told() -> None:
    """How many were sent, and how many of them got no answer or went astray."""
    numbers = {"outcomes": {"answer": 97, "reset": 3}, "misrouted": 2}
    told = {"kind": "told", "title": "c-a, sending steadily", "passed": True, "text": "", "numbers": numbers}
    change = [{"change": "split in force", "first_effect": 0.1, "stable": 0.2}]
    page = html.render(report(judged("TA-010", "v1alpha3", evidence=[told], propagation=change)))
    assert "Requests during changes" in page
    assert "<td>100</td><td>3</td><td>2</td>" in page


def test_an_unreleased_version_is_never_called_conformant() -> None:
    """Its verdicts are tentative, and what is settled in the groups that go with it is not enough."""
    everything = [judged(name, "v1alpha4", "tentative-pass") for name in ("TA-010", "TA-020")]
    everything += [judged("TS-010", "v1alpha4")]
    mesh = sample.started()["mesh"] | {"claims": {"access": "v1alpha4", "specs": "v1alpha4"}}
    api = {"access": ["v1alpha4"], "specs": ["v1alpha4"]}
    (found,) = report(*everything, mesh=mesh, api=api).profiles
    assert (found.statement, found.tentative, found.reasons) == ("undecided", 2, ("access v1alpha4 is not released",))


def test_a_profile_is_not_stated_where_nothing_of_its_own_is_in_force() -> None:
    """There is no UDP before access v1alpha3."""
    profile = {"ACCESS-UDP": frozenset({"access.api", "access.udp"})}
    data = sample.parsed([sample.started(api={"access": ["v1alpha2", "v1alpha3"], "specs": ["v1alpha4"]})])
    found = build(data, sample.register((), profile)).profiles
    assert [one.versions for one in found] == [{"access": "v1alpha3", "specs": "v1alpha4"}]
