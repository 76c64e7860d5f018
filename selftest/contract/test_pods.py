"""What needs a node: exec, logs, readiness, rollouts, termination."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, eventually, refusal
from selftest.contract.pods import READY, container, pod, process, ready_pod, run, until_ready, until_running


@pytest.fixture(scope="module")
def box(cluster: Cluster, namespace: str) -> str:
    """A pod of one container."""
    ready_pod(cluster, namespace, "box")
    return "box"


@pytest.fixture
def service(cluster: Cluster, namespace: str, name: str) -> str:
    """A Service with a named target port."""
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}]}
    cluster.core.create_namespaced_service(namespace, {"metadata": {"name": name}, "spec": spec})
    return name


@pytest.fixture
def deployment(cluster: Cluster, namespace: str, name: str) -> Iterator[str]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod(name)["spec"]}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    cluster.apps.create_namespaced_deployment(namespace, {"metadata": {"name": name}, "spec": spec})
    yield name
    cluster.apps.delete_namespaced_deployment(name, namespace)


def test_exec_gives_output(cluster: Cluster, namespace: str, box: str) -> None:
    assert run(cluster, namespace, box, "echo", "one", "two") == "one two\n"


def test_exec_tells_streams_apart(cluster: Cluster, namespace: str, box: str) -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    with process(cluster, namespace, box, "python3", "-c", script) as running:
        running.run_forever(timeout=30)

        assert running.read_stdout() == "out\n"
        assert running.read_stderr() == "err\n"
        assert running.returncode == 3


def test_exec_success(cluster: Cluster, namespace: str, box: str) -> None:
    with process(cluster, namespace, box, "true") as running:
        running.run_forever(timeout=30)

        assert running.returncode == 0


def test_exec_with_input(cluster: Cluster, namespace: str, box: str) -> None:
    script = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)"
    with process(cluster, namespace, box, "python3", "-u", "-c", script, stdin=True) as running:
        for word in ("one", "two"):
            running.write_stdin(f"{word}\n")
            assert running.readline_stdout(timeout=30) == word.upper()


def test_exec_of_much_output(cluster: Cluster, namespace: str, box: str) -> None:
    output = run(cluster, namespace, box, "python3", "-c", "print('x' * 1_000_000)")

    assert len(output) == 1_000_001


def test_exec_in_missing_pod(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ApiException) as error:
        run(cluster, namespace, "nobody", "true")

    assert "404" in str(error.value)


def test_exec_in_missing_container(cluster: Cluster, namespace: str, box: str) -> None:
    with pytest.raises(ApiException) as error:
        run(cluster, namespace, box, "true", container="nobody")

    assert "400" in str(error.value)


def test_log(cluster: Cluster, namespace: str, name: str) -> None:
    script = "for n in range(5): print('line', n, flush=True)\nimport time; time.sleep(1000)"
    ready_pod(cluster, namespace, name, container(command=["python3", "-c", script]))

    def log(**options: Any) -> str:
        text: str = cluster.core.read_namespaced_pod_log(name, namespace, **options)
        return text

    assert eventually(lambda: log() == "".join(f"line {n}\n" for n in range(5)))
    assert log(tail_lines=2) == "line 3\nline 4\n"
    cluster.core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)


def test_log_of_missing_pod(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.core.read_namespaced_pod_log("nobody", namespace)

    assert error.value.status == 404


def test_previous_log_that_is_not_there(cluster: Cluster, namespace: str, box: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.core.read_namespaced_pod_log(box, namespace, previous=True)

    assert refusal(error.value)["reason"] == "BadRequest"


def test_pod_has_token_and_authority(cluster: Cluster, namespace: str, box: str) -> None:
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"

    assert run(cluster, namespace, box, "cat", f"{folder}/namespace") == namespace
    assert "BEGIN CERTIFICATE" in run(cluster, namespace, box, "cat", f"{folder}/ca.crt")
    token = run(cluster, namespace, box, "cat", f"{folder}/token")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status = cluster.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)["status"]
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:default"


def test_endpoints_follow_readiness(cluster: Cluster, namespace: str, service: str) -> None:
    ports = [{"name": "web", "containerPort": 8080}]
    gated = container(gated=True, ports=ports)
    cluster.core.create_namespaced_pod(namespace, pod(f"{service}-a", gated, app=service))

    def subset() -> Any:
        subsets = cluster.core.read_namespaced_endpoints(service, namespace).subsets or [None]
        return subsets[0]

    waiting = eventually(subset)
    assert waiting.addresses is None
    (address,) = waiting.not_ready_addresses
    assert (address.target_ref.kind, address.target_ref.name) == ("Pod", f"{service}-a")
    assert [(p.name, p.port, p.protocol) for p in waiting.ports] == [("http", 8080, "TCP")]

    until_running(cluster, namespace, f"{service}-a")
    run(cluster, namespace, f"{service}-a", "touch", READY)

    def ready_subset() -> Any:
        found = subset()
        return found if found and found.addresses else None

    ready = eventually(ready_subset)
    assert (ready.addresses[0].ip, ready.not_ready_addresses) == (address.ip, None)
    cluster.core.delete_namespaced_pod(f"{service}-a", namespace)
    assert eventually(lambda: ready_subset() is None)


def test_deleted_pod_terminates_with_grace(cluster: Cluster, namespace: str, name: str) -> None:
    ready_pod(cluster, namespace, name)

    marked = cluster.core.delete_namespaced_pod(name, namespace)

    assert marked.metadata.deletion_timestamp
    assert marked.metadata.deletion_grace_period_seconds == 2
    listed = f"metadata.name={name}"
    assert eventually(lambda: not cluster.core.list_namespaced_pod(namespace, field_selector=listed).items)


def test_pods_by_phase(cluster: Cluster, namespace: str, box: str) -> None:
    found = cluster.core.list_namespaced_pod(namespace, field_selector="status.phase=Running").items

    assert box in [p.metadata.name for p in found]


def rolled_out(cluster: Cluster, namespace: str, name: str) -> Any:
    """The Deployment, once `kubectl rollout status` would be content."""

    def look() -> Any:
        found = cluster.apps.read_namespaced_deployment(name, namespace)
        status, wanted = found.status, found.spec.replicas
        seen = (status.observed_generation or 0) >= found.metadata.generation
        counts = {status.updated_replicas, status.replicas, status.available_replicas, status.ready_replicas}
        return found if seen and counts == {wanted} else None

    return eventually(look)


def pods_of(cluster: Cluster, namespace: str, name: str) -> list[Any]:
    found = cluster.core.list_namespaced_pod(namespace, label_selector=f"app={name}").items
    return [p for p in found if p.metadata.deletion_timestamp is None]


def test_rollout(cluster: Cluster, namespace: str, deployment: str) -> None:
    rolled_out(cluster, namespace, deployment)
    first = pods_of(cluster, namespace, deployment)
    assert len(first) == 2
    assert all(p.metadata.owner_references[0].kind == "ReplicaSet" for p in first)
    assert all(p.metadata.generate_name and p.metadata.labels["pod-template-hash"] for p in first)

    patch = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
    cluster.apps.patch_namespaced_deployment(deployment, namespace, patch)
    done = rolled_out(cluster, namespace, deployment)

    assert done.metadata.annotations["deployment.kubernetes.io/revision"] == "2"
    reasons = {c.type: (c.status, c.reason) for c in done.status.conditions}
    assert reasons["Available"] == ("True", "MinimumReplicasAvailable")
    assert reasons["Progressing"] == ("True", "NewReplicaSetAvailable")
    second = {p.metadata.name for p in pods_of(cluster, namespace, deployment)}
    assert len(second) == 2
    assert not second & {p.metadata.name for p in first}


def test_scale(cluster: Cluster, namespace: str, deployment: str) -> None:
    for replicas in (3, 1):
        cluster.apps.patch_namespaced_deployment_scale(deployment, namespace, {"spec": {"replicas": replicas}})
        rolled_out(cluster, namespace, deployment)
        assert len(pods_of(cluster, namespace, deployment)) == replicas


def test_lost_pod_is_replaced(cluster: Cluster, namespace: str, deployment: str) -> None:
    rolled_out(cluster, namespace, deployment)
    lost = pods_of(cluster, namespace, deployment)[0].metadata.name

    cluster.core.delete_namespaced_pod(lost, namespace)

    def replaced() -> bool:
        names = {p.metadata.name for p in pods_of(cluster, namespace, deployment)}
        return len(names) == 2 and lost not in names

    assert eventually(replaced)
    rolled_out(cluster, namespace, deployment)


def test_container_must_be_named(cluster: Cluster, namespace: str, name: str) -> None:
    second = {**container(), "name": "second"}
    cluster.core.create_namespaced_pod(namespace, pod(name, container(), second))
    until_ready(cluster, namespace, name)

    with pytest.raises(ApiException) as error:
        cluster.core.read_namespaced_pod_log(name, namespace)

    assert "a container name must be specified" in refusal(error.value)["message"]
    assert run(cluster, namespace, name, "echo", "hi", container="second") == "hi\n"
