"""Trials on the model: what counts as a disagreement, and when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fuzz import report
from fuzz.cases import Case, PolicySet, Probe
from fuzz.scenery import Scenery
from fuzz.trial import Finding, Trial
from smi_conformance.judge.verdict import WitnessError
from smi_conformance.model.objects import Backend, HttpMatch, RouteGroup, Rule, ServiceAccountRef, Split, TrafficTarget
from smi_conformance.plugin.environment import Environment

Slow = Callable[[float], None]
GROUP = RouteGroup((HttpMatch("m1", path_regex="/a$", methods=("GET",), headers=(("x-a", "1"),)),))
TARGET = TrafficTarget(
    ServiceAccountRef("sa-s2", "a"), (ServiceAccountRef("sa-a", "a"),), (Rule("HTTPRouteGroup", "g1"),)
)
HEADERS = (("x-a", "1"),)
GRANTED = Probe("c-a", "s2", 8080, path="/a", headers=HEADERS)
CASE = Case(
    PolicySet((GROUP,), (), (TARGET,), Split("shop", (Backend("s2", 1), Backend("s3", 0)))),
    (
        GRANTED,
        Probe("c-a", "shop", 8080, path="/a", headers=HEADERS),
        Probe("c-a", "s2", 8080, path="/a"),
        Probe("c-z", "s2", 8080, path="/a", headers=HEADERS),
        Probe("outsider", "s2", 8080, path="/a", headers=HEADERS),
        Probe("c-a", "s2", 7000, protocol="tcp"),
    ),
)
CLOSED = Case(PolicySet((GROUP,)), CASE.probes)


def test_a_mesh_that_follows_agrees(trial: Trial) -> None:
    """One case after the other, whatever stood before."""
    assert [trial.judge(case) for case in (CASE, CLOSED, CASE)] == [None, None, None]
    assert trial.requests > 0


@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_a_slow_mesh_agrees_in_the_end(trial: Trial, delay: Slow, seconds: float) -> None:
    """As long as it is not slower than the deadline allows."""
    assert trial.judge(CLOSED) is None
    delay(seconds)
    assert trial.judge(CASE) is None
    assert trial.judge(CLOSED) is None


def test_a_mesh_that_is_too_slow_disagrees(trial: Trial, delay: Slow) -> None:
    """The pacemaker's own grant is what has not come."""
    assert trial.judge(CLOSED) is None
    delay(60.0)
    found = trial.judge(CASE)
    assert found is not None
    assert found.main.probe.is_pace
    assert found.main.kind in ("lost", "stray")


def _broken(trial: Trial, environment: Environment, monkeypatch: pytest.MonkeyPatch, *, admit: bool) -> Finding:
    """What is found of a mesh that admits everybody on /a, or nobody."""
    mesh = environment.backend.mesh  # type: ignore[union-attr]
    inner = mesh.admits
    monkeypatch.setattr(mesh, "admits", lambda *asked: admit if asked[1].path == "/a" else inner(*asked))
    trial.judge(CLOSED, 0.1)
    found = trial.judge(CASE)
    assert found is not None
    return found


def test_what_arrives_where_it_must_not_is_a_stray(
    trial: Trial, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told by the servers' logs, for every request that no reading admits."""
    found = _broken(trial, environment, monkeypatch, admit=True)
    assert {one.kind for one in found.look.disagreements} == {"stray"}
    assert {one.probe.client for one in found.look.disagreements} == {"c-a", "c-z", "outsider"}
    assert found.seconds >= 4


def test_what_arrives_nowhere_is_lost(trial: Trial, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the servers answer themselves."""
    found = _broken(trial, environment, monkeypatch, admit=False)
    assert {(one.kind, one.probe.service) for one in found.look.disagreements} == {("lost", "s2"), ("lost", "shop")}


def test_a_server_that_is_dead_says_nothing_of_the_mesh(
    trial: Trial, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a witness there is no verdict."""
    monkeypatch.setattr("fixtures.traffic.WITNESS", 0)
    monkeypatch.setattr(
        "fixtures.traffic.Client.vital_signs", lambda client, calls: client.send([calls[0].to.tcp(9)], 1)
    )
    with pytest.raises(WitnessError, match="does not answer itself"):
        _broken(trial, environment, monkeypatch, admit=False)


def test_counter_example_can_be_applied(
    trial: Trial, scenery: Scenery, environment: Environment, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Its manifests have no name of the run in them, and the text says what was got, what was wanted, and why."""
    found = _broken(trial, environment, monkeypatch, admit=True)
    report.write(found, scenery, folder, "smi-conformance fuzz --seed 1")
    objects = list(yaml.safe_load_all((folder / "policy.yaml").read_text()))
    cast = list(yaml.safe_load_all((folder.parent / "cast.yaml").read_text()))
    text = (folder / "README.md").read_text()

    assert {one["metadata"]["namespace"] for one in objects} == {"smi-fuzz-a"}
    assert {"g1", "t1", "split", "pace"} <= {one["metadata"]["name"] for one in objects}
    assert {one["metadata"]["name"] for one in cast if one["kind"] == "Service"} >= {"s2", "s2-tcp", "shop", "beat"}
    assert environment.run not in (folder / "policy.yaml").read_text() + (folder.parent / "cast.yaml").read_text()
    assert "t1 lists the client, and no rule fits: m1 of g1 wants header x-a: 1" in text
    assert "kubectl -n smi-fuzz-a exec deploy/c-a -c workload -- python3 -c" in text
    assert "want" in report.paragraph(found, scenery, folder)
