"""Tokens: who may ask, and who asks."""

from __future__ import annotations

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, Object, eventually, refusal


def with_token(cluster: Cluster, token: str | None) -> client.CoreV1Api:
    known = cluster.api.configuration
    configuration = client.Configuration(host=known.host)
    configuration.ssl_ca_cert = known.ssl_ca_cert
    if token is not None:
        configuration.api_key = {"authorization": f"Bearer {token}"}
    return client.CoreV1Api(client.ApiClient(configuration))


def issue(cluster: Cluster, namespace: str, account: str, **spec: object) -> Object:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [], **spec}}
    return cluster.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", body)


def review(cluster: Cluster, token: str, *audiences: str) -> Object:
    spec: Object = {"token": token, "audiences": [*audiences]} if audiences else {"token": token}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    status: Object = cluster.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)["status"]
    return status


def test_forged_token_is_unauthorized(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ApiException) as error:
        with_token(cluster, "forged").list_namespaced_pod(namespace)

    status = refusal(error.value)
    assert (status["code"], status["reason"], status["message"]) == (401, "Unauthorized", "Unauthorized")


def test_nobody_may_read_without_a_token(cluster: Cluster, namespace: str) -> None:
    """A real server takes them for system:anonymous, who is forbidden; this one for nobody at all."""
    with pytest.raises(ApiException) as error:
        with_token(cluster, None).list_namespaced_pod(namespace)

    assert error.value.status in (401, 403)


def test_token_of_account(cluster: Cluster, namespace: str, name: str) -> None:
    account = cluster.core.create_namespaced_service_account(namespace, {"metadata": {"name": name}})
    token = issue(cluster, namespace, name)["status"]["token"]

    status = review(cluster, token)

    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:{name}"
    assert status["user"]["uid"] == account.metadata.uid
    assert {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"} <= set(
        status["user"]["groups"]
    )


def test_token_with_audience(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.core.create_namespaced_service_account(namespace, {"metadata": {"name": name}})
    token = issue(cluster, namespace, name, audiences=["mesh"])["status"]["token"]

    assert review(cluster, token, "other", "mesh")["audiences"] == ["mesh"]
    assert not review(cluster, token, "other").get("authenticated")
    assert not review(cluster, token).get("authenticated")


def test_forged_token_is_not_authenticated(cluster: Cluster) -> None:
    assert not review(cluster, "a.b.c").get("authenticated")


def test_token_dies_with_its_account(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.core.create_namespaced_service_account(namespace, {"metadata": {"name": name}})
    token = issue(cluster, namespace, name)["status"]["token"]
    cluster.core.delete_namespaced_service_account(name, namespace)

    # A real server may remember a token that it has just seen.
    assert eventually(lambda: not review(cluster, token).get("authenticated"))


def test_token_for_missing_account(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ApiException) as error:
        issue(cluster, namespace, "nobody")

    assert error.value.status == 404


def test_token_that_would_be_too_short(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ApiException) as error:
        issue(cluster, namespace, "default", expirationSeconds=60)

    assert refusal(error.value)["reason"] == "Invalid"


def test_access_review(cluster: Cluster, namespace: str) -> None:
    attributes = {"namespace": namespace, "verb": "get", "resource": "pods"}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = cluster.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)

    assert answer["status"]["allowed"] is True
