"""Bad clusters: what the doctor finds, and how a run on one ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from selftest.contract import bad_clusters as bad
from selftest.contract.cluster import Cluster, eventually
from selftest.contract.conftest import KUBECONFIG
from smi_conformance.cluster.doctor import Finding, Question, checks
from smi_conformance.cluster.reaper import LABEL
from smi_conformance.cluster.workload import IMAGE, Workload
from smi_conformance.meshes import crds
from smi_conformance.meshes.profile import Profile

NO_IMAGE = "registry.invalid/none:1"
CLAIMS = {"access": "v1alpha3", "specs": "v1alpha4", "split": "v1alpha4"}
BROUGHT = {"trafficsplits.split.smi-spec.io": ("v1alpha4",)}
# What is wrong, the check that finds it, words of the finding.
CASES: dict[str, tuple[bad.Bad, str, str]] = {
    "half": (bad.missing_deployment, f"deployment {bad.HOME}/control-plane", "not there"),
    "version": (bad.unserved_version, "trafficsplits.split.smi-spec.io", "serves v1alpha2, not v1alpha4"),
    "converter": (bad.converted_elsewhere, "trafficsplits.split.smi-spec.io", "by a Service in namespace other-mesh"),
    "helm": (bad.annotated_elsewhere, "trafficsplits.split.smi-spec.io", "installed by Helm into namespace other-mesh"),
    "webhook": (bad.silent_webhook, "webhook nobody.doctor.example.com", "no endpoints"),
    "nodes": (bad.cordoned_nodes, "nodes", "is cordoned"),
    "apiservice": (bad.unreachable_api, "apiservice v1.doctor.example.com", "no namespace can be deleted"),
    "another run": (bad.another_run, "other runs", "run other is going on: smi-other-0a"),
}  # fmt: skip


def profile(**changed: Any) -> Profile:
    """A mesh that is a Deployment in a namespace, and the three definitions."""
    deployments = [f"{bad.HOME}/control-plane"]
    mesh = {
        "name": "mine", "title": "my mesh", "version": "1", "claims": CLAIMS, "crds": BROUGHT, "enforces_access": False,
        "namespaces": [bad.HOME, bad.HALF], "deployments": deployments, "deadlines": {"policy": 2, "split": 2},
    }  # fmt: skip
    return Profile.model_validate(mesh | changed)


@pytest.fixture(scope="module")
def mesh(cluster: Cluster) -> Iterator[None]:
    """The definitions, and a Deployment that passes for a control plane."""
    for definition in crds.stable():
        cluster.request("POST", bad.CRD, definition)
    for name in (bad.HOME, bad.HALF):
        cluster.core.create_namespace({"metadata": {"name": name}})
    cluster.apps.create_namespaced_deployment(bad.HOME, bad.deployment("control-plane"))
    eventually(lambda: cluster.apps.read_namespaced_deployment("control-plane", bad.HOME).status.available_replicas)
    yield
    for name in (bad.HOME, bad.HALF):
        cluster.core.delete_namespace(name)
    for definition in crds.stable():
        cluster.request("DELETE", f"{bad.CRD}/{definition['metadata']['name']}")


@pytest.fixture(autouse=True)
def _nothing_stays(cluster: Cluster, mesh: None) -> Iterator[None]:
    """Neither a run nor the doctor leaves a namespace."""
    yield
    eventually(lambda: not namespaces(cluster))


def namespaces(cluster: Cluster) -> list[str]:
    found = cluster.core.list_namespace(label_selector=LABEL).items
    return [namespace.metadata.name for namespace in found]


def kubeconfig() -> Path:
    return Path(os.environ[KUBECONFIG])


def changed_config(server: str = "", token: str = "") -> dict[str, Any]:
    """The kubeconfig under test with another server, or another user."""
    config: dict[str, Any] = yaml.safe_load(kubeconfig().read_text())
    cluster = config["clusters"][0]["cluster"]
    if authority := cluster.get("certificate-authority"):
        cluster["certificate-authority"] = str(kubeconfig().parent / authority)
    if server:
        cluster["server"] = server
    if token:
        config["users"][0]["user"] = {"token": token}
    return config


def doctor(
    mesh: Profile | None = None, config: Path | None = None, *, canary: bool = True, image: str = IMAGE
) -> dict[str, list[Finding]]:
    """Findings by their check."""
    found: dict[str, list[Finding]] = {}
    asked = Question(
        "current", mesh or profile(), ("deny",), config or kubeconfig(), None, canary, Workload(image=image)
    )
    for one in checks(asked):
        found.setdefault(one.check, []).append(one)
    return found


def run(folder: Path, mesh: Profile | None = None, config: Path | None = None, *more: str) -> subprocess.Popen[str]:
    """A run of one requirement, which this mesh fails."""
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump((mesh or profile()).model_dump(mode="json", exclude_defaults=True)))
    argv = [sys.executable, "-m", "smi_conformance.cli", "run", "--cluster", "current", "--mesh", str(file)]
    argv += [
        "--kubeconfig",
        str(config or kubeconfig()),
        "--report",
        str(folder / "r"),
        "--requirement",
        "SP-01*",
        *more,
    ]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_good_cluster_is_fine() -> None:
    """Nothing is found, and the canary has been looked at."""
    found = doctor()
    assert [one for few in found.values() for one in few if one.severity != "ok"] == []
    assert {"rights", "nodes", "clock", "canary", "DNS", "clock of the canary", "TrafficSplit"} <= found.keys()


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_found_and_no_run_begins(case: str, cluster: Cluster, tmp_path: Path) -> None:
    """The doctor names it with what mends it; a run says the same and ends with 3, with no verdict on the mesh."""
    make, check, words = CASES[case]
    if case == "apiservice" and not bad.aggregates(cluster):
        pytest.skip("this API server does not aggregate others")
    with make(cluster):
        few = doctor(canary=False)[check]
        assert any(one.severity == "problem" and words in one.found and one.remedy for one in few), few
        done = run(tmp_path)
        output, _ = done.communicate(timeout=150)
    assert done.returncode == 3, output
    assert f"{check}: " in output
    assert words in " ".join(output.split())
    assert not (tmp_path / "r" / "report.json").exists()


def test_a_control_plane_that_is_not_ready(cluster: Cluster) -> None:
    """It is there, and none of its pods is."""
    half = profile(deployments=[f"{bad.HALF}/control-plane"])
    with bad.unready_deployment(cluster):
        (one,) = doctor(half, canary=False)[f"deployment {bad.HALF}/control-plane"]
    assert (one.severity, one.found[:22]) == ("problem", "0 of 1 pods available:")


def test_a_claim_alone_is_judged_by_the_run(cluster: Cluster) -> None:
    """A profile that says nothing of what the mesh brings: the doctor tells it, and a run begins."""
    with bad.unserved_version(cluster):
        few = doctor(profile(crds={}), canary=False)["trafficsplits.split.smi-spec.io"]
    assert [(one.severity, one.stops) for one in few] == [("problem", False)]


def test_an_image_that_cannot_be_pulled(tmp_path: Path) -> None:
    """Told in the words of the kubelet, before the deadline of a pod; a run ends like that, too."""
    (one,) = doctor(image=NO_IMAGE)["canary"]
    assert one.severity == "problem"
    assert "ImagePullBackOff" in one.found
    assert NO_IMAGE in one.found
    done = run(tmp_path, None, None, "--workload-image", NO_IMAGE)
    output, _ = done.communicate(timeout=150)
    assert done.returncode == 3, output
    assert "canary: container workload: ImagePullBackOff" in " ".join(output.split())


def test_a_sidecar_that_does_not_come() -> None:
    """The mesh does not take pods in."""
    few = doctor(profile(onboarding={"sidecar": "proxy"}))["sidecar"]
    assert [(one.severity, "no proxy" in one.found) for one in few] == [("problem", True)]


def test_too_few_rights(cluster: Cluster, tmp_path: Path) -> None:
    """A ServiceAccount that may do nothing: the doctor says what it would need, a run does not begin."""
    poor = tmp_path / "poor"
    poor.write_text(yaml.safe_dump(changed_config(token=bad.token_of(cluster, bad.HOME))))
    if allows_all(poor):
        pytest.skip("this API server does not enforce RBAC")
    found = doctor(config=poor, canary=False)
    done = run(tmp_path, config=poor)
    output, _ = done.communicate(timeout=60)
    assert done.returncode == 3, output
    told = " ".join(one.found for few in found.values() for one in few)
    assert "create namespaces" in told
    assert "missing: " in output


def allows_all(config: Path) -> bool:
    return all(one.severity == "ok" for one in doctor(config=config, canary=False)["rights"])


def test_a_cluster_that_goes_away(cluster: Cluster, tmp_path: Path) -> None:
    """In mid-run: errors and no failure, an end soon after, what is left is named; it goes when the cluster is back."""
    place = urlsplit(changed_config()["clusters"][0]["cluster"]["server"])
    door = bad.Door(str(place.hostname), int(place.port or 443))
    through = tmp_path / "through"
    through.write_text(yaml.safe_dump(changed_config(server=f"https://127.0.0.1:{door.port}")))
    going = run(tmp_path, config=through)
    events = tmp_path / "r" / "events.jsonl"
    eventually(lambda: events.exists() and "scenario-started" in events.read_text())
    door.shut()
    began = time.monotonic()
    try:
        output, _ = going.communicate(timeout=150)
    finally:
        going.kill()
        door = door.opened_again()
    assert going.returncode == 3, output
    assert time.monotonic() - began < 120
    assert "what the run made is left" in " ".join(output.split())
    assert "kubectl delete namespace -l smi-conformance/run=" in " ".join(output.split())
    told = yaml.safe_load((tmp_path / "r" / "report.json").read_text())
    assert "error" in {row["verdict"] for row in told["rows"]}
    assert "fail" not in {row["verdict"] for row in told["rows"]}
    eventually(lambda: not namespaces(cluster))
    door.shut()
