"""ServiceAccounts with roles, and requests in their name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kubernetes import client
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, Object, eventually

RBAC = "rbac.authorization.k8s.io"
Asked = Callable[[str], int]


def rule(group: str, *resources: str, verbs: tuple[str, ...] = ("get", "list", "watch"), **more: list[str]) -> Object:
    """What a role allows."""
    return {"apiGroups": [group], "resources": [*resources], "verbs": [*verbs], **more}


@contextmanager
def account(cluster: Cluster, namespace: str, name: str, *rules: Object, everywhere: bool = False) -> Iterator[Cluster]:
    """The cluster as a new account sees it; it has a role of these rules in the namespace, or in all."""
    cluster.core.create_namespaced_service_account(namespace, {"metadata": {"name": name}})
    kind, scope = ("ClusterRole", "") if everywhere else ("Role", f"/namespaces/{namespace}")
    base = f"/apis/{RBAC}/v1{scope}/{kind.lower()}"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    reference = {"apiGroup": RBAC, "kind": kind, "name": name}
    cluster.request("POST", f"{base}s", {"metadata": {"name": name}, "rules": [*rules]})
    cluster.request(
        "POST", f"{base}bindings", {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference}
    )
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    token = cluster.request("POST", path, {"spec": {"audiences": []}})["status"]["token"]
    api = client.ApiClient(with_token(cluster, token))
    try:
        yield Cluster(api)
    finally:
        api.close()
        cluster.request("DELETE", f"{base}bindings/{name}")
        cluster.request("DELETE", f"{base}s/{name}")


def with_token(cluster: Cluster, token: str) -> client.Configuration:
    """The same server, asked with another token."""
    known = cluster.api.configuration
    made = client.Configuration(host=known.host)
    made.ssl_ca_cert = known.ssl_ca_cert
    made.api_key = {"authorization": f"Bearer {token}"}
    return made


def code(cluster: Cluster, path: str) -> int:
    """The HTTP status of a GET."""
    try:
        cluster.request("GET", path)
    except ApiException as error:
        return int(error.status)
    return 200


def becomes(cluster: Cluster, path: str, status: int) -> None:
    """A real server takes a moment to see a new role."""
    eventually(lambda: code(cluster, path) == status)
