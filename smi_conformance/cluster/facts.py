"""What a report says of the cluster: versions, node, CRDs, images."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kubernetes import client

GROUPS = ("access.smi-spec.io", "specs.smi-spec.io", "split.smi-spec.io")


def cluster_facts(api: client.ApiClient, backend: str) -> dict[str, Any]:
    """The `cluster` object of a report; no name of a node or of the cluster is in it."""
    nodes = client.CoreV1Api(api).list_node(_request_timeout=10).items
    info = nodes[0].status.node_info if nodes and nodes[0].status else None
    return {
        "backend": backend,
        "kubernetes": client.VersionApi(api).get_code(_request_timeout=10).git_version,
        "nodes": len(nodes),
        "node": {
            "os": getattr(info, "os_image", None),
            "arch": getattr(info, "architecture", None),
            "kernel": getattr(info, "kernel_version", None),
        },
        "crds": smi_crds(api),
    }


def smi_crds(api: client.ApiClient) -> list[dict[str, Any]]:
    """Name, served versions and SHA-256 of the spec of each SMI CRD."""
    items = client.CustomObjectsApi(api).list_cluster_custom_object(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", _request_timeout=10
    )["items"]
    return [_crd(item) for item in items if item["spec"]["group"] in GROUPS]


def _crd(item: dict[str, Any]) -> dict[str, Any]:
    spec = item["spec"]
    canonical = json.dumps(spec, sort_keys=True).encode()
    return {
        "name": item["metadata"]["name"],
        "versions": [v["name"] for v in spec["versions"] if v["served"]],
        "sha256": hashlib.sha256(canonical).hexdigest(),
    }


def images(api: client.ApiClient, namespaces: list[str]) -> dict[str, str]:
    """Image to digest, of every container in the namespaces."""
    core = client.CoreV1Api(api)
    pods = [p for ns in namespaces for p in core.list_namespaced_pod(ns, _request_timeout=10).items]
    return {s.image: s.image_id or "" for p in pods for s in (p.status.container_statuses or ())}
