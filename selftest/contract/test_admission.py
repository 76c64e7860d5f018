"""Admission webhooks in a pod, reached through their Service."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, Object, eventually, refusal
from selftest.contract.pods import container, pod, until_ready

GROUP = "/apis/admissionregistration.k8s.io/v1"


def certificate(name: str) -> tuple[bytes, bytes]:
    """A certificate that is its own authority, and the same with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "webhook")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, pem + secret


@pytest.fixture(scope="module")
def bundle(cluster: Cluster, namespace: str) -> str:
    """The authority of a webhook that runs in a pod behind the Service `hook`."""
    ca, both = certificate(f"hook.{namespace}.svc")
    code = (Path(__file__).parent / "webhook.py").read_text()
    data = {"webhook.py": code, "tls.pem": both.decode()}
    cluster.core.create_namespaced_config_map(namespace, {"metadata": {"name": "hook"}, "data": data})
    probe = {"tcpSocket": {"port": 8443}, "periodSeconds": 1}
    server = container(
        command=["python3", "/webhook/webhook.py"],
        readinessProbe=probe,
        volumeMounts=[{"name": "hook", "mountPath": "/webhook"}],
    )
    body = pod("hook", server, app="hook")
    body["spec"]["volumes"] = [{"name": "hook", "configMap": {"name": "hook"}}]
    cluster.core.create_namespaced_pod(namespace, body)
    spec = {"selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": 8443}]}
    cluster.core.create_namespaced_service(namespace, {"metadata": {"name": "hook"}, "spec": spec})
    until_ready(cluster, namespace, "hook")
    eventually(lambda: (cluster.core.read_namespaced_endpoints("hook", namespace).subsets or [None])[0])
    return base64.b64encode(ca).decode()


def configuration(name: str, namespace: str, kind: str, bundle: str, **more: Any) -> Object:
    """For the ConfigMaps that carry the label `hooked` with this name."""
    rule = {"operations": ["CREATE", "UPDATE", "DELETE"], "apiGroups": [""], "apiVersions": ["v1"]}
    service = {"namespace": namespace, "name": "hook", "path": f"/{kind[:6]}"}
    webhook = {
        "name": f"{name}.example.com",
        "clientConfig": {"service": service, "caBundle": bundle},
        "rules": [{**rule, "resources": ["configmaps", "pods"]}],
        "objectSelector": {"matchLabels": {"hooked": name}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **more,
    }
    return {"metadata": {"name": name}, "webhooks": [webhook]}


@pytest.fixture
def install(cluster: Cluster, name: str) -> Iterator[Any]:
    """Installs configurations of this test."""
    installed: list[str] = []

    def put(kind: str, body: Object) -> None:
        path = f"{GROUP}/{kind}webhookconfigurations"
        cluster.request("POST", path, body)
        installed.append(f"{path}/{name}")

    yield put
    for path in installed:
        cluster.request("DELETE", path)


def make(cluster: Cluster, namespace: str, name: str, hooked: str, **labels: str) -> Any:
    meta = {"name": name, "labels": {"hooked": hooked, **labels}}
    return cluster.core.create_namespaced_config_map(namespace, {"metadata": meta})


def test_mutating_webhook(cluster: Cluster, namespace: str, name: str, bundle: str, install: Any) -> None:
    install("mutating", configuration(name, namespace, "mutate", bundle))

    def attempt() -> bool:
        meta = {"generateName": f"{name}-", "labels": {"hooked": name}}
        labels = cluster.core.create_namespaced_config_map(namespace, {"metadata": meta}).metadata.labels
        return str(labels.get("seen", "")).startswith("CREATE.configmaps.")

    # A server takes a moment to see a new configuration.
    assert eventually(attempt)


def test_injected_container_is_completed(
    cluster: Cluster, namespace: str, name: str, bundle: str, install: Any
) -> None:
    install("mutating", configuration(name, namespace, "mutate", bundle))
    path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"

    def sidecar() -> Object | None:
        spec = cluster.request("POST", path, pod(name, hooked=name))["spec"]
        return next((c for c in spec["containers"] if c["name"] == "sidecar"), None)

    made = eventually(sidecar)
    assert (made["imagePullPolicy"], made["terminationMessagePolicy"]) == ("IfNotPresent", "File")
    assert [m["mountPath"].rpartition("/")[2] for m in made["volumeMounts"]] == ["serviceaccount"]


def test_validating_webhook(cluster: Cluster, namespace: str, name: str, bundle: str, install: Any) -> None:
    install("validating", configuration(name, namespace, "validate", bundle))
    denial = eventually(lambda: refused(cluster, namespace, name, deny="create"))

    assert denial["code"] == 418
    expected = f'admission webhook "{name}.example.com" denied the request: because of its label'
    assert denial["message"] == expected
    make(cluster, namespace, name, name, deny="delete")
    with pytest.raises(ApiException) as error:
        cluster.core.delete_namespaced_config_map(name, namespace)
    assert refusal(error.value)["message"] == expected
    assert make(cluster, namespace, f"{name}-other", "somebody", deny="create")


def refused(cluster: Cluster, namespace: str, name: str, **labels: str) -> Object | None:
    """The Status that came instead of a new object."""
    try:
        meta = {"generateName": f"{name}-", "labels": {"hooked": name, **labels}}
        cluster.core.create_namespaced_config_map(namespace, {"metadata": meta})
    except ApiException as error:
        return refusal(error)
    return None


def test_unreachable_webhook_fails(cluster: Cluster, namespace: str, name: str, install: Any) -> None:
    client = {"url": "https://127.0.0.1:1/"}
    install("validating", configuration(name, namespace, "validate", "", clientConfig=client))
    failure = eventually(lambda: refused(cluster, namespace, name))

    assert (failure["code"], failure["reason"]) == (500, "InternalError")
    assert f'failed calling webhook "{name}.example.com"' in failure["message"]


def test_unreachable_webhook_is_ignored(cluster: Cluster, namespace: str, name: str, bundle: str, install: Any) -> None:
    broken = {"name": f"{name}-1.example.com", "clientConfig": {"url": "https://127.0.0.1:1/"}}
    body = configuration(name, namespace, "validate", bundle)
    ignored = {**body["webhooks"][0], **broken, "failurePolicy": "Ignore"}
    install("validating", {**body, "webhooks": [ignored, *body["webhooks"]]})

    denial = eventually(lambda: refused(cluster, namespace, name, deny="create"))

    assert denial["code"] == 418
