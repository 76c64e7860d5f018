"""Namespaces, garbage collection, ReplicaSets: what happens without anybody asking again."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, Widgets, eventually, fields, refusal


def exists(cluster: Cluster, namespace: str, name: str) -> bool:
    return bool(cluster.core.list_namespaced_config_map(namespace, field_selector=f"metadata.name={name}").items)


def owned_by(owner: Any, name: str) -> dict[str, Any]:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner.metadata.name, "uid": owner.metadata.uid}
    return {"metadata": {"name": name, "ownerReferences": [{**reference, "blockOwnerDeletion": True}]}}


@pytest.fixture
def family(cluster: Cluster, namespace: str, name: str) -> tuple[str, str]:
    """An owner and what it owns."""
    owner = cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}})
    cluster.core.create_namespaced_config_map(namespace, owned_by(owner, f"{name}-child"))
    return name, f"{name}-child"


def test_background_deletion(cluster: Cluster, namespace: str, family: tuple[str, str]) -> None:
    owner, child = family
    cluster.core.delete_namespaced_config_map(owner, namespace, propagation_policy="Background")

    assert not exists(cluster, namespace, owner)
    eventually(lambda: not exists(cluster, namespace, child))


def test_foreground_deletion(cluster: Cluster, namespace: str, family: tuple[str, str]) -> None:
    owner, child = family
    patch = {"metadata": {"finalizers": ["example.com/hold"]}}
    cluster.core.patch_namespaced_config_map(child, namespace, patch)
    cluster.core.delete_namespaced_config_map(owner, namespace, propagation_policy="Foreground")

    def child_is_marked() -> bool:
        return bool(cluster.core.read_namespaced_config_map(child, namespace).metadata.deletion_timestamp)

    assert eventually(child_is_marked)
    held = cluster.core.read_namespaced_config_map(owner, namespace)
    assert held.metadata.finalizers == ["foregroundDeletion"]
    cluster.core.patch_namespaced_config_map(child, namespace, {"metadata": {"finalizers": None}})
    eventually(lambda: not exists(cluster, namespace, owner) and not exists(cluster, namespace, child))


def test_orphans(cluster: Cluster, namespace: str, family: tuple[str, str]) -> None:
    owner, child = family
    cluster.core.delete_namespaced_config_map(owner, namespace, propagation_policy="Orphan")

    eventually(lambda: not exists(cluster, namespace, owner))
    assert cluster.core.read_namespaced_config_map(child, namespace).metadata.owner_references is None


def test_one_of_two_owners_goes(cluster: Cluster, namespace: str, name: str) -> None:
    owners = [cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-{n}"}}) for n in "ab"]
    body = owned_by(owners[0], name)
    body["metadata"]["ownerReferences"] += owned_by(owners[1], name)["metadata"]["ownerReferences"]
    cluster.core.create_namespaced_config_map(namespace, body)

    cluster.core.delete_namespaced_config_map(f"{name}-a", namespace)

    def owner_names() -> list[str]:
        references = cluster.core.read_namespaced_config_map(name, namespace).metadata.owner_references
        return [r.name for r in references]

    assert eventually(lambda: owner_names() == [f"{name}-b"])


def test_new_namespace(cluster: Cluster, name: str) -> None:
    created = cluster.core.create_namespace({"metadata": {"name": name}})

    assert (created.status.phase, created.spec.finalizers) == ("Active", ["kubernetes"])
    assert eventually(lambda: cluster.core.read_namespaced_service_account("default", name))
    ca = eventually(lambda: cluster.core.read_namespaced_config_map("kube-root-ca.crt", name))
    assert ca.data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
    cluster.core.delete_namespace(name)


def test_namespace_goes_with_everything_in_it(cluster: Cluster, widgets: Widgets, name: str) -> None:
    cluster.core.create_namespace({"metadata": {"name": name}})
    held = {"name": "held", "finalizers": ["example.com/hold"]}
    cluster.core.create_namespaced_config_map(name, {"metadata": held})
    cluster.core.create_namespaced_service(name, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    widgets.create(name, "one")

    cluster.core.delete_namespace(name)

    assert cluster.core.read_namespace(name).status.phase == "Terminating"
    with pytest.raises(ApiException) as error:
        cluster.core.create_namespaced_config_map(name, {"metadata": {"name": "late"}})
    status = refusal(error.value)
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    place = widgets.place(name)
    eventually(lambda: not cluster.custom.list_namespaced_custom_object(*place)["items"])
    cluster.core.patch_namespaced_config_map("held", name, {"metadata": {"finalizers": None}})
    selector = f"metadata.name={name}"
    eventually(lambda: not cluster.core.list_namespace(field_selector=selector).items)


def test_deployment_makes_replica_set(cluster: Cluster, namespace: str, name: str) -> None:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "busybox:1.36"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    made = cluster.apps.create_namespaced_deployment(namespace, {"metadata": {"name": name}, "spec": spec})

    def replica_sets() -> list[Any]:
        found: list[Any] = cluster.apps.list_namespaced_replica_set(namespace, label_selector=f"app={name}").items
        return found

    (replica_set,) = eventually(replica_sets)
    digest = replica_set.metadata.labels["pod-template-hash"]
    assert replica_set.metadata.name == f"{name}-{digest}"
    assert replica_set.spec.selector.match_labels == {**labels, "pod-template-hash": digest}
    assert replica_set.metadata.annotations["deployment.kubernetes.io/revision"] == "1"
    (owner,) = replica_set.metadata.owner_references
    assert (owner.kind, owner.uid, owner.controller) == ("Deployment", made.metadata.uid, True)
    cluster.apps.delete_namespaced_deployment(name, namespace)
    assert eventually(lambda: not replica_sets())


def test_kept_namespaces(cluster: Cluster) -> None:
    with pytest.raises(ApiException) as error:
        cluster.core.delete_namespace("kube-system")

    assert refusal(error.value)["reason"] == "Forbidden"


def test_replica_set_needs_template(cluster: Cluster, namespace: str, name: str) -> None:
    body = {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {}}}

    with pytest.raises(ApiException) as error:
        cluster.request("POST", f"/apis/apps/v1/namespaces/{namespace}/replicasets", body)

    assert "spec.template.spec.containers" in fields(refusal(error.value))
