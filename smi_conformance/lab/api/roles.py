"""The roles that every cluster has from the start, as far as they do not speak of what the lab lacks."""

from __future__ import annotations

from smi_conformance.lab.api.errors import Object

AUTHENTICATION = "extension-apiserver-authentication"
_GROUP = "rbac.authorization.k8s.io"
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz")
_PUBLIC = ("/version", "/version/")


def cluster_roles() -> list[tuple[str, list[Object]]]:
    """Names and rules."""
    reviews = {"authentication.k8s.io": ["tokenreviews"], "authorization.k8s.io": ["subjectaccessreviews"]}
    own = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    return [
        ("cluster-admin", [everything, {"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        ("system:discovery", [{"nonResourceURLs": [*_DISCOVERY, *_PUBLIC], "verbs": ["get"]}]),
        ("system:basic-user", [_rule(["authorization.k8s.io"], own, ["create"])]),
        ("system:auth-delegator", [_rule([group], names, ["create"]) for group, names in reviews.items()]),
    ]


def reader() -> Object:
    """The Role in kube-system that lets servers behind the aggregator read whom to believe."""
    rule = {**_rule([""], ["configmaps"], ["get", "list", "watch"]), "resourceNames": [AUTHENTICATION]}
    return {"metadata": {"name": f"{AUTHENTICATION}-reader", "namespace": "kube-system"}, "rules": [rule]}


def bindings() -> list[tuple[str, str, str]]:
    """ClusterRoleBindings: their name, which is the role's, and the Group that is bound."""
    return [
        ("cluster-admin", "cluster-admin", "system:masters"),
        *((role, role, "system:authenticated") for role in ("system:discovery", "system:basic-user")),
    ]


def binding(name: str, role: str, group: str) -> Object:
    """A ClusterRoleBinding of a Group."""
    subject = {"kind": "Group", "name": group, "apiGroup": _GROUP}
    reference = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": role}
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}


def _rule(groups: list[str], resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}
