"""`manifests/rights.yaml` allows what a run does: everything that the main job recorded, and little else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from selftest.proof.conftest import Finished
from smi_conformance.locations import MANIFESTS

Right = tuple[str, str, str]  # verb, API group, resource
RBAC = "rbac.authorization.k8s.io"
KINDS = {
    "Namespace": ("", "namespaces"), "Service": ("", "services"), "ServiceAccount": ("", "serviceaccounts"),
    "ConfigMap": ("", "configmaps"), "Pod": ("", "pods"), "Deployment": ("apps", "deployments"),
    "StatefulSet": ("apps", "statefulsets"), "DaemonSet": ("apps", "daemonsets"), "Job": ("batch", "jobs"),
    "ReplicationController": ("", "replicationcontrollers"),
    "Role": (RBAC, "roles"), "RoleBinding": (RBAC, "rolebindings"),
    "ClusterRole": (RBAC, "clusterroles"), "ClusterRoleBinding": (RBAC, "clusterrolebindings"),
    "TrafficTarget": ("access.smi-spec.io", "traffictargets"),
    "IdentityBinding": ("access.smi-spec.io", "identitybindings"),
    "HTTPRouteGroup": ("specs.smi-spec.io", "httproutegroups"), "TCPRoute": ("specs.smi-spec.io", "tcproutes"),
    "UDPRoute": ("specs.smi-spec.io", "udproutes"), "TrafficSplit": ("split.smi-spec.io", "trafficsplits"),
}  # fmt: skip
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
PATH = re.compile(
    r"/apis?(/[^/]+\.[^/]+|/apps|/batch)?/v[^/]+(?:/namespaces/[^/]+)?/(?P<resource>[^/?]+)(?P<name>/[^/?]+)?"
)
# What no journal holds: the set-up of a run, its way back, and what it tells of the cluster and of failures.
UNRECORDED: set[Right] = {
    ("list", "", "namespaces"), ("delete", "", "namespaces"), ("deletecollection", "", "pods"), ("list", "", "pods"),
    ("list", "", "nodes"), ("list", "apiextensions.k8s.io", "customresourcedefinitions"),
    ("get", "apiextensions.k8s.io", "customresourcedefinitions"), ("get", "apps", "deployments"),
    ("list", "", "events"), ("get", "", "pods/log"), ("get", "", "configmaps"), ("create", "", "pods/exec"),
    ("create", "", "secrets"), ("patch", "", "secrets"), ("list", "metrics.smi-spec.io", "*"),
    ("get", "metrics.smi-spec.io", "*"), ("list", RBAC, "clusterroles"),
    # A pod is relabelled by what judges access v1alpha4, which is not among the stable versions.
    ("patch", "", "pods"),
    ("create", "", "serviceaccounts/token"),
}  # fmt: skip


def test_the_rights_of_the_manifest_are_those_of_a_run(main_job: Finished) -> None:
    """No call of the main job is missing, and nothing is allowed that no run does."""
    used = set(_used(main_job.folder)) | UNRECORDED
    allowed = list(_allowed())
    assert not {right for right in used if not any(_covers(one, right) for one in allowed)}, "missing"
    assert not {one for one in allowed if not any(_covers(one, right) for right in used)}, "of no use"


def _used(folder: Path) -> Iterator[Right]:
    for file in (folder / "observations").glob("*.jsonl"):
        for line in file.read_text().splitlines():
            call = json.loads(line)
            yield from _rights(call["op"], call["key"])


def _rights(op: str, key: str) -> list[Right]:
    """What one call of the cluster port takes."""
    verbs = {"apply": ("create", "patch"), "delete": ("delete",), "get": ("get",)}.get(op)
    if verbs:
        return [(verb, *KINDS[key.split(maxsplit=1)[0]]) for verb in verbs]
    if op == "api":
        return _of_request(*key.split(" ", 1))
    return {"pods": [("list", "", "pods")], "observe": [("get", "", "pods/exec")]}.get(op, [])


def _of_request(method: str, path: str) -> list[Right]:
    found = PATH.match(path)
    if not found:  # discovery, which everybody may ask for
        return []
    verb = VERBS.get(method) or ("get" if found["name"] else "list")
    return [(verb, (found[1] or "").lstrip("/"), found["resource"])]


def _allowed() -> Iterator[Right]:
    role = next(yaml.safe_load_all((MANIFESTS / "rights.yaml").read_text()))
    assert (role["kind"], role["metadata"]["name"]) == ("ClusterRole", "smi-conformance")
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            yield from ((verb, group, one) for one in rule["resources"] for verb in rule["verbs"])


def _covers(allowed: Right, right: Right) -> bool:
    return all(fnmatchcase(word, pattern) for word, pattern in zip(right, allowed, strict=True))
