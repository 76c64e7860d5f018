"""The subresource `scale`: how many replicas, whatever else the object says."""

from __future__ import annotations

from collections.abc import Callable

from smi_conformance.lab.api.errors import ApiError, Object

_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object) -> Object:
    """The Scale of a workload."""
    selector = obj["spec"].get("selector") or {}
    labels = selector if obj["kind"] == "ReplicationController" else selector.get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: v for k, v in obj["metadata"].items() if k in _META},
        "spec": {"replicas": obj["spec"].get("replicas", 1)},
        "status": {
            "replicas": obj.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        },
    }


def scaled(change: Callable[[Object], Object]) -> Callable[[Object], Object]:
    """A change of a Scale as a change of the object it belongs to."""

    def apply(obj: Object) -> Object:
        wanted = change(scale_of(obj))
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int):
            raise ApiError.bad_request("spec.replicas must be a number")
        meta = obj["metadata"]
        if version := wanted.get("metadata", {}).get("resourceVersion"):
            meta = {**meta, "resourceVersion": version}
        return {**obj, "metadata": meta, "spec": {**obj["spec"], "replicas": replicas}}

    return apply
