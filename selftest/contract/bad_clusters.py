"""Clusters as they should not be: each one made on the cluster under test, and taken back."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from kubernetes import client
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, Object, eventually
from selftest.contract.pods import container
from smi_conformance.cluster.reaper import LABEL

HOME = "doctor-mesh"
HALF = "doctor-half"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SPLITS = f"{CRD}/trafficsplits.split.smi-spec.io"
MERGE = "application/merge-patch+json"

Bad = Callable[[Cluster], AbstractContextManager[None]]


def deployment(name: str, *, gated: bool = False) -> Object:
    labels = {"app": name}
    spec = {"containers": [container(gated=gated)], "terminationGracePeriodSeconds": 1}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


@contextmanager
def missing_deployment(cluster: Cluster) -> Iterator[None]:
    """Half a mesh: its namespace and nothing in it."""
    was = cluster.apps.read_namespaced_deployment("control-plane", HOME)
    cluster.apps.delete_namespaced_deployment("control-plane", HOME)
    try:
        yield
    finally:
        cluster.apps.create_namespaced_deployment(HOME, deployment(was.metadata.name))
        eventually(lambda: cluster.apps.read_namespaced_deployment("control-plane", HOME).status.available_replicas)


@contextmanager
def unready_deployment(cluster: Cluster) -> Iterator[None]:
    """A control plane that runs and is not ready."""
    cluster.apps.create_namespaced_deployment(HALF, deployment("control-plane", gated=True))
    try:
        yield
    finally:
        cluster.apps.delete_namespaced_deployment("control-plane", HALF)


@contextmanager
def unserved_version(cluster: Cluster) -> Iterator[None]:
    """The definition of TrafficSplit without the version that the mesh brings."""
    with _splits(cluster, lambda crd: crd["spec"]["versions"][0].update(name="v1alpha2")):
        yield


@contextmanager
def converted_elsewhere(cluster: Cluster) -> Iterator[None]:
    """A definition whose objects another mesh converts."""
    service = {"namespace": "other-mesh", "name": "webhook", "path": "/convert"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
    with _splits(cluster, lambda crd: crd["spec"].update(conversion={"strategy": "Webhook", "webhook": webhook})):
        yield


@contextmanager
def annotated_elsewhere(cluster: Cluster) -> Iterator[None]:
    """A definition that Helm installed with another mesh."""
    mark = {"meta.helm.sh/release-name": "other", "meta.helm.sh/release-namespace": "other-mesh"}
    with _splits(cluster, lambda crd: crd["metadata"].update(annotations=mark)):
        yield


@contextmanager
def _splits(cluster: Cluster, change: Callable[[Object], None]) -> Iterator[None]:
    """The definition of TrafficSplit made anew, changed; then as it was."""
    was = cluster.request("GET", SPLITS)
    before = {"apiVersion": was["apiVersion"], "kind": was["kind"], "metadata": {"name": was["metadata"]["name"]}}
    plain = before | {"spec": {key: was["spec"][key] for key in ("group", "names", "scope", "versions")}}
    changed = client.ApiClient().sanitize_for_serialization(plain)
    changed["metadata"] = dict(plain["metadata"])
    changed["spec"]["versions"] = [dict(version) for version in plain["spec"]["versions"]]
    change(changed)
    _replace(cluster, changed)
    try:
        yield
    finally:
        _replace(cluster, plain)


def _replace(cluster: Cluster, definition: Object) -> None:
    with contextlib.suppress(ApiException):
        cluster.request("DELETE", SPLITS)
    eventually(lambda: _gone(cluster, SPLITS))
    cluster.request("POST", CRD, definition)
    eventually(lambda: _established(cluster))


def _gone(cluster: Cluster, path: str) -> bool:
    try:
        cluster.request("GET", path)
    except ApiException as error:
        return bool(error.status == 404)
    return False


def _established(cluster: Cluster) -> bool:
    status = cluster.request("GET", SPLITS).get("status") or {}
    return any(one["type"] == "Established" and one["status"] == "True" for one in status.get("conditions") or ())


@contextmanager
def silent_webhook(cluster: Cluster) -> Iterator[None]:
    """A webhook that nobody answers, for pods of namespaces that the suite makes."""
    hooks = client.AdmissionregistrationV1Api(cluster.api)
    service = {"namespace": HOME, "name": "nobody", "path": "/"}
    cluster.core.create_namespaced_service(HOME, {"metadata": {"name": "nobody"}, "spec": {"ports": [{"port": 443}]}})
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    webhook = {
        "name": "nobody.doctor.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "failurePolicy": "Fail", "clientConfig": {"service": service}, "rules": [rule], "timeoutSeconds": 2,
        "namespaceSelector": {"matchExpressions": [{"key": LABEL, "operator": "Exists"}]},
    }  # fmt: skip
    hooks.create_mutating_webhook_configuration({"metadata": {"name": "doctor-nobody"}, "webhooks": [webhook]})
    try:
        yield
    finally:
        hooks.delete_mutating_webhook_configuration("doctor-nobody")
        cluster.request("DELETE", f"/api/v1/namespaces/{HOME}/services/nobody")


@contextmanager
def cordoned_nodes(cluster: Cluster) -> Iterator[None]:
    """No node takes pods."""
    nodes = [node.metadata.name for node in cluster.core.list_node().items]
    for node in nodes:
        cluster.core.patch_node(node, {"spec": {"unschedulable": True}})
    try:
        yield
    finally:
        for node in nodes:
            cluster.core.patch_node(node, {"spec": {"unschedulable": None}})


def aggregates(cluster: Cluster) -> bool:
    """Whether the API server knows of aggregated APIs."""
    return not _gone(cluster, "/apis/apiregistration.k8s.io/v1/apiservices")


@contextmanager
def unreachable_api(cluster: Cluster) -> Iterator[None]:
    """An aggregated API that nobody answers."""
    name, service = "v1.doctor.example.com", {"namespace": HOME, "name": "nobody", "port": 443}
    spec = {"group": "doctor.example.com", "version": "v1", "service": service, "insecureSkipTLSVerify": True}
    spec |= {"groupPriorityMinimum": 100, "versionPriority": 100}
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    body = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name}, "spec": spec}
    cluster.request("POST", path, body)
    eventually(lambda: cluster.request("GET", f"{path}/{name}").get("status", {}).get("conditions"))
    try:
        yield
    finally:
        cluster.request("DELETE", f"{path}/{name}")


@contextmanager
def another_run(cluster: Cluster) -> Iterator[None]:
    """A namespace of a run that goes on."""
    cluster.core.create_namespace({"metadata": {"name": "smi-other-0a", "labels": {LABEL: "other"}}})
    try:
        yield
    finally:
        cluster.core.delete_namespace("smi-other-0a")
        eventually(lambda: _gone(cluster, "/api/v1/namespaces/smi-other-0a"))


class Door:
    """A way to an API server that can be shut: connections are passed on byte by byte."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()

    def shut(self) -> None:
        """Cut every connection, and take no other."""
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def opened_again(self) -> Door:
        """The same port, open."""
        made = object.__new__(Door)
        made._to, made._sockets, made.port = self._to, [], self.port
        made._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=made._serve, daemon=True).start()
        return made


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


def token_of(cluster: Cluster, namespace: str) -> str:
    """A token of a ServiceAccount that may do nothing."""
    review: Any = cluster.request(
        "POST",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}},
    )
    return str(review["status"]["token"])
