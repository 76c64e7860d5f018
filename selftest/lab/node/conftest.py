"""A lab for the tests of the node, and short ways to use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import kubernetes
import pytest
from kubernetes.stream import stream

from smi_conformance.lab.cluster import Lab

TIMEOUT = 15.0  # seconds


def until(question: Callable[[], Any]) -> Any:
    """The first answer that is true; fails after TIMEOUT."""
    deadline = time.monotonic() + TIMEOUT
    while not (answer := question()):
        assert time.monotonic() < deadline, f"not true within {TIMEOUT} s: {question}"
        time.sleep(0.02)
    return answer


class Cluster:
    """The lab's API and one namespace of the test's own."""

    def __init__(self, lab: Lab, namespace: str) -> None:
        client = kubernetes.config.new_client_from_config(str(lab.kubeconfig))
        self.core = kubernetes.client.CoreV1Api(client)
        self.lab, self.namespace = lab, namespace
        self.core.create_namespace({"metadata": {"name": namespace}})
        until(self._account)

    def close(self) -> None:
        """Close the connections to the API."""
        self.core.api_client.rest_client.pool_manager.clear()
        self.core.api_client.close()

    def _account(self) -> bool:
        accounts = self.core.list_namespaced_service_account(self.namespace).items
        return any(account.metadata.name == "default" for account in accounts)

    def pod(self, name: str, container: dict[str, Any], **spec: Any) -> Any:
        """Create a pod with one container, named c."""
        container = {"name": "c", "image": "python:3-slim", **container}
        body = {
            "metadata": {"name": name, "labels": {"app": name.rpartition("-")[0] or name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **spec},
        }
        return self.core.create_namespaced_pod(self.namespace, body)

    def read(self, name: str) -> Any:
        """The pod."""
        return self.core.read_namespaced_pod(name, self.namespace)

    def ready(self, *names: str) -> None:
        """Wait until the pods are Ready."""
        for name in names:
            until(partial(self._is_ready, name))

    def _is_ready(self, name: str) -> bool:
        return condition(self.read(name), "Ready") == "True"

    def container(self, name: str, index: int = 0) -> Any:
        """The status of the pod's container."""
        statuses = self.read(name).status.container_statuses
        return statuses[index] if statuses else None

    def run(self, pod: str, *command: str) -> str:
        """Output of a command in the pod."""
        with self.session(pod, *command) as session:
            session.run_forever(timeout=TIMEOUT)
            output: str = session.read_all()
        return output

    @contextmanager
    def session(self, pod: str, *command: str, tty: bool = False) -> Iterator[Any]:
        """A command started in the pod, with its streams."""
        session = stream(
            self.core.connect_get_namespaced_pod_exec,
            pod,
            self.namespace,
            command=list(command),
            container="c",
            stdin=True,
            stdout=True,
            stderr=not tty,
            tty=tty,
            _preload_content=False,
        )
        try:
            yield session
        finally:
            session.sock.shutdown()  # its close() leaves the socket open once the server has said goodbye

    def events(self, pod: str) -> dict[str, str]:
        """The messages of the pod's Events, by reason."""
        told: dict[str, str] = {}
        for event in self.core.list_namespaced_event(self.namespace).items:
            if event.involved_object.name == pod:
                told[event.reason] = f"{told.get(event.reason, '')}{event.message}\n"
        return told

    def service(self, name: str, app: str, *ports: dict[str, Any], **spec: Any) -> str:
        """Create a Service for the pods with that app label; its ClusterIP."""
        body = {"metadata": {"name": name}, "spec": {"selector": {"app": app}, "ports": list(ports), **spec}}
        ip: str = self.core.create_namespaced_service(self.namespace, body).spec.cluster_ip
        return ip


def condition(pod: Any, kind: str) -> str | None:
    """The status of a condition of the pod."""
    return next((c.status for c in pod.status.conditions or [] if c.type == kind), None)


SLEEP = {"command": ["python3", "-S", "-c", "import signal; signal.signal(15, signal.SIG_DFL); signal.pause()"]}


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """One lab for all tests."""
    with Lab.start() as running:
        yield running


@pytest.fixture
def cluster(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A namespace of the test's own in the lab."""
    name = f"node-{request.node.name.replace('_', '-').replace('[', '-').rstrip(']')}"[:60].rstrip("-").lower()
    made = Cluster(lab, name)
    yield made
    made.core.delete_namespace(name)
    made.close()
