"""Taking a mesh off a cluster, to the last object: its namespaces, and everything of the cluster that points there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from smi_conformance.cluster.port import Cluster, ClusterError, Manifest, Ref
from smi_conformance.judge.convergence import DeadlineExpired, until
from smi_conformance.meshes.profile import Profile
from smi_conformance.meshes.recipe import Leaves

ADMISSION = "admissionregistration.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io/v1"
WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
ORDER = (*WEBHOOKS, "APIService", "CustomResourceDefinition", "RoleBinding", "ClusterRoleBinding", "ClusterRole")
"""Namespaces come last: a webhook or an APIService without a server would keep them from going."""
END = 120.0  # seconds until everything is gone


def leaves_of(profile: Profile) -> Leaves:
    """What is a mesh's alone."""
    if profile.installer == "reference":
        return Leaves(namespaces=profile.namespaces)
    return profile.installation.leaves if profile.installation else Leaves()


def leftovers(cluster: Cluster, profile: Profile, *, definitions: bool = True) -> list[Ref]:
    """What there is of a mesh, in the order in which it can go. Raises ClusterError.

    Its namespaces and those webhooks, APIServices, role bindings and cluster roles that lead there; with
    `definitions` also the SMI resources that it brought and those of its own groups.
    """
    there = leaves_of(profile)
    found = {*_pointing(cluster, there.namespaces), *_namespaces(cluster, there.namespaces)}
    if definitions:
        found |= set(_definitions(cluster, profile.crds, there.api_groups))
    return sorted(found, key=lambda ref: (_place(ref), str(ref)))


def remove(cluster: Cluster, refs: Iterable[Ref]) -> None:
    """Delete objects in their order and wait until they are gone. Raises ClusterError for what stays."""
    listed = list(refs)
    for ref in listed:
        cluster.delete(ref)
    try:
        until(lambda: not any(cluster.get(ref) for ref in listed), deadline=END, clock=cluster.clock)
    except DeadlineExpired as error:
        left = ", ".join(str(ref) for ref in listed if cluster.get(ref))
        raise ClusterError(f"still there after {END:.0f} s: {left}") from error


def _place(ref: Ref) -> int:
    return ORDER.index(ref.kind) if ref.kind in ORDER else len(ORDER)


def _namespaces(cluster: Cluster, names: Iterable[str]) -> Iterator[Ref]:
    refs = (Ref("v1", "Namespace", name) for name in names)
    return (ref for ref in refs if cluster.get(ref) is not None)


def _definitions(cluster: Cluster, own: Collection[str], groups: Collection[str]) -> Iterator[Ref]:
    for item in _listed(cluster, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"):
        group = item["spec"]["group"]
        if _name(item) in own or any(group == one or group.endswith(f".{one}") for one in groups):
            yield Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", _name(item))


def _pointing(cluster: Cluster, namespaces: Collection[str]) -> Iterator[Ref]:
    """Objects of the whole cluster, and of other namespaces, that are of use to pods of these namespaces only."""
    for kind in WEBHOOKS:
        for item in _listed(cluster, f"/apis/{ADMISSION}/{kind.lower()}s"):
            if _calls(item) and _calls(item) <= set(namespaces):
                yield Ref(ADMISSION, kind, _name(item))
    for item in _listed(cluster, "/apis/apiregistration.k8s.io/v1/apiservices"):
        if (item["spec"].get("service") or {}).get("namespace") in namespaces:
            yield Ref("apiregistration.k8s.io/v1", "APIService", _name(item))
    yield from _rights(cluster, namespaces)


def _calls(webhooks: Manifest) -> set[str]:
    """The namespaces of the Services that are called; an address outside of the cluster is no namespace."""
    configs = [hook["clientConfig"] for hook in webhooks.get("webhooks") or ()]
    return {(config.get("service") or {}).get("namespace", "") for config in configs}


def _rights(cluster: Cluster, namespaces: Collection[str]) -> Iterator[Ref]:
    wide = list(_listed(cluster, f"/apis/{RBAC}/clusterrolebindings"))
    narrow = list(_listed(cluster, f"/apis/{RBAC}/rolebindings"))
    own = [item for item in wide if _held_by(item, namespaces)]
    yield from (Ref(RBAC, "ClusterRoleBinding", _name(item)) for item in own)
    yield from (
        Ref(RBAC, "RoleBinding", _name(item), item["metadata"]["namespace"])
        for item in narrow
        if _held_by(item, namespaces) and item["metadata"]["namespace"] not in namespaces
    )
    others = {_role(item) for item in (*wide, *narrow) if not _held_by(item, namespaces)}
    roles = {_role(item) for item in own} - others
    for item in _listed(cluster, f"/apis/{RBAC}/clusterroles"):
        if "kubernetes.io/bootstrapping" not in (item["metadata"].get("labels") or {}) and (
            _name(item) in roles or _released_to(item, namespaces)
        ):
            yield Ref(RBAC, "ClusterRole", _name(item))


def _held_by(binding: Manifest, namespaces: Collection[str]) -> bool:
    """Whether all who hold the rights are in these namespaces."""
    subjects = binding.get("subjects") or ()
    return bool(subjects) and all(subject.get("namespace") in namespaces for subject in subjects)


def _role(binding: Manifest) -> str:
    return str(binding["roleRef"]["name"]) if binding["roleRef"]["kind"] == "ClusterRole" else ""


def _released_to(item: Manifest, namespaces: Collection[str]) -> bool:
    """Whether Helm made it for a release in one of these namespaces."""
    marks: Mapping[str, str] = item["metadata"].get("annotations") or {}
    return marks.get("meta.helm.sh/release-namespace") in namespaces


def _listed(cluster: Cluster, path: str) -> list[dict[str, Any]]:
    """All objects under a path; none where the API is not served."""
    answer = cluster.api("GET", path)
    if answer.status == 404:
        return []
    if answer.status != 200 or isinstance(answer.body, str):
        raise ClusterError(f"GET {path}: {answer.status} {answer.message}")
    return list(answer.body["items"])


def _name(item: Manifest) -> str:
    return str(item["metadata"]["name"])
