"""Setting a mesh up: CRDs, installation, switches of a run, readiness."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from importlib import resources
from typing import Any

import yaml

from smi_conformance.cluster.port import Cluster, ClusterError, Manifest, Ref
from smi_conformance.judge.convergence import DeadlineExpired, until
from smi_conformance.meshes import crds
from smi_conformance.meshes.profile import Profile, ProfileError, Setting
from smi_conformance.meshes.verification import numbers

NAMESPACE = "smi-reference"
STATUS = Ref("v1", "ConfigMap", "refmesh-status", NAMESPACE)
CONFIG = Ref("v1", "ConfigMap", "refmesh-config", NAMESPACE)
START = 120.0  # seconds that an installation may take: images have to be pulled on a real cluster

Progress = Callable[[str], None]


class UnknownFault(Exception):
    """`--fault` names no switch of this mesh."""


def faults_of(profile: Profile) -> dict[str, str]:
    """The fault switches that a mesh has: `ID/slug` to what it does. Only the reference mesh and the model have any."""
    if profile.installer == "model":
        return _faults_of_model()
    if profile.installer != "reference":
        return {}
    from smi_conformance.lab.mesh.faults import FAULTS  # noqa: PLC0415  # the lab is an optional extra

    return dict(FAULTS)


def _faults_of_model() -> dict[str, str]:
    try:
        from smi_conformance.cluster.model.switchboard import faults  # noqa: PLC0415  # stands on the optional extra

        return faults()
    except ImportError as error:
        raise ProfileError(f"the model needs the extra 'lab' ({error}): pip install 'smi-conformance[lab]'") from error


def install(cluster: Cluster, profile: Profile, progress: Progress) -> None:
    """Serve the SMI resources and, for the reference mesh, all of their versions and the mesh. Idempotent.

    Until the reference mesh is up, its resources can be used in the stable versions only.
    """
    progress("serving the SMI resources")
    for manifest in crds.of(profile):
        cluster.apply(manifest)
    if profile.installer == "reference":
        progress(f"installing the {profile.title}")
        for manifest in reference_manifests():
            cluster.apply(manifest)
        wait_ready(cluster, profile)


def uninstall(cluster: Cluster, profile: Profile) -> None:
    """Remove what install made, but the stable versions of the SMI resources: other meshes may use them.

    The other versions go before the mesh that converts them, for without it no object could be listed any more, and
    no namespace deleted that holds one.
    """
    if profile.installer == "reference":
        for definition in crds.stable():
            found = cluster.get(Ref.of(definition))
            if found and crds.converted_by_reference_mesh(found):
                cluster.apply(crds.without_conversion(definition))
        for manifest in reversed(reference_manifests()):
            cluster.delete(Ref.of(manifest))


def configure(cluster: Cluster, profile: Profile, posture: str, faults: Iterable[str]) -> None:
    """Bring the mesh into the posture of the run and wait until it says that it is."""
    for setting in profile.postures.get(posture, ()):  # type: ignore[call-overload]
        cluster.apply(_patched(setting))
    if profile.installer == "reference":
        cluster.apply(_config({"posture": posture, "faults": "\n".join(faults)}))
        _wait(cluster, "the reference mesh to take over its configuration", lambda: _in_force(cluster))


def wait_ready(cluster: Cluster, profile: Profile) -> None:
    """Wait for the workloads of the mesh. Raises ClusterError when they do not come."""
    for deployment in profile.deployments:
        ref = _workload("Deployment", deployment)
        _wait(cluster, f"{ref} to become available", partial(_available, cluster, ref))
    for kind, names in (("DaemonSet", profile.daemonsets), ("StatefulSet", profile.statefulsets)):
        for ref in (_workload(kind, name) for name in names):
            _wait(cluster, f"all pods of {ref} to become ready", partial(_all_ready, cluster, ref))


def _workload(kind: str, name: str) -> Ref:
    namespace, _, own = name.partition("/")
    return Ref("apps/v1", kind, own, namespace)


def _all_ready(cluster: Cluster, ref: Ref) -> bool:
    found = cluster.get(ref)
    ready, wanted = numbers(ref.kind, found) if found else (0, 0)
    return 0 < wanted <= ready


def manifests(profile: Profile) -> list[Manifest]:
    """All that `install` applies."""
    return crds.of(profile) + (reference_manifests() if profile.installer == "reference" else [])


def reference_manifests() -> list[Manifest]:
    """The objects of the reference mesh."""
    from smi_conformance.lab import mesh  # noqa: PLC0415  # the lab is an optional extra

    return _documents((resources.files(mesh) / "manifest.yaml").read_text())


def _documents(text: str) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(text) if document]


def _patched(setting: Setting) -> Manifest:
    meta = {"name": setting.name, **({"namespace": setting.namespace} if setting.namespace else {})}
    return {"apiVersion": setting.api_version, "kind": setting.kind, "metadata": meta, **setting.patch}


def _config(data: dict[str, str]) -> Manifest:
    meta = {"name": CONFIG.name, "namespace": CONFIG.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def _available(cluster: Cluster, ref: Ref) -> bool:
    status = (cluster.get(ref) or {}).get("status", {})
    return any(c["type"] == "Available" and c["status"] == "True" for c in status.get("conditions") or ())


def _in_force(cluster: Cluster) -> bool:
    wanted, status = cluster.get(CONFIG) or {}, cluster.get(STATUS) or {}
    told: dict[str, Any] = status.get("data") or {}
    return told.get("config") == digest(wanted.get("data") or {}) and told.get("in-sync") == "true"


def digest(data: dict[str, str]) -> str:
    """SHA-256 of the canonical JSON of a ConfigMap's data, as the reference mesh reports it."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _wait(cluster: Cluster, what: str, check: Callable[[], bool]) -> None:
    try:
        until(check, deadline=START, clock=cluster.clock)
    except DeadlineExpired as error:
        raise ClusterError(f"waited {START:.0f} s in vain for {what}") from error
