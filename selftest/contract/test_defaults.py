"""What the API server fills in, and what it refuses, in built-in objects."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from kubernetes.client import ApiException

from selftest.contract.cluster import Cluster, fields, refusal

MERGE = "application/merge-patch+json"


def service(cluster: Cluster, namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}
    return cluster.request("POST", f"/api/v1/namespaces/{namespace}/services", body)


def pod(cluster: Cluster, namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """A pod that is never made."""
    containers = [{"name": "main", "image": "busybox:1.36", "ports": [{"containerPort": 80}]}]
    body = {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}
    return cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", body)


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "busybox:1.36"}]
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}
    selector = {"matchLabels": {"app": name}}
    return {"metadata": {"name": name}, "spec": {"replicas": 0, "selector": selector, "template": template, **spec}}


def test_service(cluster: Cluster, namespace: str, name: str) -> None:
    spec = service(cluster, namespace, name)["spec"]

    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (spec["type"], spec["sessionAffinity"]) == ("ClusterIP", "None")
    assert ipaddress.ip_address(spec["clusterIP"])
    assert spec["clusterIPs"] == [spec["clusterIP"]]


def test_services_have_addresses_of_their_own(cluster: Cluster, namespace: str, name: str) -> None:
    addresses = {service(cluster, namespace, f"{name}-{n}")["spec"]["clusterIP"] for n in range(3)}

    assert len(addresses) == 3


def test_headless_service(cluster: Cluster, namespace: str, name: str) -> None:
    assert service(cluster, namespace, name, clusterIP="None")["spec"]["clusterIP"] == "None"


def test_external_name(cluster: Cluster, namespace: str, name: str) -> None:
    spec = service(cluster, namespace, name, type="ExternalName", externalName="example.com", ports=None)["spec"]

    assert "clusterIP" not in spec
    assert spec["externalName"] == "example.com"


def test_update_keeps_address(cluster: Cluster, namespace: str, name: str) -> None:
    made = service(cluster, namespace, name)
    addresses = {k: made["spec"][k] for k in ("clusterIP", "clusterIPs")}
    body = {"metadata": made["metadata"], "spec": {"ports": [{"port": 81}], **addresses}}

    after = cluster.request("PUT", f"/api/v1/namespaces/{namespace}/services/{name}", body)

    assert (after["spec"]["clusterIP"], after["spec"]["ports"][0]["port"]) == (addresses["clusterIP"], 81)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"ports": []}, "spec.ports"),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port"),
        ({"ports": [{"port": 80}, {"port": 81}]}, "spec.ports[0].name"),
        ({"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]}, "spec.ports[1].name"),
        ({"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}, "spec.ports[1]"),
        ({"type": "Other"}, "spec.type"),
        ({"type": "ExternalName"}, "spec.externalName"),
    ],
    ids=str,
)
def test_bad_service(cluster: Cluster, namespace: str, name: str, spec: dict[str, Any], field: str) -> None:
    with pytest.raises(ApiException) as error:
        service(cluster, namespace, name, **spec)

    assert field in fields(refusal(error.value))


def test_cluster_ip_is_immutable(cluster: Cluster, namespace: str, name: str) -> None:
    service(cluster, namespace, name)
    patch = {"spec": {"clusterIP": "10.96.250.250", "clusterIPs": ["10.96.250.250"]}}

    with pytest.raises(ApiException) as error:
        cluster.patch(f"/api/v1/namespaces/{namespace}/services/{name}", patch, MERGE)

    assert refusal(error.value)["reason"] == "Invalid"


def test_pod(cluster: Cluster, namespace: str, name: str) -> None:
    made = pod(cluster, namespace, name, readinessGates=None)
    spec, main = made["spec"], made["spec"]["containers"][0]

    assert (spec["restartPolicy"], spec["dnsPolicy"], spec["schedulerName"]) == (
        "Always",
        "ClusterFirst",
        "default-scheduler",
    )
    assert (spec["terminationGracePeriodSeconds"], spec["enableServiceLinks"]) == (30, True)
    assert (main["imagePullPolicy"], main["resources"]) == ("IfNotPresent", {})
    assert main["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert made["status"]["phase"] == "Pending"


@pytest.mark.parametrize(("image", "policy"), [("a", "Always"), ("a:latest", "Always"), ("r:5000/a:1", "IfNotPresent")])
def test_pull_policy(cluster: Cluster, namespace: str, name: str, image: str, policy: str) -> None:
    made = pod(cluster, namespace, name, containers=[{"name": "main", "image": image}])

    assert made["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_probe(cluster: Cluster, namespace: str, name: str) -> None:
    container = {"name": "main", "image": "a:1", "readinessProbe": {"httpGet": {"port": 80}}}
    probe = pod(cluster, namespace, name, containers=[container])["spec"]["containers"][0]["readinessProbe"]

    assert probe["httpGet"] == {"port": 80, "path": "/", "scheme": "HTTP"}
    assert [probe[k] for k in ("timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")] == [
        1,
        10,
        1,
        3,
    ]


def test_pod_has_an_account(cluster: Cluster, namespace: str, name: str) -> None:
    """Where the token comes from differs (a Secret before 1.21), that it is mounted does not."""
    spec = pod(cluster, namespace, name)["spec"]
    mounts = [m for m in spec["containers"][0]["volumeMounts"] if m["mountPath"].endswith("/serviceaccount")]

    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    assert mounts[0]["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mounts[0]["name"] in [v["name"] for v in spec["volumes"]]


def test_pod_without_token(cluster: Cluster, namespace: str, name: str) -> None:
    assert "volumes" not in pod(cluster, namespace, name, automountServiceAccountToken=False)["spec"]


def test_pod_with_unknown_account(cluster: Cluster, namespace: str, name: str) -> None:
    with pytest.raises(ApiException) as error:
        pod(cluster, namespace, name, serviceAccountName="nobody")

    status = refusal(error.value)
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert 'serviceaccount "nobody" not found' in status["message"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": []}, "spec.containers"),
        ({"containers": [{"name": "A", "image": "a:1"}]}, "spec.containers[0].name"),
        ({"containers": [{"name": "a"}]}, "spec.containers[0].image"),
        ({"containers": [{"name": "a", "image": "a:1"}] * 2}, "spec.containers[1].name"),
        (
            {"containers": [{"name": "a", "image": "a:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
            "spec.containers[0].volumeMounts[0].name",
        ),
        ({"restartPolicy": "Sometimes"}, "spec.restartPolicy"),
    ],
    ids=str,
)
def test_bad_pod(cluster: Cluster, namespace: str, name: str, spec: dict[str, Any], field: str) -> None:
    with pytest.raises(ApiException) as error:
        pod(cluster, namespace, name, **spec)

    assert field in fields(refusal(error.value))


def test_deployment(cluster: Cluster, namespace: str, name: str) -> None:
    body = deployment(name)
    made = cluster.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments?dryRun=All", body)
    spec = made["spec"]

    assert made["metadata"]["generation"] == 1
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"selector": {"matchLabels": {"app": "other"}}}, "spec.template.metadata.labels"),
        ({"selector": None}, "spec.selector"),
        ({"replicas": -1}, "spec.replicas"),
    ],
    ids=str,
)
def test_bad_deployment(cluster: Cluster, namespace: str, name: str, spec: dict[str, Any], field: str) -> None:
    with pytest.raises(ApiException) as error:
        cluster.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment(name, **spec))

    assert field in fields(refusal(error.value))


def test_selector_is_immutable(cluster: Cluster, namespace: str, name: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    cluster.request("POST", path, deployment(name))
    labels = {"app": name, "more": "x"}
    patch = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}

    with pytest.raises(ApiException) as error:
        cluster.patch(f"{path}/{name}", patch, MERGE)

    assert fields(refusal(error.value)) == {"spec.selector"}


def test_secret(cluster: Cluster, namespace: str, name: str) -> None:
    body = {"metadata": {"name": name}, "stringData": {"a": "b"}}
    made = cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body)

    assert (made["type"], made["data"]) == ("Opaque", {"a": "Yg=="})
    assert "stringData" not in made


def test_webhook_configuration(cluster: Cluster, name: str) -> None:
    webhook = {
        "name": f"{name}.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [{"operations": ["CREATE"], "apiGroups": [f"{name}.com"], "apiVersions": ["v1"], "resources": ["a"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = "mutatingwebhookconfigurations"
    made = cluster.request(
        "POST",
        f"/apis/admissionregistration.k8s.io/v1/{kind}?dryRun=All",
        {"metadata": {"name": name}, "webhooks": [webhook]},
    )["webhooks"][0]

    assert (made["failurePolicy"], made["timeoutSeconds"], made["reinvocationPolicy"]) == ("Fail", 10, "Never")
    assert (made["matchPolicy"], made["rules"][0]["scope"]) == ("Equivalent", "*")
    assert (made["namespaceSelector"], made["objectSelector"]) == ({}, {})
