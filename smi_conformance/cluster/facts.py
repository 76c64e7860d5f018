"""What a report says of the cluster: versions, node, CRDs, images."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kubernetes import client
from kubernetes.dynamic import DynamicClient

GROUPS = ("access.smi-spec.io", "specs.smi-spec.io", "split.smi-spec.io")


def cluster_facts(api: client.ApiClient, backend: str) -> dict[str, Any]:
    """The `cluster` object of a report; no name of a node or of the cluster is in it."""
    nodes = read(api, "/api/v1/nodes")["items"]
    info = nodes[0].get("status", {}).get("nodeInfo", {}) if nodes else {}
    return {
        "backend": backend,
        "kubernetes": read(api, "/version")["gitVersion"],
        "nodes": len(nodes),
        "node": {"os": info.get("osImage"), "arch": info.get("architecture"), "kernel": info.get("kernelVersion")},
        "crds": smi_crds(api),
    }


def read(api: client.ApiClient, path: str, **asked: Any) -> Any:
    """What the API server answers to a GET, as JSON; `asked` are those of the dynamic client, such as label_selector.

    The classes of the typed clients take a second to import. Raises ApiException, HTTPError, OSError.
    """
    plain = DynamicClient(api, discoverer=lambda *_: None)  # nothing has to be discovered for a path
    return json.loads(plain.request("GET", path, serialize=False, _request_timeout=10, **asked).data)


def smi_crds(api: client.ApiClient) -> list[dict[str, Any]]:
    """Name, served versions and SHA-256 of the spec of each SMI CRD."""
    items = read(api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
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
    pods = [p for ns in namespaces for p in read(api, f"/api/v1/namespaces/{ns}/pods")["items"]]
    return {s["image"]: s.get("imageID", "") for p in pods for s in p["status"].get("containerStatuses") or ()}
