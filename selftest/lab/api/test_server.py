"""The server as clients meet it: the dynamic client, discovery, tables, authentication."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import urllib3
from kubernetes import client, watch
from kubernetes.client import ApiException

from selftest.lab.api.conftest import ADMIN, Running


def get(running: Running, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(ca_certs=running.ca) as pool:
        return pool.request("GET", running.url + path, headers=headers)


def authorized(running: Running, path: str, **headers: str) -> Any:
    answer = get(running, path, Authorization=f"Bearer {ADMIN}", **headers)
    return json.loads(answer.data)


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/readyz/ping", "/version"])
def test_open_paths(running: Running, path: str) -> None:
    assert get(running, path).status == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}, {"Authorization": f"Basic {ADMIN}"}])
@pytest.mark.parametrize("path", ["/api", "/apis", "/api/v1/pods", "/nothing", "/openapi/v2"])
def test_everything_else_needs_a_token(running: Running, path: str, headers: dict[str, str]) -> None:
    answer = get(running, path, **headers)

    assert (answer.status, json.loads(answer.data)["reason"]) == (401, "Unauthorized")


def test_tokens_of_pods_die_with_them(running: Running, core: client.CoreV1Api, namespace: str) -> None:
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}
    core.create_namespaced_pod(namespace, body)
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"metadata": {"name": "default"}, "subjects": [subject], "roleRef": role}
    client.RbacAuthorizationV1Api(core.api_client).create_namespaced_role_binding(namespace, binding)
    bound = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    request = {"spec": {"audiences": ["a"], "boundObjectRef": bound}}
    made = core.create_namespaced_service_account_token("default", namespace, request)
    api = running.api(made.status.token)
    assert client.CoreV1Api(api).list_namespaced_pod(namespace).items

    core.delete_namespaced_pod("p", namespace, grace_period_seconds=0)
    with pytest.raises(ApiException) as error:
        client.CoreV1Api(api).list_namespaced_pod(namespace)
    assert error.value.status == 401
    api.close()


def test_dynamic_client(dynamic: Any, namespace: str) -> None:
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}

    deployments.create(body=body, namespace=namespace)

    told = deployments.watch(namespace=namespace, timeout=5)
    assert any(e["object"].status.readyReplicas == 2 for e in told)


def test_table_for_kubectl(running: Running, core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_service(namespace, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    path = f"/api/v1/namespaces/{namespace}/services"

    table = authorized(running, path, Accept="application/json;as=Table;v=v1;g=meta.k8s.io,application/json")

    cells = dict(zip([c["name"] for c in table["columnDefinitions"]], table["rows"][0]["cells"], strict=True))
    assert (table["kind"], cells["Name"], cells["Type"], cells["Port(s)"]) == ("Table", "s", "ClusterIP", "80/TCP")


def test_bookmarks_when_asked(core: client.CoreV1Api, running: Running, namespace: str) -> None:
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    path = f"/api/v1/namespaces/{namespace}/configmaps?{query}&timeoutSeconds=1"
    answer = get(running, path, Authorization=f"Bearer {ADMIN}")

    events = [json.loads(line) for line in answer.data.splitlines()]
    assert events[-1]["type"] == "BOOKMARK"
    marks = [e for e in events if e["object"]["metadata"].get("annotations")]
    assert marks[0]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_events_come_at_once(core: client.CoreV1Api, running: Running, namespace: str) -> None:
    stream = watch.Watch().stream(core.list_namespaced_secret, namespace, timeout_seconds=5)
    delays = []
    running.within(lambda: running.store.create("secrets", {"metadata": {"name": "first", "namespace": namespace}}))
    next(stream)
    for n in range(20):
        secret = {"metadata": {"name": f"s{n}", "namespace": namespace}}
        began = time.monotonic()
        running.within(lambda secret=secret: running.store.create("secrets", secret))  # type: ignore[misc]
        next(stream)
        delays.append(time.monotonic() - began)

    assert sorted(delays)[10] < 0.05


def test_protobuf_is_refused(running: Running) -> None:
    headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/vnd.kubernetes.protobuf"}
    with urllib3.PoolManager(ca_certs=running.ca) as pool:
        answer = pool.request("POST", f"{running.url}/api/v1/namespaces", headers=headers, body=b"k8s\0")

    assert (answer.status, json.loads(answer.data)["reason"]) == (415, "UnsupportedMediaType")


def test_versions_are_preferred_as_kubernetes_does(running: Running, namespace: str) -> None:
    names = ["v1alpha3", "v1", "v1beta1", "v2", "v1alpha4", "other"]
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": n, "served": True, "storage": n == "v1", "schema": schema} for n in names]
    crd = {
        "metadata": {"name": "as.order.test"},
        "spec": {
            "group": "order.test",
            "scope": "Cluster",
            "names": {"plural": "as", "kind": "A"},
            "conversion": {"strategy": "None"},
            "versions": versions,
        },
    }
    running.within(lambda: running.store.create("customresourcedefinitions.apiextensions.k8s.io", crd))

    group = authorized(running, "/apis/order.test")

    assert [v["version"] for v in group["versions"]] == ["v2", "v1", "v1beta1", "v1alpha4", "v1alpha3", "other"]


@pytest.mark.parametrize(
    ("resource", "body"),
    [
        ("pods", {"spec": {"containers": "none"}}),
        ("pods", {"spec": []}),
        ("pods", {"spec": {"containers": [{"name": "c", "image": 1}]}}),
        ("services", {"spec": {"ports": [1]}}),
        ("configmaps", {"metadata": {"name": "x", "labels": ["a"]}}),
        ("configmaps", {"metadata": "x"}),
        ("configmaps", []),
        ("secrets", {"stringData": {"a": 1}}),
    ],
    ids=str,
)
def test_malformed_bodies_are_bad_requests(core: client.CoreV1Api, running: Running, resource: str, body: Any) -> None:
    if isinstance(body, dict):
        body = {"metadata": {"name": "x"}, **body}
    headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
    url = f"{running.url}/api/v1/namespaces/default/{resource}"
    with urllib3.PoolManager(ca_certs=running.ca) as pool:
        answer = pool.request("POST", url, headers=headers, body=json.dumps(body))

    assert (answer.status, json.loads(answer.data)["reason"]) == (400, "BadRequest")
