"""The doctor's checks on an API server of a few objects. On real ones: selftest/contract/test_doctor.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from smi_conformance.cluster import doctor
from smi_conformance.cluster.doctor import mesh, serving, surroundings
from smi_conformance.cluster.doctor.findings import Finding, Found, Patient
from smi_conformance.cluster.port import ClusterError
from smi_conformance.cluster.reaper import ALIVE, LABEL
from smi_conformance.meshes.profile import Profile

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
CLAIMS = {"access": "v1alpha3", "specs": "v1alpha4", "split": "v1alpha4"}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HOOKS = "/apis/admissionregistration.k8s.io/v1"


class Server(Patient):
    """Answers from a table of paths; everything else does not exist."""

    def request(self, method: str, path: str, body: Any = None, **asked: Any) -> Any:
        table: dict[str, Any] = vars(self)["table"]
        if path not in table:
            raise ApiException(status=404, reason="Not Found")
        if isinstance(table[path], Exception):
            raise table[path]
        headers = {"Date": format_datetime(NOW, usegmt=True)}
        return SimpleNamespace(data=json.dumps(table[path]), headers=headers, status=200)


def server(table: dict[str, Any], **profile: Any) -> Server:
    told = {"name": "mine", "title": "my mesh", "version": "1", "claims": CLAIMS, "namespaces": ["mine"], **profile}
    made = Server(client.ApiClient(client.Configuration(host="https://nowhere")), Profile.model_validate(told), "abcde")
    vars(made)["table"] = table
    return made


def told(found: Found) -> list[tuple[str, str]]:
    return [(one.severity, f"{one.check}: {one.found}") for one in found]


def crd(group: str, *versions: str, **meta: Any) -> dict[str, Any]:
    spec = {"group": group, "versions": [{"name": name, "served": True} for name in versions], **meta.pop("spec", {})}
    return {"metadata": {"name": f"trafficsplits.{group}", **meta}, "spec": spec}


@pytest.mark.parametrize(
    ("meta", "severity", "words"),
    [
        ({}, "ok", "serves v1alpha4; preferred is v1alpha4"),
        ({"labels": {"app.kubernetes.io/part-of": "other"}}, "warning", "labelled as of other, not of mine"),
        ({"labels": {"app.kubernetes.io/name": "mine-core"}}, "ok", "serves v1alpha4"),
        ({"annotations": {"meta.helm.sh/release-namespace": "mine"}}, "ok", "serves v1alpha4"),
        (
            {"annotations": {"meta.helm.sh/release-namespace": "other"}},
            "problem",
            "installed by Helm into namespace other",
        ),
    ],
)
def test_whose_a_definition_is(meta: dict[str, Any], severity: str, words: str) -> None:
    """By what its installer wrote on it."""
    group = "split.smi-spec.io"
    table = {
        DEFINITIONS: {"items": [crd(group, "v1alpha4", **meta)]},
        f"/apis/{group}": {"preferredVersion": {"version": "v1alpha4"}},
    }
    found = [one for one in serving.resources(server(table)) if one.check.startswith("trafficsplits")]
    assert found[0].severity == severity
    assert words in found[0].found


def test_a_group_that_nobody_claims_is_no_problem() -> None:
    """The mesh does splits only."""
    found = told(serving.resources(server({DEFINITIONS: {"items": []}}, claims={"split": "v1alpha4"})))
    assert [severity for severity, _ in found] == ["warning", "warning", "problem"]


def webhook(**changed: Any) -> dict[str, Any]:
    rule = {"apiGroups": [""], "resources": ["pods"], **changed.pop("rule", {})}
    service = {"namespace": "mine", "name": "hook"}
    return {"name": "h.example.com", "clientConfig": {"service": service}, "rules": [rule], **changed}


@pytest.mark.parametrize(
    ("hook", "addresses", "expected"),
    [
        (webhook(), True, [("ok", "webhook h.example.com: its Service has endpoints")]),
        (webhook(), False, [("problem", "webhook h.example.com: Service mine/hook has no endpoints, and what")]),
        (
            webhook(failurePolicy="Ignore"),
            False,
            [("warning", "webhook h.example.com: Service mine/hook has no endpoi")],
        ),
        (webhook(clientConfig={"url": "https://x"}), False, [("ok", "webhook h.example.com: outside of the cluster")]),
        (webhook(rule={"resources": ["nodes"]}), False, [("ok", "webhooks: none for what a run makes")]),
        (webhook(rule={"apiGroups": ["*"], "resources": ["*"]}), True, [("ok", "webhook h.example.com: its Service")]),
    ],
)
def test_webhooks(hook: dict[str, Any], addresses: bool, expected: list[tuple[str, str]]) -> None:
    """Those for what a run makes have to have somebody behind them, or to let pass."""
    table = {
        f"{HOOKS}/mutatingwebhookconfigurations": {"items": [{"metadata": {"name": "c"}, "webhooks": [hook]}]},
        "/api/v1/namespaces/mine/services/hook": {},
        "/api/v1/namespaces/mine/endpoints/hook": {"subsets": [{"addresses": [{}]}] if addresses else []},
    }
    found = told(mesh.webhooks(server(table)))
    assert [
        (severity, text[: len(words)]) for (severity, text), (_, words) in zip(found, expected, strict=True)
    ] == expected


def space(run: str, age: float, *, seen: float | None = None, phase: str = "Active") -> dict[str, Any]:
    marks = {} if seen is None else {ALIVE: (NOW - timedelta(seconds=seen)).isoformat()}
    created = (NOW - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    meta = {"name": f"smi-{run}-0a", "labels": {LABEL: run}, "annotations": marks, "creationTimestamp": created}
    return {"metadata": meta, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (space("abcde", 5), ("ok", "other runs: no namespaces of any")),
        (space("other", 5), ("problem", "other runs: run other is going on: smi-other-0a")),
        (space("other", 900, seen=15), ("problem", "other runs: run other is going on: smi-other-0a")),
        (space("other", 900, seen=300), ("warning", "other runs: left of run other: smi-other-0a")),
        (space("other", 900), ("warning", "other runs: left of run other: smi-other-0a")),
        (
            space("other", 5, phase="Terminating"),
            ("warning", "other runs: namespaces of run other are being deleted: s"),
        ),
    ],
)
def test_other_runs(one: dict[str, Any], expected: tuple[str, str]) -> None:
    """One that goes on is told from what is left of one, by the API server's clock."""
    ((severity, text),) = told(surroundings.runs(server({"/api/v1/namespaces": {"items": [one]}})))
    assert (severity, text[: len(expected[1])]) == expected


@pytest.mark.parametrize(("seconds", "severity"), [(0.0, "ok"), (4.9, "ok"), (6.0, "warning"), (61.0, "problem")])
def test_clocks(seconds: float, severity: str) -> None:
    """A few seconds are told, a minute spoils certificates."""
    assert surroundings.apart("clock", "the canary", seconds).severity == severity


def test_postures() -> None:
    """In force, to be set, not there, not told."""
    setting = {
        "api_version": "v1",
        "kind": "ConfigMap",
        "namespace": "mine",
        "name": "c",
        "patch": {"data": {"p": "deny"}},
    }
    path, asked = "/api/v1/namespaces/mine/configmaps/c", {"postures": {"deny": [setting]}}
    assert told(mesh.posture(server({path: {"data": {"p": "deny", "q": "x"}}}, **asked))) == [
        ("ok", "posture deny: in force")
    ]
    (other,) = told(mesh.posture(server({path: {"data": {"p": "permissive"}}}, **asked)))
    assert other == ("ok", "posture deny: a run sets it in ConfigMap c")
    assert next(iter(mesh.posture(server({}, **asked)))).severity == "problem"
    assert next(iter(mesh.posture(server({})))).severity == "warning"


def test_what_cannot_be_read_is_told_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check without the right to look leaves the others their turn."""
    table = {f"{HOOKS}/mutatingwebhookconfigurations": ApiException(status=403, reason="Forbidden")}
    monkeypatch.setattr(doctor, "LOOKS", (mesh.webhooks, mesh.posture))
    found = list(doctor._looked(server(table, enforces_access=False)))
    assert [one.severity for one in found] == ["warning", "ok"]
    assert found[0].found == "not looked at: 403 Forbidden"


def test_a_run_is_stopped_by_all_that_was_found() -> None:
    """In one text, each with what mends it; not by what the run judges itself."""
    found = [
        Finding("a", "problem", "x is off", "mend x"), Finding("b", "warning", "y", "z"),
        Finding("c", "problem", "z is off", "mend z"), Finding("d", "problem", "claims", "", judged=True),
    ]  # fmt: skip
    with pytest.raises(ClusterError) as caught:
        doctor._stop_at(found)
    assert str(caught.value) == "a: x is off (to mend it: mend x); c: z is off (to mend it: mend z)"
    doctor._stop_at(found[3:])
