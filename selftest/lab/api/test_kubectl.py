"""kubectl itself, where there is one: SMI_KUBECTL or on PATH."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from selftest.lab.api.conftest import Running

KUBECTL = os.environ.get("SMI_KUBECTL") or shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl: set SMI_KUBECTL")

MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "web:1", env: [{name: A, value: b}]}]}
"""


@pytest.fixture
def kubectl(running: Running, namespace: str, tmp_path: Path) -> Callable[..., str]:
    """Output of a command in the test's namespace."""
    kubeconfig = str(running.kubeconfig(tmp_path))
    environment = {**os.environ, "KUBECONFIG": kubeconfig, "HOME": str(tmp_path)}

    def run(*arguments: str, text: str = "") -> str:
        assert KUBECTL is not None
        command = [KUBECTL, "--namespace", namespace, *arguments]
        done = subprocess.run(
            command, env=environment, input=text, text=True, capture_output=True, timeout=20, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_life_of_a_deployment(kubectl: Callable[..., str]) -> None:
    assert "deployment.apps/web created" in kubectl("apply", "-f", "-", text=MANIFEST)
    assert "deployment.apps/web unchanged" in kubectl("apply", "-f", "-", text=MANIFEST)
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web")
    changed = MANIFEST.replace("value: b", "value: c")
    assert "deployment.apps/web configured" in kubectl("apply", "-f", "-", text=changed)
    kubectl("rollout", "restart", "deployment/web")
    kubectl("scale", "deployment/web", "--replicas=3")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web")
    assert "3/3" in kubectl("get", "deployments")
    assert "10.96." in kubectl("get", "services")
    assert "3 updated" in kubectl("describe", "deployment", "web")
    kubectl("delete", "-f", "-", text=MANIFEST)


def test_exec_and_logs(kubectl: Callable[..., str]) -> None:
    version = json.loads(kubectl("version", "-o", "json"))["clientVersion"]
    kubectl("apply", "-f", "-", text=MANIFEST)
    kubectl("rollout", "status", "deployment/web")

    assert "three" in kubectl("logs", "deployment/web", "--tail=1")
    if int(version["minor"].rstrip("+")) < 31:
        pytest.skip("this kubectl has no exec over websockets")
    assert kubectl("exec", "deployment/web", "--", "echo", "hello") == "hello"
    assert kubectl("exec", "-i", "deployment/web", "--", "cat", text="bye\n") == "bye\n"
