"""The ServiceAccount admission plugin: every pod has an account, and its token mounted."""

from __future__ import annotations

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.names import random_suffix
from smi_conformance.lab.api.store import Store, copy_json

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
ROOT_CA = "kube-root-ca.crt"
TOKEN_LIFETIME = 3607
"""What Kubernetes asks for instead of an hour, so that kubelets renew before it ends."""


def admit(store: Store, pod: Object) -> None:
    """Complete a new pod in place. Raises ApiError 403 when its account does not exist."""
    spec, meta = pod["spec"], pod["metadata"]
    name = spec.get("serviceAccountName") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    account = store.find("serviceaccounts", name, meta["namespace"])
    if account is None:
        why = f'error looking up service account {meta["namespace"]}/{name}: serviceaccount "{name}" not found'
        raise ApiError.forbidden("pods", meta.get("generateName") or meta.get("name", ""), why)
    if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = copy_json(account)["imagePullSecrets"]
    if spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True)):
        _mount_token(spec)


def _mount_token(spec: Object) -> None:
    volumes = spec.setdefault("volumes", [])
    known = next((v["name"] for v in volumes if v.get("name", "").startswith("kube-api-access-")), None)
    name = known or f"kube-api-access-{random_suffix()}"
    mounted = False
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        mounts = container.setdefault("volumeMounts", [])
        if all(m.get("mountPath") != MOUNT_PATH for m in mounts):
            mounts.append({"name": name, "readOnly": True, "mountPath": MOUNT_PATH})
            mounted = True
    if mounted and known is None:
        volumes.append({"name": name, "projected": _projection()})


def _projection() -> Object:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_LIFETIME, "path": "token"}},
            {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
        ],
    }
