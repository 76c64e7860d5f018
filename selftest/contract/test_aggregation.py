"""APIServices: a server in a pod answers for a group, behind the API server."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiException

from selftest.contract.accounts import account, becomes, code, rule
from selftest.contract.cluster import Cluster, Object, eventually, fields, refusal
from selftest.contract.pods import container, pod, until_ready
from selftest.contract.test_admission import certificate

API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
AUTHENTICATION = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
VERSION = "v1alpha1"
Register = Callable[..., str]


@pytest.fixture(scope="module")
def bundle(cluster: Cluster, namespace: str) -> str:
    """The authority of a server in a pod behind the Service `extension`."""
    ca, both = certificate(f"extension.{namespace}.svc")
    front = cluster.request("GET", AUTHENTICATION)["data"]["requestheader-client-ca-file"]
    data = {
        "extension.py": (Path(__file__).parent / "extension.py").read_text(),
        "tls.pem": both.decode(),
        "front-proxy.pem": front,
    }
    cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": "extension"}, "data": data})
    server = container(
        command=["python3", "/extension/extension.py"],
        readinessProbe={"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        volumeMounts=[{"name": "extension", "mountPath": "/extension"}],
    )
    body = pod("extension", server, app="extension")
    body["spec"]["volumes"] = [{"name": "extension", "configMap": {"name": "extension"}}]
    cluster.core.create_namespaced_pod(namespace, body)
    serve(cluster, namespace, "extension", {"app": "extension"})
    until_ready(cluster, namespace, "extension")
    eventually(lambda: (cluster.core.read_namespaced_endpoints("extension", namespace).subsets or [None])[0])
    return base64.b64encode(ca).decode()


def serve(cluster: Cluster, namespace: str, name: str, selector: Object, target: int = 8443) -> None:
    spec = {"selector": selector, "ports": [{"port": 443, "targetPort": target}]}
    cluster.core.create_namespaced_service(namespace, {"metadata": {"name": name}, "spec": spec})


@pytest.fixture
def register(cluster: Cluster, namespace: str, name: str) -> Iterator[Register]:
    """Registers a group of this test's own with a Service; returns the group."""
    group = f"{name}.example.com"

    def put(service: str, **more: Any) -> str:
        spec = {
            "group": group,
            "version": VERSION,
            "service": {"name": service, "namespace": namespace},
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            **more,
        }
        cluster.request("POST", API_SERVICES, api_service(group, spec))
        return group

    yield put
    with suppress(ApiException):
        cluster.request("DELETE", f"{API_SERVICES}/{VERSION}.{group}")
    assert code(cluster, f"{API_SERVICES}/{VERSION}.{group}") == 404


def api_service(group: str, spec: Object) -> Object:
    named = {"metadata": {"name": f"{VERSION}.{group}"}}
    return {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", **named, "spec": spec}


def available(cluster: Cluster, group: str) -> tuple[str, str]:
    """Status and reason of the condition."""
    found = cluster.request("GET", f"{API_SERVICES}/{VERSION}.{group}").get("status", {})
    conditions = {one["type"]: one for one in found.get("conditions") or ()}
    assert conditions, "no condition yet"
    return conditions["Available"]["status"], conditions["Available"]["reason"]


def until(cluster: Cluster, group: str, *expected: str) -> None:
    eventually(lambda: available(cluster, group) == expected)


def test_requests_are_passed_on(cluster: Cluster, namespace: str, register: Register, bundle: str) -> None:
    group = register("extension", caBundle=bundle)
    until(cluster, group, "True", "Passed")
    path = f"/apis/{group}/{VERSION}/namespaces/{namespace}/things?labelSelector=a%3Db"
    becomes(cluster, path, 200)

    told = cluster.request("GET", path)

    names = json.loads(cluster.request("GET", AUTHENTICATION)["data"]["requestheader-allowed-names"])
    assert told["path"] == path
    assert told["certificate"] == names or not names
    assert told["authorization"] is None
    assert "system:authenticated" in told["groups"]


def test_answers_come_back_as_they_are(cluster: Cluster, register: Register, bundle: str) -> None:
    group = register("extension", caBundle=bundle)
    until(cluster, group, "True", "Passed")
    becomes(cluster, f"/apis/{group}/{VERSION}/teapot", 418)


def test_discovery_names_the_group(cluster: Cluster, register: Register, bundle: str) -> None:
    group = register("extension", caBundle=bundle)
    until(cluster, group, "True", "Passed")
    eventually(lambda: group in {one["name"] for one in cluster.request("GET", "/apis")["groups"]})

    assert cluster.request("GET", f"/apis/{group}")["preferredVersion"]["version"] == VERSION
    becomes(cluster, f"/apis/{group}/{VERSION}", 200)
    assert cluster.request("GET", f"/apis/{group}/{VERSION}")["resources"][0]["kind"] == "Thing"
    assert code(cluster, f"/apis/{group}/v9/things") == 404

    cluster.request("DELETE", f"{API_SERVICES}/{VERSION}.{group}")
    becomes(cluster, f"/apis/{group}/{VERSION}", 404)


def test_nobody_is_believed_who_they_say_they_are(
    cluster: Cluster, namespace: str, name: str, register: Register, bundle: str
) -> None:
    group = register("extension", caBundle=bundle)
    until(cluster, group, "True", "Passed")
    path = f"/apis/{group}/{VERSION}/namespaces/{namespace}/things"
    with account(cluster, namespace, name, rule(group, "things")) as mine:
        becomes(mine, path, 200)
        mine.api.set_default_header("X-Remote-User", "system:admin")
        mine.api.set_default_header("X-Remote-Group", "system:masters")
        told = mine.request("GET", path)

    assert told["user"] == [f"system:serviceaccount:{namespace}:{name}"]
    assert set(told["groups"]) == {
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    }


def test_roles_are_asked_before(cluster: Cluster, namespace: str, name: str, register: Register, bundle: str) -> None:
    group = register("extension", caBundle=bundle)
    until(cluster, group, "True", "Passed")
    base = f"/apis/{group}/{VERSION}/namespaces/{namespace}"
    with account(cluster, namespace, name, rule(group, "things/edges")) as mine:
        becomes(mine, f"{base}/things/a/edges", 200)
        refused = (f"{base}/things/a", f"{base}/things", f"{base}/others/a/edges", f"/apis/{group}/{VERSION}/things")
        assert [code(mine, path) for path in refused] == [403] * 4
        assert code(mine, f"/apis/{group}/{VERSION}") == 200


def test_a_missing_service(cluster: Cluster, register: Register, bundle: str) -> None:
    group = register("no-such-service", caBundle=bundle)
    until(cluster, group, "False", "ServiceNotFound")
    becomes(cluster, f"/apis/{group}/{VERSION}/things", 503)


def test_a_service_without_endpoints(
    cluster: Cluster, namespace: str, name: str, register: Register, bundle: str
) -> None:
    serve(cluster, namespace, name, {"app": "nobody"})
    group = register(name, caBundle=bundle)
    until(cluster, group, "False", "MissingEndpoints")
    becomes(cluster, f"/apis/{group}/{VERSION}/things", 503)


def test_a_server_that_does_not_answer(
    cluster: Cluster, namespace: str, name: str, register: Register, bundle: str
) -> None:
    serve(cluster, namespace, name, {"app": "extension"}, target=9999)
    group = register(name, caBundle=bundle)
    until(cluster, group, "False", "FailedDiscoveryCheck")
    becomes(cluster, f"/apis/{group}/{VERSION}/things", 503)


def test_an_authority_that_is_not_the_servers(cluster: Cluster, register: Register, bundle: str) -> None:
    """It counts as available, for that is found out without looking at certificates; requests fail."""
    other, _ = certificate("extension.example.com")
    group = register("extension", caBundle=base64.b64encode(other).decode())
    until(cluster, group, "True", "Passed")
    becomes(cluster, f"/apis/{group}/{VERSION}/things", 503)


def test_an_authority_need_not_be_named(cluster: Cluster, register: Register, bundle: str) -> None:
    group = register("extension", insecureSkipTLSVerify=True)
    until(cluster, group, "True", "Passed")


def test_names_and_priorities_are_checked(cluster: Cluster, namespace: str, name: str) -> None:
    spec = {"group": f"{name}.example.com", "version": "v2", "service": {"name": "a", "namespace": namespace}}
    with pytest.raises(ApiException) as error:
        cluster.request("POST", API_SERVICES, api_service(f"{name}.example.com", spec))

    status = refusal(error.value)
    assert status["code"] == 422
    assert {"metadata.name", "spec.groupPriorityMinimum", "spec.versionPriority"} <= fields(status)


def test_whom_servers_behind_have_to_believe(cluster: Cluster, namespace: str, name: str) -> None:
    data = cluster.request("GET", AUTHENTICATION)["data"]

    assert json.loads(data["requestheader-username-headers"]) == ["X-Remote-User"]
    assert json.loads(data["requestheader-group-headers"]) == ["X-Remote-Group"]
    assert json.loads(data["requestheader-extra-headers-prefix"]) == ["X-Remote-Extra-"]
    assert data["requestheader-client-ca-file"].startswith("-----BEGIN CERTIFICATE-----")


def test_roles_for_servers_behind(cluster: Cluster) -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1"
    reader = f"{roles}/namespaces/kube-system/roles/extension-apiserver-authentication-reader"
    assert cluster.request("GET", reader)["rules"][0]["resourceNames"] == ["extension-apiserver-authentication"]
    rules = cluster.request("GET", f"{roles}/clusterroles/system:auth-delegator")["rules"]
    assert {resource for one in rules for resource in one["resources"]} == {"tokenreviews", "subjectaccessreviews"}
