"""Pods of the contract tests: a stock image, ready at once or when a file is there."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kubernetes import client
from kubernetes.stream import stream

from selftest.contract.cluster import Cluster, Object, eventually

IMAGE = "python:3-slim"
READY = "/tmp/ready"  # noqa: S108
_SLEEP = "import signal, sys; signal.signal(15, lambda *a: sys.exit()); print('started', flush=True); signal.pause()"


def container(*, gated: bool = False, **more: Any) -> Object:
    """A container that does nothing; `gated`: ready only once the file READY exists."""
    probe = {"exec": {"command": ["test", "-f", READY]}, "periodSeconds": 1, "failureThreshold": 1}
    gate = {"readinessProbe": probe} if gated else {}
    return {"name": "main", "image": IMAGE, "command": ["python3", "-c", _SLEEP], **gate, **more}


def pod(name: str, *containers: Object, **labels: str) -> Object:
    spec = {"containers": [*containers] or [container()], "terminationGracePeriodSeconds": 2}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def ready_pod(cluster: Cluster, namespace: str, name: str, *containers: Object, **labels: str) -> client.V1Pod:
    """Once it is ready."""
    cluster.core.create_namespaced_pod(namespace, pod(name, *containers, **labels))
    return until_ready(cluster, namespace, name)


def until_ready(cluster: Cluster, namespace: str, name: str) -> client.V1Pod:
    def look() -> client.V1Pod | None:
        found = cluster.core.read_namespaced_pod(name, namespace)
        conditions = {c.type: c.status for c in found.status.conditions or ()}
        return found if conditions.get("Ready") == "True" else None

    found = eventually(look)
    assert found is not None
    return found


def until_running(cluster: Cluster, namespace: str, name: str) -> None:
    """A pod has its address before its containers run."""

    def look() -> bool:
        statuses = cluster.core.read_namespaced_pod(name, namespace).status.container_statuses
        return bool(statuses) and all(s.state.running for s in statuses)

    eventually(look)


def run(cluster: Cluster, namespace: str, name: str, *command: str, **options: Any) -> str:
    """What a command in the pod wrote."""
    with warnings.catch_warnings():
        # The client leaves the socket of a finished command to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        output: str = _stream(cluster, namespace, name, command, options)
        gc.collect()
    return output


@contextmanager
def process(cluster: Cluster, namespace: str, name: str, *command: str, **options: Any) -> Iterator[Any]:
    """A command in the pod as it runs."""
    running = _stream(cluster, namespace, name, command, {**options, "_preload_content": False})
    try:
        yield running
    finally:
        running.sock.shutdown()  # close() leaves the socket open once the server has said goodbye


def _stream(cluster: Cluster, namespace: str, name: str, command: Sequence[str], options: Object) -> Any:
    # stream() changes its client for good, so it gets one of its own.
    core = client.CoreV1Api(client.ApiClient(cluster.api.configuration))
    defaults = {"stdin": False, "stdout": True, "stderr": True, "tty": False}
    return stream(core.connect_get_namespaced_pod_exec, name, namespace, command=[*command], **defaults | options)
