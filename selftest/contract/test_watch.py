"""Watches: from a version on, with selectors, until they time out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes import watch
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, Widgets

MERGE = "application/merge-patch+json"


def make(cluster: Cluster, namespace: str, name: str, **labels: str) -> Any:
    return cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": name, "labels": labels}})


def seen(cluster: Cluster, namespace: str, **options: Any) -> list[tuple[str, str]]:
    """Types and names of what a watch of a second tells."""
    events = watch.Watch().stream(cluster.core.list_namespaced_config_map, namespace, timeout_seconds=1, **options)
    return [(e["type"], e["object"].metadata.name) for e in events]


def test_watch_goes_on_from_version(cluster: Cluster, namespace: str, name: str) -> None:
    first = make(cluster, namespace, name, set=name)
    path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
    cluster.patch(path, {"data": {"a": "1"}}, MERGE)
    cluster.core.delete_namespaced_config_map(name, namespace)

    version = first.metadata.resource_version
    events = seen(cluster, namespace, resource_version=version, label_selector=f"set={name}")

    assert events == [("MODIFIED", name), ("DELETED", name)]


def test_watch_without_version_starts_with_what_is_there(cluster: Cluster, namespace: str, name: str) -> None:
    make(cluster, namespace, name, set=name)

    assert seen(cluster, namespace, label_selector=f"set={name}") == [("ADDED", name)]


def test_watch_sees_objects_enter_and_leave_its_selection(cluster: Cluster, namespace: str, name: str) -> None:
    first = make(cluster, namespace, name)
    path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
    for labels in ({"set": name}, {"set": name, "more": "yes"}, {"set": None}):
        cluster.patch(path, {"metadata": {"labels": labels}}, MERGE)

    version = first.metadata.resource_version
    events = seen(cluster, namespace, resource_version=version, label_selector=f"set={name}")

    assert events == [("ADDED", name), ("MODIFIED", name), ("DELETED", name)]


def test_watch_by_name(cluster: Cluster, namespace: str, name: str) -> None:
    make(cluster, namespace, name)
    make(cluster, namespace, f"{name}-other")

    assert seen(cluster, namespace, field_selector=f"metadata.name={name}") == [("ADDED", name)]


def test_list_then_watch_has_no_gap(cluster: Cluster, namespace: str, name: str) -> None:
    make(cluster, namespace, name, set=name)
    listed = cluster.core.list_namespaced_config_map(namespace, label_selector=f"set={name}")
    make(cluster, namespace, f"{name}-2", set=name)

    version = listed.metadata.resource_version
    events = seen(cluster, namespace, resource_version=version, label_selector=f"set={name}")

    assert events == [("ADDED", f"{name}-2")]


def test_forgotten_version_is_gone(cluster: Cluster, namespace: str, name: str) -> None:
    make(cluster, namespace, name)

    with pytest.raises(ApiException) as error:
        seen(cluster, namespace, resource_version="1")

    assert error.value.status == 410
    assert "too old resource version" in str(error.value.reason)


def test_forgotten_version_is_told_within_the_stream(cluster: Cluster, namespace: str, name: str) -> None:
    make(cluster, namespace, name)
    query = "watch=true&resourceVersion=1&timeoutSeconds=1"
    event = cluster.request("GET", f"/api/v1/namespaces/{namespace}/configmaps?{query}")

    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_watch_of_custom_resource_in_either_version(
    cluster: Cluster, widgets: Widgets, namespace: str, name: str
) -> None:
    created = widgets.create(namespace, name)
    version = created["metadata"]["resourceVersion"]
    widgets.create(namespace, f"{name}-2")

    for served in (widgets.stored, widgets.other):
        events = watch.Watch().stream(
            cluster.custom.list_namespaced_custom_object,
            *widgets.place(namespace, served),
            resource_version=version,
            timeout_seconds=1,
        )
        told = [(e["type"], e["object"]["metadata"]["name"], e["object"]["apiVersion"]) for e in events]
        assert told == [("ADDED", f"{name}-2", f"{widgets.group}/{served}")]


def test_events_are_lines_of_json(cluster: Cluster, namespace: str, name: str) -> None:
    make(cluster, namespace, name, set=name)
    prepared = cluster.api.param_serialize(
        "GET",
        f"/api/v1/namespaces/{namespace}/configmaps",
        query_params=[("watch", "true"), ("timeoutSeconds", "1"), ("labelSelector", f"set={name}")],
        auth_settings=["BearerToken"],
    )
    response = cluster.api.call_api(*prepared)
    lines = response.read().splitlines()

    event = json.loads(lines[0])
    assert set(event) == {"type", "object"}
    assert (event["object"]["kind"], event["object"]["apiVersion"]) == ("ConfigMap", "v1")
