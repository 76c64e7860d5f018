"""Whether a cluster is one to test on: a run makes namespaces, policies and load, and may upset the mesh."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from smi_conformance.cluster.facts import read
from smi_conformance.cluster.port import ClusterError
from smi_conformance.cluster.reaper import LABEL

OPTION = "--yes-this-cluster"
NODES = 10  # more than that and somebody pays for them
PRODUCTION = re.compile(r"(^|[^a-z])prod(uction)?($|[^a-z])", re.IGNORECASE)
# Namespaces that every cluster, its distribution or the suite itself brings. `default` is not among them.
OF_CLUSTERS = re.compile(r"kube-.+|local-path-storage|(open|micro)shift-.+|openshift|metallb-system|smi-conformance")
LOCAL = ("kind://", "k3s://k3d-")
MINIKUBE = "minikube.k8s.io/name"
NAMED = 3  # namespaces that the message names


class NotATestCluster(ClusterError):
    """The cluster may be somebody's living: the user has to say that it is meant."""


def require_test_cluster(api: client.ApiClient, namespaces_of_mesh: Iterable[str]) -> None:
    """Raises NotATestCluster, with the reasons and what to do, when the cluster does not look like one for tests.

    Nodes of kind, k3d and minikube settle it. Else what speaks against it: a node or namespace that is called or
    labelled production, many nodes, or pods in namespaces that are neither the cluster's, nor the mesh's, nor a run's.
    """
    try:
        reasons = list(_reasons(api, set(namespaces_of_mesh)))
    except (ApiException, HTTPError, OSError) as error:
        why = (
            f"{error.status} {error.reason}" if isinstance(error, ApiException) else " ".join(str(error).split())[:200]
        )
        reasons = [f"nodes, namespaces and pods cannot be listed ({why})"]
    if reasons:
        raise NotATestCluster(
            f"this does not look like a test cluster: {'; '.join(reasons)}. A run makes namespaces, policies and load; "
            f"if that is fine there, say {OPTION}"
        )


def _reasons(api: client.ApiClient, namespaces_of_mesh: set[str]) -> Iterator[str]:
    nodes = read(api, "/api/v1/nodes")["items"]
    if nodes and all(_is_local(node) for node in nodes):
        return
    if len(nodes) > NODES:
        yield f"{len(nodes)} nodes"
    namespaces = read(api, "/api/v1/namespaces")["items"]
    if marked := [one["metadata"]["name"] for one in [*nodes, *namespaces] if _is_production(one["metadata"])]:
        yield f"{marked[0]} is called or labelled production"
    ours = {one["metadata"]["name"] for one in namespaces if LABEL in (one["metadata"].get("labels") or {})}
    pods = read(api, "/api/v1/pods")["items"]
    busy = {pod["metadata"]["namespace"] for pod in pods} - namespaces_of_mesh - ours
    if others := sorted(name for name in busy if not OF_CLUSTERS.fullmatch(name)):
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        yield f"pods run in {', '.join(others[:NAMED])}{more}"


def _is_local(node: dict[str, Any]) -> bool:
    labels = node["metadata"].get("labels") or {}
    return MINIKUBE in labels or str(node.get("spec", {}).get("providerID", "")).startswith(LOCAL)


def _is_production(meta: dict[str, Any]) -> bool:
    return any(PRODUCTION.search(str(text)) for text in (meta["name"], *(meta.get("labels") or {}).values()))
