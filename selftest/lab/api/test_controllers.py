"""Controllers on a node that makes every pod ready at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kubernetes import client

from selftest.lab.api.conftest import Running
from smi_conformance.lab.api.controllers.rollout import new_size, old_sizes


def until(look: Callable[[], Any]) -> Any:
    ends = time.monotonic() + 5
    while not (found := look()):
        assert time.monotonic() < ends
        time.sleep(0.002)
    return found


def replica_set(size: int, available: int | None = None) -> dict[str, Any]:
    return {"spec": {"replicas": size}, "status": {"availableReplicas": size if available is None else available}}


def deployment(size: int, surge: Any = "25%", unavailable: Any = "25%") -> dict[str, Any]:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"spec": {"replicas": size, "strategy": {"rollingUpdate": rolling}}}


def test_surge_is_rounded_up_and_unavailable_down() -> None:
    assert new_size(deployment(3), replica_set(0), [replica_set(3)]) == 1
    assert old_sizes(deployment(3), replica_set(1, 0), [replica_set(3)]) == [3]
    assert old_sizes(deployment(3), replica_set(1), [replica_set(3)]) == [2]


def test_no_surge_takes_one_away_first() -> None:
    assert new_size(deployment(1, 0, 0), replica_set(0), [replica_set(1)]) == 0
    assert old_sizes(deployment(1, 0, 0), replica_set(0), [replica_set(1)]) == [0]


def test_pods_that_do_not_serve_go_first() -> None:
    assert old_sizes(deployment(4), replica_set(1), [replica_set(2, 0), replica_set(2)]) == [0, 2]


def workload(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    ports = [{"name": "web", "containerPort": 8080}]
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "a:1", "ports": ports}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name}, "spec": spec}


def test_thirty_pods_and_their_endpoints(running: Running, core: client.CoreV1Api, namespace: str) -> None:
    port = {"name": "http", "port": 80, "targetPort": "web", "appProtocol": "http"}
    core.create_namespaced_service(
        namespace, {"metadata": {"name": "s"}, "spec": {"selector": {"app": "d"}, "ports": [port]}}
    )
    apps = client.AppsV1Api(core.api_client)
    apps.create_namespaced_deployment(namespace, workload("d", 30))

    def slices() -> Any:
        found = running.within(lambda: running.store.list("endpointslices.discovery.k8s.io", namespace))
        return found and len(found[0]["endpoints"]) == 30 and found

    (found,) = until(slices)
    assert found["ports"] == [{"name": "http", "appProtocol": "http", "port": 8080, "protocol": "TCP"}]
    assert {e["conditions"]["ready"] for e in found["endpoints"]} == {True}
    subset = core.read_namespaced_endpoints("s", namespace).subsets[0]
    assert len(subset.addresses) == 30
    apps.delete_namespaced_deployment("d", namespace)
    assert until(lambda: not running.within(lambda: running.store.list("pods", namespace)))


def test_recreate_waits_for_the_old(running: Running, core: client.CoreV1Api, namespace: str) -> None:
    apps = client.AppsV1Api(core.api_client)
    body = workload("d", 2)
    body["spec"]["strategy"] = {"type": "Recreate"}
    apps.create_namespaced_deployment(namespace, body)
    until(lambda: apps.read_namespaced_deployment("d", namespace).status.ready_replicas == 2)
    most: list[int] = []
    forget = running.within(
        lambda: running.store.observe(lambda event: most.append(len(list(running.store.walk("pods", namespace)))))
    )
    patch = {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}
    apps.patch_namespaced_deployment("d", namespace, patch)
    until(lambda: apps.read_namespaced_deployment("d", namespace).status.updated_replicas == 2)
    running.within(forget)

    assert (min(most), max(most)) == (0, 2)


def test_orphaned_pods_are_adopted(running: Running, core: client.CoreV1Api, namespace: str) -> None:
    apps = client.AppsV1Api(core.api_client)
    apps.create_namespaced_replica_set(namespace, workload("r", 1))
    before = until(lambda: core.list_namespaced_pod(namespace).items)[0].metadata.name
    apps.delete_namespaced_replica_set("r", namespace, propagation_policy="Orphan")
    until(lambda: not apps.list_namespaced_replica_set(namespace).items)
    apps.create_namespaced_replica_set(namespace, workload("r", 1))
    until(lambda: apps.read_namespaced_replica_set("r", namespace).status.ready_replicas == 1)

    (pod,) = core.list_namespaced_pod(namespace).items
    assert pod.metadata.name == before
