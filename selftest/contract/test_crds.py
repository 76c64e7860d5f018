"""Custom resources: versions, pruning, defaults, validation, status, deletion."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from selftest.contract.cluster import SCHEMA, Cluster, Widgets, eventually, fields, refusal

MERGE = "application/merge-patch+json"


def conditions(cluster: Cluster, group: str) -> dict[str, str]:
    crd = cluster.request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")
    return {c["type"]: c["status"] for c in crd["status"]["conditions"]}


def path_of(widgets: Widgets, namespace: str, name: str) -> str:
    return f"/apis/{widgets.group}/{widgets.stored}/namespaces/{namespace}/widgets/{name}"


def test_established(cluster: Cluster, widgets: Widgets) -> None:
    told = conditions(cluster, widgets.group)

    assert (told["Established"], told["NamesAccepted"]) == ("True", "True")


def test_discovery(cluster: Cluster, widgets: Widgets) -> None:
    group = eventually(lambda: cluster.request("GET", f"/apis/{widgets.group}"))
    listed = cluster.request("GET", f"/apis/{widgets.group}/v1alpha1")

    assert [v["version"] for v in group["versions"]] == ["v1beta1", "v1alpha1"]
    assert group["preferredVersion"]["groupVersion"] == f"{widgets.group}/v1beta1"
    assert {r["name"] for r in listed["resources"]} == {"widgets", "widgets/status"}
    assert listed["resources"][0]["singularName"] == "widget"


def test_every_version_serves_every_object(widgets: Widgets, namespace: str, name: str) -> None:
    created = widgets.create(namespace, name, widgets.other, size=3)
    stored = widgets.get(namespace, name)

    assert created["apiVersion"] == f"{widgets.group}/v1alpha1"
    assert stored["apiVersion"] == f"{widgets.group}/v1beta1"
    assert (stored["spec"], stored["metadata"]["uid"]) == (created["spec"], created["metadata"]["uid"])


def test_body_of_another_version(cluster: Cluster, widgets: Widgets, namespace: str, name: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.custom.create_namespaced_custom_object(*widgets.place(namespace), widgets.body(name, widgets.other))

    assert refusal(error.value)["reason"] == "BadRequest"


def test_unknown_fields_are_pruned(widgets: Widgets, namespace: str, name: str) -> None:
    made = widgets.create(
        namespace,
        name,
        unknown=1,
        parts=[{"name": "a", "unknown": 1}],
        sizes={"any": 1},
        free={"deep": {"er": [1]}},
    )

    assert made["spec"] == {
        "size": 1,
        "color": "red",
        "parts": [{"name": "a", "weight": 1}],
        "sizes": {"any": 1},
        "free": {"deep": {"er": [1]}},
    }


def test_nulls(widgets: Widgets, namespace: str, name: str) -> None:
    made = widgets.create(namespace, name, color=None, hint=None, label=None)

    assert made["spec"] == {"size": 1, "color": "red", "hint": None}


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        ({"size": 0}, ("FieldValueInvalid", "spec.size")),
        ({"size": 11}, ("FieldValueInvalid", "spec.size")),
        ({"size": None}, ("FieldValueRequired", "spec.size")),
        ({"color": "blue"}, ("FieldValueNotSupported", "spec.color")),
        ({"label": "A1"}, ("FieldValueInvalid", "spec.label")),
        ({"tags": ["a", "a"]}, ("FieldValueDuplicate", "spec.tags[1]")),
        ({"parts": [{"name": "a"}, {"name": "a"}]}, ("FieldValueDuplicate", "spec.parts[1]")),
    ],
    ids=str,
)
def test_refused(widgets: Widgets, namespace: str, name: str, spec: dict[str, Any], refused: tuple[str, str]) -> None:
    with pytest.raises(ApiException) as error:
        widgets.create(namespace, name, **spec)

    status = refusal(error.value)
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert (status["details"]["kind"], status["details"]["group"]) == ("Widget", widgets.group)
    cause = status["details"]["causes"][0]
    assert (cause["reason"], cause["field"]) == refused
    assert refused[1] in status["message"]


@pytest.mark.parametrize(
    "spec",
    [
        {"size": "one"},
        {"size": 1.5},
        {"label": "toolong"},
        {"port": True},
        {"sizes": {"a": "b"}},
        {"parts": [{}]},
        {"parts": [{"name": str(n)} for n in range(4)]},
        {"tags": "a"},
    ],
    ids=str,
)
def test_refused_somewhere(widgets: Widgets, namespace: str, name: str, spec: dict[str, Any]) -> None:
    """Versions of Kubernetes differ in the reason or in the path of these."""
    with pytest.raises(ApiException) as error:
        widgets.create(namespace, name, **spec)

    refused = fields(refusal(error.value))
    assert all(f.startswith(f"spec.{next(iter(spec))}") for f in refused)


def test_all_faults_are_told_at_once(widgets: Widgets, namespace: str, name: str) -> None:
    with pytest.raises(ApiException) as error:
        widgets.create(namespace, name, size=0, color="blue")

    assert fields(refusal(error.value)) == {"spec.size", "spec.color"}


@pytest.mark.parametrize("port", [80, "http"])
def test_int_or_string(widgets: Widgets, namespace: str, name: str, port: int | str) -> None:
    assert widgets.create(namespace, name, port=port)["spec"]["port"] == port


def test_generation_counts_changes_of_spec(cluster: Cluster, widgets: Widgets, namespace: str, name: str) -> None:
    path = path_of(widgets, namespace, name)
    generations = [widgets.create(namespace, name)["metadata"]["generation"]]
    for body in ({"metadata": {"labels": {"a": "b"}}}, {"spec": {"size": 2}}):
        generations.append(cluster.patch(path, body, MERGE)["metadata"]["generation"])
    status = cluster.patch(f"{path}/status", {"status": {"ready": True}}, MERGE)
    generations.append(status["metadata"]["generation"])

    assert generations == [1, 1, 2, 2]


def test_status_is_written_apart(cluster: Cluster, widgets: Widgets, namespace: str, name: str) -> None:
    path = path_of(widgets, namespace, name)
    body = {**widgets.body(name), "status": {"ready": True}}
    created = cluster.request("POST", path.rpartition("/")[0], body)
    plain = cluster.patch(path, {"status": {"ready": True}}, MERGE)
    status = cluster.patch(f"{path}/status", {"spec": {"size": 5}, "status": {"ready": True}}, MERGE)

    assert "status" not in created
    assert "status" not in plain
    assert (status["status"], status["spec"]["size"]) == ({"ready": True}, 1)


def test_replace_needs_version(cluster: Cluster, widgets: Widgets, namespace: str, name: str) -> None:
    widgets.create(namespace, name)

    with pytest.raises(ApiException) as error:
        cluster.request("PUT", path_of(widgets, namespace, name), widgets.body(name))

    assert fields(refusal(error.value)) == {"metadata.resourceVersion"}


def test_delete_answers_with_status(cluster: Cluster, widgets: Widgets, namespace: str, name: str) -> None:
    widgets.create(namespace, name)

    status = cluster.request("DELETE", path_of(widgets, namespace, name))

    assert (status["kind"], status["status"], status["details"]["kind"]) == ("Status", "Success", "widgets")


def test_list_kind_and_items(cluster: Cluster, widgets: Widgets, namespace: str, name: str) -> None:
    widgets.create(namespace, name)

    listed = cluster.custom.list_namespaced_custom_object(*widgets.place(namespace, widgets.other))

    assert (listed["kind"], listed["apiVersion"]) == ("WidgetList", f"{widgets.group}/v1alpha1")
    assert [(i["kind"], i["metadata"]["name"]) for i in listed["items"]] == [("Widget", name)]


def test_version_that_is_not_served(cluster: Cluster, widgets: Widgets, namespace: str, name: str) -> None:
    widgets.create(namespace, name)
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{widgets.group}"
    cluster.patch(
        path, [{"op": "replace", "path": "/spec/versions/1/served", "value": False}], "application/json-patch+json"
    )

    def gone() -> bool:
        with pytest.raises(ApiException) as error:
            widgets.get(namespace, name, widgets.other)
        return bool(error.value.status == 404)

    def is_gone() -> bool:
        try:
            return gone()
        except pytest.fail.Exception:
            return False

    assert eventually(is_gone)
    assert widgets.get(namespace, name)["apiVersion"] == f"{widgets.group}/v1beta1"


def test_deleting_the_definition_deletes_the_objects(cluster: Cluster, namespace: str, name: str) -> None:
    group = f"{name}.example.com"
    widgets = cluster.serve_widgets(group)
    widgets.create(namespace, name)
    extensions = client.ApiextensionsV1Api(cluster.api)
    extensions.delete_custom_resource_definition(f"widgets.{group}")

    def is_gone() -> bool:
        names = [c.metadata.name for c in extensions.list_custom_resource_definition().items]
        return f"widgets.{group}" not in names

    assert eventually(is_gone)
    again = cluster.serve_widgets(group)
    assert cluster.custom.list_namespaced_custom_object(*again.place(namespace))["items"] == []
    extensions.delete_custom_resource_definition(f"widgets.{group}")


def definition(group: str, **changes: Any) -> dict[str, Any]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": changes.get("name", f"things.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{**version, **changes.get("version", {})}],
        },
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "other.example.com"}, "metadata.name"),
        ({"version": {"storage": False}}, "spec.versions"),
        ({"version": {"schema": None}}, "spec.versions[0].schema.openAPIV3Schema"),
    ],
    ids=str,
)
def test_bad_definition(cluster: Cluster, name: str, changes: dict[str, Any], field: str) -> None:
    body = definition(f"{name}.example.com", **changes)

    with pytest.raises(ApiException) as error:
        cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)

    assert field in fields(refusal(error.value))
