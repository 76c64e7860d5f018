"""Verifying a mesh and taking it off, on the API server of the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from smi_conformance.cluster.journal import Unrecorded
from smi_conformance.cluster.model.backend import ModelBackend
from smi_conformance.cluster.model.cluster import ModelCluster
from smi_conformance.cluster.port import Answer, Cluster, Manifest
from smi_conformance.meshes import crds, removal, samples, verification
from smi_conformance.meshes.profile import Profile, load
from smi_conformance.meshes.verification import Check

RBAC, ADMISSION = "rbac.authorization.k8s.io/v1", "admissionregistration.k8s.io/v1"
OSM = load("osm")


@pytest.fixture
def cluster() -> Iterator[ModelCluster]:
    """A cluster without a mesh."""
    backend = ModelBackend(OSM.onboarding, "deny")
    yield backend.cluster(Unrecorded())
    backend.close()


def make(cluster: Cluster, version: str, kind: str, name: str, **fields: Any) -> None:
    """Apply an object; a name with a slash holds its namespace."""
    space, _, own = name.rpartition("/")
    meta = {"name": own, **({"namespace": space} if space else {}), **fields.pop("metadata", {})}
    cluster.apply({"apiVersion": version, "kind": kind, "metadata": meta, **fields})


def held(namespace: str, role: str) -> dict[str, Any]:
    """The fields of a role binding."""
    return {
        "subjects": [{"kind": "ServiceAccount", "name": "controller", "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
    }


def hook(namespace: str) -> dict[str, Any]:
    """The fields of a webhook configuration."""
    config = {"service": {"namespace": namespace, "name": "hook", "path": "/"}, "caBundle": ""}
    one = {"name": "a.example.io", "clientConfig": config, "sideEffects": "None", "admissionReviewVersions": ["v1"]}
    return {"webhooks": [{**one, "failurePolicy": "Ignore", "rules": []}]}


@pytest.fixture
def with_osm(cluster: ModelCluster) -> ModelCluster:
    """A cluster on which a mesh and others have left their objects."""
    for definition in crds.of(OSM):
        cluster.apply(definition)
    for name in ("osm-system", "shop"):
        make(cluster, "v1", "Namespace", name)
    for name, namespace in (("osm-hook", "osm-system"), ("shop-hook", "shop")):
        make(cluster, ADMISSION, "MutatingWebhookConfiguration", name, **hook(namespace))
    for name in ("osm", "shared", "shop"):
        make(cluster, RBAC, "ClusterRole", name, rules=[])
    make(cluster, RBAC, "ClusterRoleBinding", "osm", **held("osm-system", "osm"))
    make(cluster, RBAC, "ClusterRoleBinding", "osm-shared", **held("osm-system", "shared"))
    make(cluster, RBAC, "ClusterRoleBinding", "shop-shared", **held("shop", "shared"))
    make(cluster, RBAC, "RoleBinding", "shop/osm-reads", **held("osm-system", "osm"))
    mark = {"annotations": {"meta.helm.sh/release-namespace": "osm-system"}}
    make(cluster, RBAC, "ClusterRole", "released", rules=[], metadata=mark)
    return cluster


def test_all_that_is_the_mesh_s_own_is_found(with_osm: ModelCluster) -> None:
    """In an order in which it can go, and nothing that others use."""
    found = [f"{ref.kind} {ref.namespace or ''}{'/' if ref.namespace else ''}{ref.name}" for ref in found_on(with_osm)]
    assert found == [
        "MutatingWebhookConfiguration osm-hook",
        "CustomResourceDefinition httproutegroups.specs.smi-spec.io",
        "CustomResourceDefinition tcproutes.specs.smi-spec.io",
        "CustomResourceDefinition trafficsplits.split.smi-spec.io",
        "CustomResourceDefinition traffictargets.access.smi-spec.io",
        "RoleBinding shop/osm-reads",
        "ClusterRoleBinding osm",
        "ClusterRoleBinding osm-shared",
        "ClusterRole osm",
        "ClusterRole released",
        "Namespace osm-system",
    ]


def found_on(cluster: Cluster, *, definitions: bool = True) -> list[Any]:
    return removal.leftovers(cluster, OSM, definitions=definitions)


def test_the_smi_resources_can_stay(with_osm: ModelCluster) -> None:
    """When another mesh uses them."""
    assert not [ref for ref in found_on(with_osm, definitions=False) if ref.kind == "CustomResourceDefinition"]


def test_nothing_is_left(with_osm: ModelCluster) -> None:
    """And a second time there is nothing to be found."""
    removal.remove(with_osm, found_on(with_osm))
    assert found_on(with_osm) == []
    assert with_osm.api("GET", f"/apis/{RBAC}/clusterroles/shared").status == 200


def test_a_cluster_without_the_mesh_has_nothing_of_it(cluster: ModelCluster) -> None:
    """No API that is missing is a problem."""
    assert found_on(cluster) == []


# Verification


def checks(cluster: Cluster, profile: Profile) -> dict[str, Check]:
    return {check.name: check for check in verification.checks(cluster, profile, "abcde")}


def test_resources_at_other_versions_are_a_problem(cluster: ModelCluster) -> None:
    """With what is served and what the profile says."""
    for definition in crds.stable():
        cluster.apply(definition)
    found = checks(cluster, OSM)
    split = found["trafficsplits.split.smi-spec.io"]
    assert (split.ok, split.found) == (False, "serves v1alpha4, the profile says v1alpha2")
    assert found["traffictargets.access.smi-spec.io"].ok
    assert found["Deployment osm-system/osm-controller"] == Check(
        False, "Deployment osm-system/osm-controller", "not there"
    )


def test_a_pod_that_the_mesh_does_not_take_in(cluster: ModelCluster) -> None:
    """Its namespace is gone afterwards."""
    found = checks(cluster, OSM)["canary pod"]
    assert (found.ok, found.found) == (False, "no container envoy in it, only workload")
    assert cluster.api("GET", "/api/v1/namespaces/smi-abcde-canary").status == 404


class Webhook:
    """A cluster whose webhook answers the creation of a pod in some way."""

    def __init__(self, cluster: ModelCluster, answer: Answer | None) -> None:
        self._cluster, self._answer = cluster, answer

    def api(self, method: str, path: str, body: Any = None) -> Answer:
        """Adds a sidecar, or refuses."""
        if self._answer:
            return self._answer
        pod: Manifest = {**body, "spec": {**body["spec"], "containers": [*body["spec"]["containers"], SIDECAR]}}
        return self._cluster.api(method, path, pod)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)


SIDECAR = {"name": "envoy", "image": "envoy"}


@pytest.mark.parametrize(
    ("answer", "ok", "told"),
    [
        (None, True, "ready, with workload, envoy"),
        (Answer(500, {"message": "failed calling webhook"}), False, "refused: 500 failed calling webhook"),
    ],
)
def test_the_webhook_has_to_answer(cluster: ModelCluster, answer: Answer | None, ok: bool, told: str) -> None:
    """The pod comes back with a sidecar, and becomes ready."""
    found = checks(Webhook(cluster, answer), OSM)["canary pod"]  # type: ignore[arg-type]
    assert (found.ok, found.found) == (ok, told)


@pytest.mark.parametrize(
    ("kind", "status", "wanted"),
    [
        ("Deployment", {"readyReplicas": 2}, (2, 3)),
        ("StatefulSet", {}, (0, 3)),
        ("DaemonSet", {"numberReady": 1, "desiredNumberScheduled": 2}, (1, 2)),
    ],
)
def test_pods_of_a_workload_are_counted(kind: str, status: dict[str, int], wanted: tuple[int, int]) -> None:
    """Those that are ready, and those that should be."""
    assert verification.numbers(kind, {"spec": {"replicas": 3}, "status": status}) == wanted


# Dry run


def test_dry_run_keeps_nothing(cluster: ModelCluster) -> None:
    """What the cluster does not serve cannot be tried; all else is taken."""
    first = list(samples.tried(cluster, OSM))
    assert {one.state for one in first if "smi-spec.io/" in one.what} == {"not tried"}
    for definition in crds.of(OSM):
        cluster.apply(definition)
    second = list(samples.tried(cluster, OSM))
    assert [one for one in second if one.state != "accepted"] == []
    assert "TrafficSplit split.smi-spec.io/v1alpha2" in {one.what for one in second}
    answer = cluster.api("GET", "/apis/split.smi-spec.io/v1alpha2/trafficsplits")
    assert isinstance(answer.body, dict)
    assert answer.body["items"] == []


def test_a_refusal_is_told(cluster: ModelCluster) -> None:
    """As the API server words it."""
    split = next(iter(crds.of(OSM)))
    found = samples.dry_run(cluster, {**split, "spec": {}})
    assert found.state == "refused"
    assert found.told.startswith("422 ")
