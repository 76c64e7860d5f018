"""Injection: what the admission webhook adds to a pod."""

from __future__ import annotations

import base64
import json
from typing import Any

from smi_conformance.lab.mesh.model import Json
from smi_conformance.lab.mesh.objects import SIDECAR

INIT = "refmesh-init"
OPT_OUT = "smi-reference/inject"
AUDIENCE = "smi-reference"
READY_PORT = 15021
PYTHON = ["python3", "-m"]
PACKAGE = "smi_conformance.lab.mesh"


def review(request: Json, image: str, ca: str) -> Json:
    """The answer to an AdmissionReview of a pod that is being created."""
    asked = request["request"]
    response: Json = {"uid": asked["uid"], "allowed": True}
    if asked["kind"]["kind"] == "Pod" and wanted(asked["object"]):
        patch = json.dumps(patches(asked["object"], image, ca)).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    return {"apiVersion": request["apiVersion"], "kind": "AdmissionReview", "response": response}


def wanted(pod: Json) -> bool:
    """Whether the pod is to be part of the mesh and is not yet."""
    meta, spec = pod.get("metadata", {}), pod["spec"]
    marks = [(meta.get(field) or {}).get(OPT_OUT) for field in ("labels", "annotations")]
    has_sidecar = any(container["name"] == SIDECAR for container in spec.get("containers", []))
    return not ("disabled" in marks or has_sidecar or spec.get("hostNetwork"))


def patches(pod: Json, image: str, ca: str) -> list[Json]:
    """JSON patches: the init container first of all, the sidecar last."""
    spec = pod["spec"]
    return [
        _added(spec, "initContainers", init_container(image), first=True),
        _added(spec, "containers", sidecar(image, ca)),
        _added(spec, "volumes", token_volume()),
    ]


def _added(spec: Json, field: str, item: Json, *, first: bool = False) -> Json:
    if not spec.get(field):
        return {"op": "add", "path": f"/spec/{field}", "value": [item]}
    return {"op": "add", "path": f"/spec/{field}/{0 if first else '-'}", "value": item}


def init_container(image: str) -> Json:
    """Redirects the traffic."""
    return {
        "name": INIT,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [*PYTHON, f"{PACKAGE}.init"],
        "securityContext": _security("NET_ADMIN"),
    }


def sidecar(image: str, ca: str) -> Json:
    """Agent and proxy."""
    return {
        "name": SIDECAR,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [*PYTHON, f"{PACKAGE}.agent"],
        "env": [
            {"name": "REFMESH_CA", "value": ca},
            _field("POD_NAME", "metadata.name"),
            _field("POD_NAMESPACE", "metadata.namespace"),
        ],
        "securityContext": _security("NET_ADMIN"),
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": READY_PORT},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 30,
        },
        "volumeMounts": [{"name": "refmesh-token", "mountPath": "/var/run/refmesh", "readOnly": True}],
    }


def _security(*capabilities: str) -> Json:
    return {
        "runAsUser": 0,
        "runAsNonRoot": False,
        "capabilities": {"drop": ["ALL"], "add": list(capabilities)},
        "allowPrivilegeEscalation": False,
    }


def _field(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def token_volume() -> Json:
    """A token that is good for the control plane only."""
    token: dict[str, Any] = {"path": "token", "audience": AUDIENCE, "expirationSeconds": 3600}
    return {"name": "refmesh-token", "projected": {"sources": [{"serviceAccountToken": token}]}}
