"""Which clusters a run accepts without a word, and which have to be named."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from smi_conformance.cluster import testing
from smi_conformance.cluster.testing import NotATestCluster, require_test_cluster

API = client.ApiClient(client.Configuration(host="https://nowhere"))
Lists = dict[str, list[dict[str, Any]]]


def node(name: str = "n1", provider: str = "aws:///x", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"providerID": provider}}


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {key.replace("__", "/"): text for key, text in labels.items()}}}


def pod(place: str) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": place}}


def look(monkeypatch: pytest.MonkeyPatch, **lists: list[dict[str, Any]]) -> None:
    """Look at a cluster that holds these objects, with a mesh in `mesh-system`."""
    found = {"nodes": [node()], "namespaces": [], "pods": [], **lists}

    def read(_: client.ApiClient, path: str) -> dict[str, Any]:
        return {"items": found[path.rpartition("/")[2]]}

    monkeypatch.setattr(testing, "read", read)
    require_test_cluster(API, ["mesh-system"])


@pytest.mark.parametrize(
    "lists",
    [
        {},
        {"nodes": [node(f"n{n}") for n in range(10)]},
        {"pods": [pod("kube-system"), pod("mesh-system"), pod("local-path-storage"), pod("smi-conformance")]},
        {"namespaces": [namespace("smi-1", **{"smi-conformance__run": "abcde"})], "pods": [pod("smi-1")]},
        {"namespaces": [namespace("products")]},
        {"nodes": [node(provider="kind://docker/kind/x")], "pods": [pod("shop")]},
        {"nodes": [node(provider="k3s://k3d-x")], "namespaces": [namespace("production")]},
        {"nodes": [{"metadata": {"name": "m", "labels": {"minikube.k8s.io/name": "m"}}}], "pods": [pod("shop")]},
    ],
)
def test_accepted(monkeypatch: pytest.MonkeyPatch, lists: Lists) -> None:
    """Local clusters whatever is on them, and others that nobody seems to use."""
    look(monkeypatch, **lists)


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        ({"nodes": [node(f"n{n}") for n in range(11)]}, "11 nodes"),
        ({"pods": [pod("shop"), pod("shop"), pod("default")]}, "pods run in default, shop"),
        ({"pods": [pod(place) for place in "abcde"]}, "pods run in a, b, c and 2 more"),
        ({"nodes": [node("prod-eu-1")]}, "prod-eu-1 is called or labelled production"),
        ({"nodes": [node(environment="production")]}, "n1 is called or labelled production"),
        ({"namespaces": [namespace("x", env="PROD")]}, "x is called or labelled production"),
        ({"nodes": [node(provider="kind://x"), node("n2")], "pods": [pod("shop")]}, "pods run in shop"),
    ],
)
def test_refused(monkeypatch: pytest.MonkeyPatch, lists: Lists, reason: str) -> None:
    """With the reason and the way out, in one line."""
    with pytest.raises(NotATestCluster, match=f"{reason}.*say --yes-this-cluster") as raised:
        look(monkeypatch, **lists)
    assert "\n" not in str(raised.value)


def test_what_cannot_be_seen_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that may not list nodes."""

    def refuses(*_: Any) -> None:
        raise ApiException(status=403, reason="Forbidden")

    monkeypatch.setattr(testing, "read", refuses)
    with pytest.raises(NotATestCluster, match="cannot be listed \\(403 Forbidden\\)"):
        require_test_cluster(API, [])
