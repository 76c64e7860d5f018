"""RBAC: what roles allow, and what a refusal says."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import ApiException

from selftest.contract.accounts import account, becomes, code, rule
from selftest.contract.cluster import Cluster, refusal

REVIEWS = "/apis/authorization.k8s.io/v1"


def pods(namespace: str, *rest: str) -> str:
    return "/".join([f"/api/v1/namespaces/{namespace}/pods", *rest])


def test_an_account_without_a_role_reads_nothing(cluster: Cluster, namespace: str, name: str) -> None:
    with account(cluster, namespace, name) as mine, pytest.raises(ApiException) as error:
        mine.request("GET", pods(namespace))

    status, user = refusal(error.value), f"system:serviceaccount:{namespace}:{name}"
    expected = f'User "{user}" cannot list resource "pods" in API group "" in the namespace "{namespace}"'
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["message"] == f"pods is forbidden: {expected}"
    assert status["details"] == {"kind": "pods"}


def test_a_refusal_names_object_and_subresource(cluster: Cluster, namespace: str, name: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web/scale"
    with account(cluster, namespace, name) as mine, pytest.raises(ApiException) as error:
        mine.request("GET", path)

    status = refusal(error.value)
    assert status["message"].startswith('deployments.apps "web" is forbidden: User ')
    assert 'cannot get resource "deployments/scale" in API group "apps" in the namespace' in status["message"]
    assert status["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


def test_a_refusal_at_the_cluster_scope(cluster: Cluster, namespace: str, name: str) -> None:
    with account(cluster, namespace, name) as mine, pytest.raises(ApiException) as error:
        mine.request("GET", "/api/v1/nodes")

    assert refusal(error.value)["message"].endswith('cannot list resource "nodes" in API group "" at the cluster scope')


def test_a_role_opens_its_namespace_only(cluster: Cluster, namespace: str, name: str) -> None:
    with account(cluster, namespace, name, rule("", "pods")) as mine:
        becomes(mine, pods(namespace), 200)
        assert [code(mine, path) for path in (pods("default"), "/api/v1/pods", pods(namespace, "none"))] == [
            403,
            403,
            404,
        ]


def test_a_cluster_role_opens_all_namespaces(cluster: Cluster, namespace: str, name: str) -> None:
    with account(cluster, namespace, name, rule("", "pods"), everywhere=True) as mine:
        becomes(mine, "/api/v1/pods", 200)
        assert [code(mine, pods("default")), code(mine, f"/api/v1/namespaces/{namespace}/services")] == [200, 403]


def test_verbs_are_told_apart(cluster: Cluster, namespace: str, name: str) -> None:
    with account(cluster, namespace, name, rule("", "pods", verbs=("get",))) as mine:
        becomes(mine, pods(namespace, "none"), 404)
        assert code(mine, pods(namespace)) == 403
        with pytest.raises(ApiException) as error:
            mine.request("DELETE", pods(namespace, "none"))
    assert error.value.status == 403


@pytest.mark.parametrize(
    ("resources", "sub", "whole"),
    [("pods/status", 404, 403), ("pods", 403, 404), ("*/status", 404, 403), ("*", 404, 404)],
)
def test_subresources_need_a_rule_of_their_own(
    cluster: Cluster, namespace: str, name: str, resources: str, sub: int, whole: int
) -> None:
    with account(cluster, namespace, name, rule("", resources)) as mine:
        becomes(mine, pods(namespace, "none", "status"), sub)
        becomes(mine, pods(namespace, "none"), whole)


def test_rules_may_name_objects(cluster: Cluster, namespace: str, name: str) -> None:
    with account(cluster, namespace, name, rule("", "pods", resourceNames=["mine"])) as mine:
        becomes(mine, pods(namespace, "mine"), 404)
        assert code(mine, pods(namespace, "other")) == 403
        assert code(mine, pods(namespace) + "?fieldSelector=metadata.name%3Dmine") == 200
        assert code(mine, pods(namespace)) == 403


def test_what_follows_a_namespace_is_no_subresource_of_it(cluster: Cluster, namespace: str, name: str) -> None:
    """`namespaces/NAME/edges` is about a resource `edges` in that namespace."""
    path = f"/apis/metrics.example.com/v1/namespaces/{namespace}/edges"
    given = rule("metrics.example.com", "namespaces/edges")
    with account(cluster, namespace, name, given) as mine, pytest.raises(ApiException) as error:
        mine.request("GET", path)

    expected = f'cannot list resource "edges" in API group "metrics.example.com" in the namespace "{namespace}"'
    assert refusal(error.value)["message"].endswith(expected)


def test_discovery_is_open_to_every_account(cluster: Cluster, namespace: str, name: str) -> None:
    with account(cluster, namespace, name) as mine:
        assert [code(mine, path) for path in ("/api", "/apis", "/apis/apps/v1", "/version")] == [200] * 4
        with pytest.raises(ApiException) as error:
            mine.request("GET", "/metrics")
    assert "cannot get path" in refusal(error.value)["message"]


def review(cluster: Cluster, kind: str, **spec: Any) -> Any:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    return cluster.request("POST", f"{REVIEWS}/{kind.lower()}s", body)["status"]


def test_access_reviews_tell_what_would_happen(cluster: Cluster, namespace: str, name: str) -> None:
    user = f"system:serviceaccount:{namespace}:{name}"
    wanted = {"namespace": namespace, "verb": "get", "resource": "pods", "subresource": "log"}
    with account(cluster, namespace, name, rule("", "pods/log")) as mine:
        becomes(mine, pods(namespace, "none", "log"), 404)
        own = review(mine, "SelfSubjectAccessReview", resourceAttributes=wanted)
        other = review(cluster, "SubjectAccessReview", user=user, resourceAttributes={**wanted, "subresource": ""})
        allowed = review(cluster, "SubjectAccessReview", user=user, resourceAttributes=wanted)
        with pytest.raises(ApiException) as error:
            review(mine, "SubjectAccessReview", user=user, resourceAttributes=wanted)

    expected = (
        f'RBAC: allowed by RoleBinding "{name}/{namespace}" of Role "{name}" to ServiceAccount "{name}/{namespace}"'
    )
    assert own == {"allowed": True, "reason": expected}
    assert allowed == own
    assert other["allowed"] is False
    assert error.value.status == 403


@pytest.mark.parametrize("group", ["system:masters", "nobody"])
def test_reviews_of_groups(cluster: Cluster, group: str) -> None:
    found = review(
        cluster,
        "SubjectAccessReview",
        user="somebody",
        groups=[group],
        nonResourceAttributes={"path": "/x", "verb": "get"},
    )
    assert found["allowed"] is (group == "system:masters")
