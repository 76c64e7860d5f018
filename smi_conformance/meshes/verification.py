"""Whether a mesh is on a cluster as its profile says: resources at their versions, workloads ready, a pod taken in."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from smi_conformance.cluster.port import Cluster, ClusterError, Manifest, Ref
from smi_conformance.cluster.reaper import LABEL, new_run
from smi_conformance.cluster.workload import IMAGE
from smi_conformance.judge.convergence import DeadlineExpired, until
from smi_conformance.meshes.profile import Profile

READY, GONE = 120.0, 60.0  # seconds


@dataclass(frozen=True)
class Check:
    """One thing looked at: whether it holds, and what was found."""

    ok: bool
    name: str
    found: str


def checks(cluster: Cluster, profile: Profile, run: str = "") -> Iterator[Check]:
    """Look at one thing after the other. Raises ClusterError when the cluster cannot say.

    The last one makes a pod in a namespace of its own, labelled as of this run, and removes both.
    """
    for name, versions in profile.crds.items():
        yield _served(cluster, name, versions)
    for kind, names in (
        ("Deployment", profile.deployments),
        ("DaemonSet", profile.daemonsets),
        ("StatefulSet", profile.statefulsets),
    ):
        for name in names:
            yield _ready(cluster, kind, name)
    for name in profile.apiservices:
        yield _available(cluster, name)
    yield _canary(cluster, profile, run or new_run())


def _served(cluster: Cluster, name: str, wanted: Collection[str]) -> Check:
    found = cluster.get(Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", name))
    if found is None:
        return Check(False, name, f"not there, want {', '.join(wanted)}")
    served = [one["name"] for one in found["spec"]["versions"] if one["served"]]
    told = "" if set(served) == set(wanted) else f", the profile says {', '.join(wanted)}"
    return Check(set(wanted) <= set(served), name, f"serves {', '.join(served)}{told}")


def _ready(cluster: Cluster, kind: str, name: str) -> Check:
    namespace, _, own = name.partition("/")
    found = cluster.get(Ref("apps/v1", kind, own, namespace))
    if found is None:
        return Check(False, f"{kind} {name}", "not there")
    ready, wanted = numbers(kind, found)
    return Check(bool(wanted) and ready >= wanted, f"{kind} {name}", f"{ready} of {wanted} pods ready")


def numbers(kind: str, workload: Manifest) -> tuple[int, int]:
    """How many pods of a workload are ready, and how many there should be."""
    status, spec = workload.get("status") or {}, workload["spec"]
    if kind == "DaemonSet":
        return status.get("numberReady") or 0, status.get("desiredNumberScheduled") or 0
    return status.get("readyReplicas") or 0, spec.get("replicas", 1)


def _available(cluster: Cluster, name: str) -> Check:
    found = cluster.get(Ref("apiregistration.k8s.io/v1", "APIService", name))
    told = ((found or {}).get("status") or {}).get("conditions") or ()
    state = {one["type"]: one["status"] for one in told}.get("Available", "not there" if found is None else "unknown")
    return Check(state == "True", f"APIService {name}", f"available: {state}")


# A pod that the mesh has to take in


def canary(profile: Profile, run: str) -> tuple[Manifest, Manifest, Manifest]:
    """A namespace of the mesh with an account and a pod, as the suite would make them."""
    wants, name = profile.onboarding, f"smi-{run}-canary"
    space: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    space["metadata"] |= {"labels": {LABEL: run, **wants.namespace_labels}, "annotations": wants.namespace_annotations}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "canary", "namespace": name}}
    container = {"name": "workload", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "600"]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "canary", "namespace": name, "labels": {"app": "canary", **wants.pod_labels},
            "annotations": dict(wants.pod_annotations),
        },
        "spec": {"serviceAccountName": "canary", "terminationGracePeriodSeconds": 0, "containers": [container]},
    }  # fmt: skip
    return space, account, pod


def _canary(cluster: Cluster, profile: Profile, run: str) -> Check:
    space, account, pod = canary(profile, run)
    name = space["metadata"]["name"]
    try:
        cluster.apply(space)
        cluster.apply(account)
        return _taken_in(cluster, profile, pod)
    finally:
        cluster.delete(Ref("v1", "Namespace", name))
        _gone(cluster, name)


def _taken_in(cluster: Cluster, profile: Profile, pod: Manifest) -> Check:
    """The answer to the creation shows what webhooks made of the pod: they answered, or the pod is as it was sent."""
    answer = cluster.api("POST", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods", pod)
    if answer.status != 201 or isinstance(answer.body, str):
        return Check(False, "canary pod", f"refused: {answer.status} {answer.message}")
    spec, sidecar = answer.body["spec"], profile.onboarding.sidecar
    containers = [one["name"] for key in ("initContainers", "containers") for one in spec.get(key) or ()]
    if sidecar and sidecar not in containers:
        return Check(False, "canary pod", f"no container {sidecar} in it, only {', '.join(containers)}")
    try:
        until(lambda: _is_ready(cluster, pod), deadline=READY, clock=cluster.clock)
    except DeadlineExpired:
        return Check(False, "canary pod", f"has {', '.join(containers)}; not ready after {READY:.0f} s")
    return Check(True, "canary pod", f"ready, with {', '.join(containers)}")


def _is_ready(cluster: Cluster, pod: Manifest) -> bool:
    status = (cluster.get(Ref.of(pod)) or {}).get("status") or {}
    return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())


def _gone(cluster: Cluster, name: str) -> None:
    ref = Ref("v1", "Namespace", name)
    try:
        until(lambda: cluster.get(ref) is None, deadline=GONE, clock=cluster.clock)
    except DeadlineExpired as error:
        raise ClusterError(f"namespace {name} is still there after {GONE:.0f} s: delete it") from error
