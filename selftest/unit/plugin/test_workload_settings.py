"""`--workload FILE`: what a user may say of the workload's pods, and what is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures import workload as manifests
from fixtures.parts import Part
from smi_conformance.cluster.workload import Workload, WorkloadError, load

FILE = """
image: registry.example/python:3
user: null
pull_secret: config.json
tolerations: [{key: dedicated, operator: Exists}]
node_selector: {pool: test}
resources: {limits: {memory: 256Mi}}
"""


def pod(workload: Workload) -> dict[str, Any]:
    """The pod that a Deployment makes."""
    made: dict[str, Any] = manifests.deployment(Part("c", "sa"), "ns", {}, {}, workload)["spec"]["template"]["spec"]
    return made


def test_the_default_satisfies_pod_security_restricted() -> None:
    """As the standard lists it: no root, no privilege, no capability, the runtime's seccomp profile."""
    (container,) = pod(Workload())["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65534,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["image"] == "python:3-slim"
    assert container["resources"]["requests"]
    assert not {"imagePullSecrets", "tolerations", "nodeSelector", "hostNetwork"} & set(pod(Workload()))


def test_what_a_file_says(tmp_path: Path) -> None:
    """Every setting reaches the pods; the pull secret's path starts at the file."""
    (tmp_path / "config.json").write_text('{"auths": {}}')
    (tmp_path / "w.yaml").write_text(FILE)
    workload = load(tmp_path / "w.yaml", None)
    made = pod(workload)
    (container,) = made["containers"]
    assert (container["image"], container["resources"]) == ("registry.example/python:3", workload.resources)
    assert "runAsUser" not in container["securityContext"]
    assert made["imagePullSecrets"] == [{"name": "smi-pull-secret"}]
    assert (made["tolerations"], made["nodeSelector"]) == (workload.tolerations, {"pool": "test"})
    secret = workload.secret("ns")
    assert json.loads(secret["stringData"][".dockerconfigjson"]) == {"auths": {}}
    assert load(tmp_path / "w.yaml", "other:1").image == "other:1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("imgae: x", "imgae: Extra inputs are not permitted"),
        ("- x", "a mapping is wanted"),
        ("{", "cannot be read"),
        ("user: -1", "user: Input should be greater"),
        ("pull_secret: absent.json", "absent.json cannot be read: FileNotFoundError"),
        ("pull_secret: w.yaml", "has no 'auths'"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, told: str) -> None:
    """One line that says why."""
    (tmp_path / "w.yaml").write_text(text)
    with pytest.raises(WorkloadError, match=told) as raised:
        load(tmp_path / "w.yaml", None)
    assert "\n" not in str(raised.value)
