"""What a cluster asks of the workload's pods: where the image comes from, who runs it, and which nodes take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smi_conformance.cluster.port import Manifest

IMAGE = "python:3-slim"
NOBODY = 65534
PULL_SECRET = "smi-pull-secret"  # noqa: S105  # the name of an object


class WorkloadError(Exception):
    """The settings cannot be used; one line says which one and why."""


class Workload(BaseModel):
    """Settings of the workload's pods (`--workload FILE`). The defaults satisfy Pod Security `restricted`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = Field(default=IMAGE, min_length=1, description="any image with Python 3.10 or newer as python3")
    user: int | None = Field(
        default=NOBODY, ge=0, description="user id; null where the cluster assigns one (OpenShift)"
    )
    pull_secret: Path | None = Field(default=None, description="Docker config.json with the registry's credentials")
    tolerations: list[dict[str, Any]] = []
    node_selector: dict[str, str] = {}
    resources: dict[str, dict[str, str]] = {"requests": {"cpu": "10m", "memory": "32Mi"}}

    @property
    def of_container(self) -> Manifest:
        """The fields of the container: what runs, as whom, with how much."""
        return {
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "resources": self.resources,
            "securityContext": self._restricted,
        }

    @property
    def of_pod(self) -> Manifest:
        """The fields of the pod: where it runs, and with which credentials its image is pulled."""
        return {
            **({"imagePullSecrets": [{"name": PULL_SECRET}]} if self.pull_secret else {}),
            **({"tolerations": self.tolerations} if self.tolerations else {}),
            **({"nodeSelector": self.node_selector} if self.node_selector else {}),
        }

    @property
    def _restricted(self) -> Manifest:
        """Of the container and not of the pod: what a mesh adds to the pod may have other needs."""
        return {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": self.user != 0,
            **({} if self.user is None else {"runAsUser": self.user}),
            "seccompProfile": {"type": "RuntimeDefault"},
        }

    def secret(self, namespace: str) -> Manifest:
        """The credentials for the registry of the image, as an object of a namespace. Raises WorkloadError."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": PULL_SECRET, "namespace": namespace},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": credentials(self)},
        }


def load(path: Path | None, image: str | None) -> Workload:
    """The settings of a file, and an image that wins over the file's. Raises WorkloadError."""
    told = {**_read(path), **({"image": image} if image is not None else {})} if path or image is not None else {}
    try:
        made = Workload.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise WorkloadError(f"--workload {path or ''}: {place}: {first['msg']}") from error
    if made.pull_secret:
        made = made.model_copy(update={"pull_secret": (path or Path()).parent / made.pull_secret})
        credentials(made)
    return made


def credentials(workload: Workload) -> str:
    """The content of the pull secret's file. Raises WorkloadError."""
    assert workload.pull_secret
    try:
        text = workload.pull_secret.read_text(encoding="utf-8")
        known = "auths" in yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise WorkloadError(f"pull_secret {workload.pull_secret} cannot be read: {type(error).__name__}") from error
    if not known:
        raise WorkloadError(f"pull_secret {workload.pull_secret} has no 'auths': it has to be a Docker config.json")
    return text


def _read(path: Path | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())[:200]
        raise WorkloadError(f"--workload {path} cannot be read: {why}") from error
    if not isinstance(told, dict):
        raise WorkloadError(f"--workload {path}: a mapping is wanted, such as `image: registry.example/python:3-slim`")
    return told
