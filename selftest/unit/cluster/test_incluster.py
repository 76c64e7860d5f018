"""The suite as a Job: the objects of the manifests, and what the Job's container does."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from kubernetes import client

from smi_conformance.cli import incluster as command
from smi_conformance.cluster import incluster
from smi_conformance.cluster.incluster import InCluster
from smi_conformance.cluster.port import ClusterError

API = client.ApiClient(client.Configuration(host="https://nowhere"))


def kinds(objects: list[dict[str, Any]]) -> list[str]:
    return [f"{one['kind']} {one['metadata']['name']}" for one in objects]


def test_what_is_applied(tmp_path: Path) -> None:
    """The manifests as they stand, with image, options and files; the Job last, for it needs all the others."""
    (tmp_path / "mesh.yaml").write_text("name: mine")
    made = incluster.manifests("registry.example/suite:1", ["--mesh", "/files/mesh.yaml"], [tmp_path / "mesh.yaml"])
    assert kinds(made)[-2:] == ["Secret files", "Job suite"]
    assert base64.b64decode(made[-2]["data"]["mesh.yaml"]) == b"name: mine"
    pod = made[-1]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "registry.example/suite:1"
    assert container["args"] == ["in-cluster", "job", "--", "--mesh", "/files/mesh.yaml"]
    roles = {one["metadata"]["name"] for one in made if one["kind"] == "ClusterRole"}
    bound = {one["roleRef"]["name"] for one in made if one["kind"] == "ClusterRoleBinding"}
    assert bound <= roles
    assert pod["serviceAccountName"] in {one["metadata"]["name"] for one in made if one["kind"] == "ServiceAccount"}


def test_the_job_satisfies_pod_security_restricted() -> None:
    """Which its own namespace enforces."""
    *_, job = incluster.manifests("suite:1", ())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert job["spec"]["backoffLimit"] == 0


def test_render_is_what_run_applies(capsys: pytest.CaptureFixture[str]) -> None:
    """For kubectl apply."""
    command.render(["--mesh", "none"], image="suite:1")
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == incluster.manifests("suite:1", ["--mesh", "none"])


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Let a program stand in for the suite inside the container."""
    before = signal.getsignal(signal.SIGTERM)

    def stand_in(text: str) -> None:
        program = tmp_path / "suite"
        program.write_text(f"#!{sys.executable}\nimport sys, pathlib\n{text}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    yield stand_in
    signal.signal(signal.SIGTERM, before)


def test_the_container_packs_the_report_and_waits(suite: Callable[[str], None], tmp_path: Path) -> None:
    """Until the report is fetched; it ends with the code of the run."""
    suite(
        "folder = pathlib.Path(sys.argv[sys.argv.index('--report') + 1]); folder.mkdir(parents=True)\n"
        "(folder / 'args').write_text(' '.join(sys.argv[4:])); sys.exit(1)"
    )
    result, begun = tmp_path / "result.json", time.monotonic()

    def fetch() -> None:
        _until(result.exists)
        time.sleep(1)
        (tmp_path / "fetched").touch()

    fetching = threading.Thread(target=fetch)
    fetching.start()
    assert _job(tmp_path, ["--mesh", "none"]) == 1
    assert time.monotonic() - begun > 1
    fetching.join()
    told = json.loads(result.read_text())
    content = (tmp_path / "report.tar.gz").read_bytes()
    assert told == {"exit": 1, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with tarfile.open(tmp_path / "report.tar.gz") as packed:
        inside = packed.extractfile("report/args")
        assert inside
        assert inside.read().decode().endswith("--mesh none")


def test_a_run_that_cannot_begin_has_a_result_all_the_same(suite: Callable[[str], None], tmp_path: Path) -> None:
    """Without a report: its code says why."""
    suite("sys.exit(2)")
    assert _job(tmp_path, [], hold=0.0) == 2
    assert json.loads((tmp_path / "result.json").read_text())["exit"] == 2


def test_a_job_that_is_deleted_ends_its_run_and_waits_for_nobody(suite: Callable[[str], None], tmp_path: Path) -> None:
    """The run is told, so that it can remove its namespaces."""
    started = tmp_path / "started"
    suite(
        "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(130))\n"
        f"pathlib.Path({str(started)!r}).touch(); time.sleep(60)"
    )

    def delete() -> None:
        _until(started.exists)
        os.kill(os.getpid(), signal.SIGTERM)

    deleting = threading.Thread(target=delete)
    deleting.start()
    assert _job(tmp_path, []) == 130
    deleting.join()


def _job(folder: Path, words: list[str], hold: float = 60.0) -> int:
    return command.job(words, folder=folder, hold=hold)


def pod(phase: str, waiting: str | None = None) -> Any:
    state = SimpleNamespace(waiting=SimpleNamespace(reason=waiting, message="no such image") if waiting else None)
    status = SimpleNamespace(phase=phase, conditions=[], container_statuses=[SimpleNamespace(state=state)])
    return SimpleNamespace(metadata=SimpleNamespace(name="suite-x"), status=status)


@pytest.mark.parametrize(
    ("pods", "told"),
    [
        ([], "in vain for the report: there is no pod"),
        ([pod("Pending", "ErrImagePull")], r"Pending \(ErrImagePull: no such image\)"),
        ([pod("Failed")], "the suite's pod has ended: Failed; kubectl -n smi-conformance logs"),
    ],
)
def test_a_report_that_does_not_come(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pods: list[Any], told: str
) -> None:
    """Why, in one line."""
    monkeypatch.setattr(InCluster, "_pods", lambda _: pods)
    with pytest.raises(ClusterError, match=told):
        InCluster(API).fetch(tmp_path / "r.tar.gz", patience=0.2)


def test_a_report_that_came_incomplete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Is not written."""
    told = json.dumps({"exit": 0, "size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}).encode()
    answers = iter([told, b"ab"])
    monkeypatch.setattr(InCluster, "_pod", lambda *_, **__: "suite-x")
    monkeypatch.setattr(InCluster, "_output", lambda *_: next(answers))
    with pytest.raises(ClusterError, match="2 of 3 bytes; fetch it again"):
        InCluster(API).fetch(tmp_path / "r.tar.gz", patience=1)
    assert not (tmp_path / "r.tar.gz").exists()


def _until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
