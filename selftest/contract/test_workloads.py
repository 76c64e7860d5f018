"""StatefulSets, DaemonSets, Jobs and ReplicationControllers: the pods they make."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, Object, eventually, fields, refusal
from selftest.contract.pods import container

PATHS = {
    "ReplicationController": "/api/v1/namespaces/{}/replicationcontrollers",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
}


def workload(kind: str, name: str, *, restart: str = "Always", run: Object | None = None, **spec: Any) -> Object:
    pod = {"containers": [run or container()], "restartPolicy": restart, "terminationGracePeriodSeconds": 1}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    return {"kind": kind, "metadata": {"name": name}, "spec": {"template": template, **spec}}


def make(cluster: Cluster, namespace: str, body: Object) -> Object:
    return cluster.request("POST", PATHS[body["kind"]].format(namespace), body)


def status(cluster: Cluster, namespace: str, kind: str, name: str) -> Object:
    found: Object = cluster.request("GET", f"{PATHS[kind].format(namespace)}/{name}").get("status", {})
    return found


def pods(cluster: Cluster, namespace: str, name: str) -> list[Any]:
    return list(cluster.core.list_namespaced_pod(namespace, label_selector=f"app={name}").items)


def owner(pod: Any) -> tuple[str, str, bool]:
    (reference,) = pod.metadata.owner_references
    return reference.kind, reference.name, reference.controller


def gone(cluster: Cluster, namespace: str, kind: str, name: str) -> None:
    """Delete it, and its pods with it."""
    cluster.request("DELETE", f"{PATHS[kind].format(namespace)}/{name}?propagationPolicy=Background")
    eventually(lambda: not pods(cluster, namespace, name))


def test_a_replication_controller(cluster: Cluster, namespace: str, name: str) -> None:
    body = make(cluster, namespace, workload("ReplicationController", name, replicas=2))
    assert body["spec"]["selector"] == {"app": name}
    eventually(
        lambda: status(cluster, namespace, "ReplicationController", name).get("readyReplicas") == 2,
    )
    found = pods(cluster, namespace, name)

    assert {owner(pod) for pod in found} == {("ReplicationController", name, True)}
    assert all(pod.metadata.name.startswith(f"{name}-") for pod in found)
    path = f"{PATHS['ReplicationController'].format(namespace)}/{name}"
    cluster.patch(path, {"spec": {"replicas": 1}}, "application/merge-patch+json")
    eventually(lambda: len(pods(cluster, namespace, name)) == 1)
    gone(cluster, namespace, "ReplicationController", name)


def test_a_daemon_set(cluster: Cluster, namespace: str, name: str) -> None:
    make(cluster, namespace, workload("DaemonSet", name, selector={"matchLabels": {"app": name}}))
    eventually(lambda: status(cluster, namespace, "DaemonSet", name).get("numberReady"))
    found, nodes = pods(cluster, namespace, name), cluster.core.list_node().items

    assert {pod.spec.node_name for pod in found} == {node.metadata.name for node in nodes}
    assert {owner(pod) for pod in found} == {("DaemonSet", name, True)}
    assert status(cluster, namespace, "DaemonSet", name)["desiredNumberScheduled"] == len(nodes)
    gone(cluster, namespace, "DaemonSet", name)


def test_a_stateful_set(cluster: Cluster, namespace: str, name: str) -> None:
    spec: Object = {"selector": {"matchLabels": {"app": name}}, "serviceName": "", "replicas": 2}
    make(cluster, namespace, workload("StatefulSet", name, **spec))
    eventually(lambda: status(cluster, namespace, "StatefulSet", name).get("readyReplicas") == 2)
    found = {pod.metadata.name: pod for pod in pods(cluster, namespace, name)}

    assert sorted(found) == [f"{name}-0", f"{name}-1"]
    assert {owner(pod) for pod in found.values()} == {("StatefulSet", name, True)}
    assert all(pod.metadata.labels["statefulset.kubernetes.io/pod-name"] == key for key, pod in found.items())
    uid = found[f"{name}-0"].metadata.uid
    cluster.core.delete_namespaced_pod(f"{name}-0", namespace)
    eventually(lambda: cluster.core.read_namespaced_pod(f"{name}-0", namespace).metadata.uid != uid)
    gone(cluster, namespace, "StatefulSet", name)


def test_pods_of_a_stateful_set_come_one_after_another(cluster: Cluster, namespace: str, name: str) -> None:
    spec: Object = {"selector": {"matchLabels": {"app": name}}, "serviceName": "", "replicas": 2}
    make(cluster, namespace, workload("StatefulSet", name, run=container(gated=True), **spec))
    eventually(lambda: status(cluster, namespace, "StatefulSet", name).get("replicas") == 1)
    eventually(lambda: pods(cluster, namespace, name)[0].status.phase == "Running")

    assert [pod.metadata.name for pod in pods(cluster, namespace, name)] == [f"{name}-0"]
    gone(cluster, namespace, "StatefulSet", name)


def test_a_job_that_ends(cluster: Cluster, namespace: str, name: str) -> None:
    run = container(command=["python3", "-c", "pass"])
    make(cluster, namespace, workload("Job", name, restart="Never", run=run))
    eventually(lambda: status(cluster, namespace, "Job", name).get("succeeded") == 1)
    (pod,) = pods(cluster, namespace, name)

    assert owner(pod) == ("Job", name, True)
    assert pod.metadata.labels["job-name"] == name
    assert eventually(lambda: pods(cluster, namespace, name)[0].status.phase) == "Succeeded"
    told = eventually(lambda: status(cluster, namespace, "Job", name).get("conditions"))
    assert told[-1]["type"] == "Complete"
    gone(cluster, namespace, "Job", name)


def test_a_job_that_runs(cluster: Cluster, namespace: str, name: str) -> None:
    make(cluster, namespace, workload("Job", name, restart="Never", parallelism=2))
    eventually(lambda: status(cluster, namespace, "Job", name).get("active") == 2)

    assert len(pods(cluster, namespace, name)) == 2
    gone(cluster, namespace, "Job", name)


def test_a_job_needs_an_end(cluster: Cluster, namespace: str, name: str) -> None:
    with pytest.raises(ApiException) as error:
        make(cluster, namespace, workload("Job", name))

    assert "spec.template.spec.restartPolicy" in fields(refusal(error.value))


def test_a_selector_has_to_fit(cluster: Cluster, namespace: str, name: str) -> None:
    with pytest.raises(ApiException) as error:
        make(cluster, namespace, workload("DaemonSet", name, selector={"matchLabels": {"app": "other"}}))

    assert "spec.template.metadata.labels" in fields(refusal(error.value))
