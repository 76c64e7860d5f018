"""Merge, JSON and strategic merge patches."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, refusal

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture
def config_map(cluster: Cluster, namespace: str, name: str) -> str:
    meta = {"name": name, "labels": {"a": "1", "b": "2"}}
    cluster.core.create_namespaced_config_map(namespace, {"metadata": meta, "data": {"x": "1", "y": "2"}})
    return f"/api/v1/namespaces/{namespace}/configmaps/{name}"


@pytest.fixture
def deployment(cluster: Cluster, namespace: str, name: str) -> str:
    containers = [
        {"name": "one", "image": "busybox:1.36", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"name": "two", "image": "busybox:1.36"},
    ]
    labels = {"app": name}
    body = {
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }
    cluster.apps.create_namespaced_deployment(namespace, body)
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def containers_of(obj: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = obj["spec"]["template"]["spec"]["containers"]
    return found


def template(**spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": spec}}}


def test_merge_patch(cluster: Cluster, config_map: str) -> None:
    patched = cluster.patch(config_map, {"data": {"x": None, "z": "3"}}, MERGE)

    assert patched["data"] == {"y": "2", "z": "3"}


def test_merge_patch_with_stale_version(cluster: Cluster, config_map: str) -> None:
    first = cluster.patch(config_map, {"data": {"x": "2"}}, MERGE)
    cluster.patch(config_map, {"data": {"x": "3"}}, MERGE)
    version = {"resourceVersion": first["metadata"]["resourceVersion"]}

    with pytest.raises(ApiException) as error:
        cluster.patch(config_map, {"metadata": version, "data": {"x": "4"}}, MERGE)

    assert refusal(error.value)["reason"] == "Conflict"


def test_json_patch(cluster: Cluster, config_map: str) -> None:
    operations = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "replace", "path": "/data/x", "value": "9"},
        {"op": "remove", "path": "/metadata/labels/a"},
        {"op": "add", "path": "/metadata/labels/example.com~1c", "value": "3"},
    ]
    patched = cluster.patch(config_map, operations, JSON)

    assert patched["data"] == {"x": "9", "y": "2"}
    assert patched["metadata"]["labels"] == {"b": "2", "example.com/c": "3"}


def test_json_patch_that_does_not_apply(cluster: Cluster, config_map: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.patch(config_map, [{"op": "test", "path": "/data/x", "value": "other"}], JSON)

    assert (error.value.status, refusal(error.value)["reason"]) == (422, "Invalid")


def test_strategic_patch_of_map(cluster: Cluster, config_map: str) -> None:
    patched = cluster.patch(config_map, {"metadata": {"labels": {"a": None, "c": "3"}}}, STRATEGIC)

    assert patched["metadata"]["labels"] == {"b": "2", "c": "3"}


def test_strategic_patch_merges_containers_by_name(cluster: Cluster, deployment: str) -> None:
    env = [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]
    patched = cluster.patch(deployment, template(containers=[{"name": "one", "env": env}]), STRATEGIC)

    one, two = containers_of(patched)
    assert (one["image"], two["name"]) == ("busybox:1.36", "two")
    assert {e["name"]: e["value"] for e in one["env"]} == {"A": "1", "B": "3", "C": "4"}


def test_strategic_patch_deletes_by_name(cluster: Cluster, deployment: str) -> None:
    patch = template(containers=[{"name": "two", "$patch": "delete"}])

    assert [c["name"] for c in containers_of(cluster.patch(deployment, patch, STRATEGIC))] == ["one"]


def test_strategic_patch_replaces_list(cluster: Cluster, deployment: str) -> None:
    patch = template(containers=[{"name": "new", "image": "busybox:1.36"}, {"$patch": "replace"}])

    assert [c["name"] for c in containers_of(cluster.patch(deployment, patch, STRATEGIC))] == ["new"]


def test_strategic_patch_keeps_order(cluster: Cluster, deployment: str) -> None:
    patch = template(containers=[{"name": "three", "image": "busybox:1.36"}])
    patch["spec"]["template"]["spec"]["$setElementOrder/containers"] = [
        {"name": "three"},
        {"name": "two"},
        {"name": "one"},
    ]
    patched = cluster.patch(deployment, patch, STRATEGIC)

    assert [c["name"] for c in containers_of(patched)] == ["three", "two", "one"]


def test_strategic_patch_retains_keys(cluster: Cluster, deployment: str) -> None:
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}

    assert cluster.patch(deployment, patch, STRATEGIC)["spec"]["strategy"] == {"type": "Recreate"}


def test_merge_patch_replaces_lists(cluster: Cluster, deployment: str) -> None:
    patch = template(containers=[{"name": "only", "image": "busybox:1.36"}])

    assert [c["name"] for c in containers_of(cluster.patch(deployment, patch, MERGE))] == ["only"]


def test_strategic_patch_of_service_ports(cluster: Cluster, namespace: str, name: str) -> None:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    cluster.core.create_namespaced_service(namespace, {"metadata": {"name": name}, "spec": {"ports": ports}})

    patch = {"spec": {"ports": [{"port": 81, "targetPort": 9000}]}}
    patched = cluster.patch(f"/api/v1/namespaces/{namespace}/services/{name}", patch, STRATEGIC)

    assert {p["port"]: p["targetPort"] for p in patched["spec"]["ports"]} == {80: 80, 81: 9000}


def test_scale(cluster: Cluster, deployment: str) -> None:
    scaled = cluster.patch(f"{deployment}/scale", {"spec": {"replicas": 2}}, MERGE)
    back = cluster.patch(f"{deployment}/scale", {"spec": {"replicas": 0}}, MERGE)

    assert (scaled["kind"], scaled["spec"]["replicas"]) == ("Scale", 2)
    assert back["spec"].get("replicas", 0) == 0


def test_custom_resources_take_no_strategic_patch(cluster: Cluster, widgets: Any, namespace: str, name: str) -> None:
    widgets.create(namespace, name)
    path = f"/apis/{widgets.group}/{widgets.stored}/namespaces/{namespace}/widgets/{name}"

    with pytest.raises(ApiException) as error:
        cluster.patch(path, {"spec": {"size": 2}}, STRATEGIC)

    assert (error.value.status, refusal(error.value)["reason"]) == (415, "UnsupportedMediaType")
    assert cluster.patch(path, {"spec": {"size": 2}}, MERGE)["spec"]["size"] == 2
