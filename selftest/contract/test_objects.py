"""Objects: create, read, update, delete, list; errors and their Status."""

from __future__ import annotations

import pytest
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, fields, refusal


def test_object_gets_identity(cluster: Cluster, namespace: str, name: str) -> None:
    created = cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}, "data": {"a": "1"}})

    assert created.metadata.uid
    assert created.metadata.resource_version
    assert created.metadata.creation_timestamp
    assert created.metadata.generation is None
    assert cluster.core.read_namespaced_config_map(name, namespace).data == {"a": "1"}


def test_same_name_twice(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}})

    with pytest.raises(ApiException) as error:
        cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}})

    status = refusal(error.value)
    assert (status["code"], status["reason"]) == (409, "AlreadyExists")
    assert status["details"] == {"name": name, "kind": "configmaps"}
    assert status["message"] == f'configmaps "{name}" already exists'


def test_missing_object(cluster: Cluster, namespace: str, name: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.apps.read_namespaced_deployment(name, namespace)

    status = refusal(error.value)
    assert (status["code"], status["reason"]) == (404, "NotFound")
    assert status["details"] == {"name": name, "group": "apps", "kind": "deployments"}
    assert status["message"] == f'deployments.apps "{name}" not found'


def test_missing_resource(cluster: Cluster) -> None:
    with pytest.raises(ApiException) as error:
        cluster.custom.list_cluster_custom_object("nobody.example.com", "v1", "nothings")

    assert error.value.status == 404


def test_missing_namespace(cluster: Cluster, name: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.core.create_namespaced_config_map(name, {"metadata": {"name": "a"}})

    status = refusal(error.value)
    assert (status["reason"], status["details"]["kind"]) == ("NotFound", "namespaces")


def test_namespace_contradicts_path(cluster: Cluster, namespace: str, name: str) -> None:
    body = {"metadata": {"name": name, "namespace": "default"}}

    with pytest.raises(ApiException) as error:
        cluster.core.create_namespaced_config_map(namespace, body)

    assert refusal(error.value)["reason"] == "BadRequest"


def test_stale_update_conflicts(cluster: Cluster, namespace: str, name: str) -> None:
    first = cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}, "data": {"a": "1"}})
    first.data = {"a": "2"}
    second = cluster.core.replace_namespaced_config_map(name, namespace, first)

    with pytest.raises(ApiException) as error:
        cluster.core.replace_namespaced_config_map(name, namespace, first)

    status = refusal(error.value)
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert status["details"] == {"name": name, "kind": "configmaps"}
    assert second.metadata.resource_version != first.metadata.resource_version
    assert second.metadata.uid == first.metadata.uid


def test_update_without_version_is_unconditional(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}})

    body = {"metadata": {"name": name}, "data": {"a": "1"}}
    assert cluster.core.replace_namespaced_config_map(name, namespace, body).data == {"a": "1"}


def test_update_that_changes_nothing_keeps_version(cluster: Cluster, namespace: str, name: str) -> None:
    created = cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}})

    same = cluster.core.replace_namespaced_config_map(name, namespace, created)

    assert same.metadata.resource_version == created.metadata.resource_version


def test_generated_names_differ(cluster: Cluster, namespace: str, name: str) -> None:
    body = {"metadata": {"generateName": f"{name}-"}}
    names = {cluster.core.create_namespaced_config_map(namespace, body).metadata.name for _ in range(3)}

    assert len(names) == 3
    assert all(n.startswith(f"{name}-") and len(n) == len(name) + 6 for n in names)


@pytest.mark.parametrize("bad", ["Upper", "under_score", "-a", "a" * 254])
def test_bad_name(cluster: Cluster, namespace: str, bad: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": bad}})

    status = refusal(error.value)
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert (status["details"]["kind"], fields(status)) == ("ConfigMap", {"metadata.name"})
    assert status["details"]["causes"][0]["reason"] == "FieldValueInvalid"


def test_missing_name(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.core.create_namespaced_config_map(namespace, {"metadata": {}})

    assert refusal(error.value)["details"]["causes"][0]["reason"] == "FieldValueRequired"


@pytest.mark.parametrize("bad", ["1web", "web.a", "a" * 64])
def test_bad_service_name(cluster: Cluster, namespace: str, bad: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.core.create_namespaced_service(
            namespace, {"metadata": {"name": bad}, "spec": {"ports": [{"port": 80}]}}
        )

    assert fields(refusal(error.value)) == {"metadata.name"}


def test_bad_label(cluster: Cluster, namespace: str, name: str) -> None:
    body = {"metadata": {"name": name, "labels": {"app": "not ok"}}}

    with pytest.raises(ApiException) as error:
        cluster.core.create_namespaced_config_map(namespace, body)

    assert fields(refusal(error.value)) == {"metadata.labels"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=a", {"1", "2"}),
        ("app==a,tier!=x", {"2"}),
        ("app in (a, b)", {"1", "2", "3"}),
        ("app notin (a)", {"3", "4"}),
        ("tier", {"1"}),
        ("!app", {"4"}),
        ("app in (a,b),!tier", {"2", "3"}),
    ],
)
def test_label_selectors(cluster: Cluster, namespace: str, name: str, selector: str, expected: set[str]) -> None:
    own = {"set": name}
    sets = {"1": {"app": "a", "tier": "x"}, "2": {"app": "a"}, "3": {"app": "b"}, "4": {}}
    for key, labels in sets.items():
        meta = {"name": f"{name}-{key}", "labels": {**own, **labels}}
        cluster.core.create_namespaced_config_map(namespace, {"metadata": meta})

    found = cluster.core.list_namespaced_config_map(namespace, label_selector=f"set={name},{selector}")

    assert {c.metadata.name.rpartition("-")[2] for c in found.items} == expected


def test_bad_label_selector(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.core.list_namespaced_config_map(namespace, label_selector="a in b")

    assert refusal(error.value)["reason"] == "BadRequest"


def test_field_selectors(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}})

    named = cluster.core.list_config_map_for_all_namespaces(field_selector=f"metadata.name={name}")
    other = cluster.core.list_namespaced_config_map(namespace, field_selector=f"metadata.name!={name}")

    assert [c.metadata.name for c in named.items] == [name]
    assert name not in [c.metadata.name for c in other.items]
    with pytest.raises(ApiException) as error:
        cluster.core.list_namespaced_config_map(namespace, field_selector="data.a=1")
    assert error.value.status == 400


def test_pages(cluster: Cluster, namespace: str, name: str) -> None:
    for index in range(5):
        meta = {"name": f"{name}-{index}", "labels": {"set": name}}
        cluster.core.create_namespaced_config_map(namespace, {"metadata": meta})
    seen, following = [], None
    while following != "":
        page = cluster.core.list_namespaced_config_map(
            namespace, label_selector=f"set={name}", limit=2, _continue=following
        )
        seen += [c.metadata.name for c in page.items]
        following = page.metadata._continue or ""

    assert seen == [f"{name}-{index}" for index in range(5)]


def test_dry_run_leaves_no_trace(cluster: Cluster, namespace: str, name: str) -> None:
    created = cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}}, dry_run="All")

    assert created.metadata.uid
    with pytest.raises(ApiException):
        cluster.core.read_namespaced_config_map(name, namespace)


def test_delete_with_wrong_uid(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}})

    with pytest.raises(ApiException) as error:
        cluster.core.delete_namespaced_config_map(name, namespace, body={"preconditions": {"uid": "other"}})

    assert refusal(error.value)["reason"] == "Conflict"


def test_delete_answers_with_status(cluster: Cluster, namespace: str, name: str) -> None:
    created = cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}})

    status = cluster.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/{name}")

    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"] == {"name": name, "kind": "configmaps", "uid": created.metadata.uid}


def test_delete_collection(cluster: Cluster, namespace: str, name: str) -> None:
    for index in range(3):
        meta = {"name": f"{name}-{index}", "labels": {"set": name, "odd": str(index % 2)}}
        cluster.core.create_namespaced_config_map(namespace, {"metadata": meta})

    cluster.core.delete_collection_namespaced_config_map(namespace, label_selector=f"set={name},odd=0")

    left = cluster.core.list_namespaced_config_map(namespace, label_selector=f"set={name}")
    assert [c.metadata.name for c in left.items] == [f"{name}-1"]


def test_finalizer_delays_deletion(cluster: Cluster, namespace: str, name: str) -> None:
    meta = {"name": name, "finalizers": ["example.com/hold"]}
    cluster.core.create_namespaced_config_map(namespace, {"metadata": meta})

    cluster.core.delete_namespaced_config_map(name, namespace)
    held = cluster.core.read_namespaced_config_map(name, namespace)
    cluster.core.patch_namespaced_config_map(name, namespace, {"metadata": {"finalizers": None}})

    assert held.metadata.deletion_timestamp
    with pytest.raises(ApiException) as error:
        cluster.core.read_namespaced_config_map(name, namespace)
    assert error.value.status == 404


def test_verb_that_is_not_there(cluster: Cluster) -> None:
    with pytest.raises(ApiException) as error:
        cluster.request("PUT", "/api/v1/namespaces/default/configmaps", {})

    assert (error.value.status, refusal(error.value)["reason"]) == (405, "MethodNotAllowed")
