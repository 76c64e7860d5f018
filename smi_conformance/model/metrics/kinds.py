"""The kinds of the metrics API, and how the objects of each are related to pods."""

from __future__ import annotations

from dataclasses import dataclass

GROUP, VERSION = "metrics.smi-spec.io", "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
SPLITS = "trafficsplits"


@dataclass(frozen=True)
class Kind:
    """A kind whose metrics are served, as Kubernetes knows it."""

    plural: str
    kind: str
    api_version: str
    namespaced: bool = True


KINDS = {
    kind.plural: kind
    for kind in (
        Kind("daemonsets", "DaemonSet", "apps/v1"),
        Kind("deployments", "Deployment", "apps/v1"),
        Kind("jobs", "Job", "batch/v1"),
        Kind("namespaces", "Namespace", "v1", namespaced=False),
        Kind("nodes", "Node", "v1", namespaced=False),
        Kind("pods", "Pod", "v1"),
        Kind("replicasets", "ReplicaSet", "apps/v1"),
        Kind("replicationcontrollers", "ReplicationController", "v1"),
        Kind("services", "Service", "v1"),
        Kind("statefulsets", "StatefulSet", "apps/v1"),
        Kind(SPLITS, "TrafficSplit", "split.smi-spec.io/v1alpha4"),
    )
}
