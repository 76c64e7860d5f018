"""The table of resources that the API serves: one row for each built-in one, the rest from CRDs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from smi_conformance.lab.api.errors import Object

CRUD = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version of its group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    status: bool = False
    """Has the subresource `status`, so plain writes leave the field `status` alone."""
    generation: bool = False
    """`metadata.generation` counts the changes of everything but metadata and status."""
    scale: bool = False
    verbs: tuple[str, ...] = CRUD
    categories: tuple[str, ...] = ()
    singular: str = ""
    list_kind: str = ""
    definition: Object | None = None
    """The CRD's own entry for this version; None for a built-in resource."""

    @property
    def name(self) -> str:
        """Key in the store: "pods", "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


_CREATE_ONLY = ("create",)

BUILT_IN: tuple[Resource, ...] = (
    Resource("", "v1", "namespaces", "Namespace", False, ("ns",), status=True),
    Resource("", "v1", "nodes", "Node", False, ("no",), status=True),
    Resource("", "v1", "pods", "Pod", True, ("po",), status=True, categories=("all",)),
    Resource("", "v1", "services", "Service", True, ("svc",), status=True, categories=("all",)),
    Resource("", "v1", "endpoints", "Endpoints", True, ("ep",), list_kind="EndpointsList"),
    Resource("", "v1", "configmaps", "ConfigMap", True, ("cm",)),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",)),
    Resource("", "v1", "events", "Event", True, ("ev",)),
    Resource("apps", "v1", "deployments", "Deployment", True, ("deploy",), True, True, True, categories=("all",)),
    Resource("apps", "v1", "replicasets", "ReplicaSet", True, ("rs",), True, True, True, categories=("all",)),
    Resource("apps", "v1", "statefulsets", "StatefulSet", True, ("sts",), True, True, True, categories=("all",)),
    Resource("apps", "v1", "daemonsets", "DaemonSet", True, ("ds",), True, True, categories=("all",)),
    Resource("batch", "v1", "jobs", "Job", status=True, generation=True, categories=("all",)),
    Resource("", "v1", "replicationcontrollers", "ReplicationController", True, ("rc",), True, True, True),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", generation=True),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", False),
    Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", False),
    Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", False, status=True, generation=True),
    Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", False, verbs=_CREATE_ONLY),
    Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", False, verbs=_CREATE_ONLY),
    Resource("authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs=_CREATE_ONLY),
    Resource(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        False,
        verbs=_CREATE_ONLY,
    ),
    Resource(
        "admissionregistration.k8s.io",
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        False,
        generation=True,
    ),
    Resource(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        False,
        generation=True,
    ),
    Resource(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        False,
        ("crd", "crds"),
        status=True,
        generation=True,
    ),
)

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?$")


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sort key that puts versions in Kubernetes' order of preference, the preferred one first."""
    match = _VERSION.match(version)
    if match is None:
        return (3, 0, 0, version)
    major, stage, minor = match.groups()
    return ({None: 0, "beta": 1, "alpha": 2}[stage], -int(major), -int(minor or 0), "")


def from_crd(crd: Object) -> list[Resource]:
    """The resources that a CustomResourceDefinition serves, one for each served version."""
    spec = crd["spec"]
    names = crd.get("status", {}).get("acceptedNames") or spec["names"]
    base = Resource(
        spec["group"],
        "",
        names["plural"],
        names["kind"],
        spec.get("scope") == "Namespaced",
        tuple(names.get("shortNames") or ()),
        generation=True,
        categories=tuple(names.get("categories") or ()),
        singular=names.get("singular") or names["kind"].lower(),
        list_kind=names.get("listKind") or names["kind"] + "List",
    )
    return [_crd_version(base, version) for version in spec["versions"] if version.get("served")]


def _crd_version(base: Resource, version: Object) -> Resource:
    subresources = version.get("subresources") or {}
    return replace(
        base,
        version=version["name"],
        status="status" in subresources,
        scale="scale" in subresources,
        definition=version,
    )


class Resources:
    """What is served now. Custom resources come and go with their CRD."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Resource] = {}
        self._by_name: dict[str, Resource] = {}
        for row in BUILT_IN:
            self._add(row)

    def _add(self, row: Resource) -> None:
        self._rows[row.group, row.version, row.plural] = row
        self._by_name.setdefault(row.name, row)

    def replace(self, crd_name: str, rows: list[Resource]) -> None:
        """Serve `rows` for the custom resource `crd_name`; none of them: stop serving it."""
        self._rows = {k: r for k, r in self._rows.items() if r.name != crd_name}
        self._by_name.pop(crd_name, None)
        for row in sorted(rows, key=lambda r: version_rank(r.version)):
            self._add(row)

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._rows.get((group, version, plural))

    def named(self, name: str) -> Resource | None:
        """The preferred version of the resource with this key."""
        return self._by_name.get(name)

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource that serves this kind, if need be in another version of the group."""
        group = api_version.rpartition("/")[0]
        rows = [r for r in self if r.group == group and r.kind == kind]
        return next((r for r in rows if r.api_version == api_version), rows[0] if rows else None)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._rows.values())

    def groups(self) -> dict[str, list[str]]:
        """Versions of every group, the preferred one first."""
        found: dict[str, set[str]] = {}
        for row in self:
            found.setdefault(row.group, set()).add(row.version)
        return {group: sorted(versions, key=version_rank) for group, versions in found.items()}
