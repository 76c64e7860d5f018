"""What the API server lets a run do, and which SMI resources it serves."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import yaml

from smi_conformance.cluster.doctor.findings import Finding, Found, Patient, ok, problem, warning
from smi_conformance.cluster.port import Manifest
from smi_conformance.locations import CRDS, RIGHTS
from smi_conformance.model.versions import PRINCIPAL

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
STABLE = f"kubectl apply -f {CRDS / 'stable.yaml'}"
HELM = "meta.helm.sh/release-namespace"
OWNERS = ("app.kubernetes.io/part-of", "app.kubernetes.io/name", "app.kubernetes.io/instance")


class Right(NamedTuple):
    """One verb on one resource, in all namespaces."""

    verb: str
    group: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")


@cache
def rights(role: str) -> tuple[Right, ...]:
    """What a role of manifests/rights.yaml allows."""
    roles = {one["metadata"]["name"]: one["rules"] for one in yaml.safe_load_all(RIGHTS.read_text()) if "rules" in one}
    return tuple(
        Right(verb, group, resource)
        for rule in roles[role]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


def allowed(patient: Patient) -> Found:
    """Whether whoever the kubeconfig is may do all that a run does, and read all that this examination reads."""
    remedy = f"kubectl apply -f {RIGHTS}, then bind its cluster role to your user or ServiceAccount"
    if missing := _missing(patient, (*rights("smi-conformance"), *_switching(patient), *_numbers(patient))):
        yield problem("rights", f"missing: {_some(missing)}", remedy)
    else:
        yield ok("rights", "all that a run needs")
    if missing := _missing(patient, rights("smi-conformance-doctor")):
        yield warning("rights", f"what this examination would read more: {_some(missing)}", remedy)


def _switching(patient: Patient) -> list[Right]:
    """What it takes to bring the mesh into the postures of the run."""
    settings = [one for posture in patient.postures for one in patient.profile.postures.get(posture, ())]  # type: ignore[call-overload]
    kinds = {(one.api_version.rpartition("/")[0], f"{one.kind.lower()}s") for one in settings}
    return [Right(verb, group, resource) for group, resource in sorted(kinds) for verb in ("get", "patch")]


def _numbers(patient: Patient) -> list[Right]:
    """What it takes to read numbers that are elsewhere."""
    return [*rights("smi-conformance-numbers")] if patient.profile.prometheus else []


def _some(missing: list[str]) -> str:
    return ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")


def _missing(patient: Patient, wanted: tuple[Right, ...]) -> list[str]:
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda right: _may(patient, right), wanted)
        return [str(right) for right, may in zip(wanted, answers, strict=True) if not may]


def _may(patient: Patient, right: Right) -> bool:
    name, _, subresource = right.resource.partition("/")
    attributes = {"verb": right.verb, "group": right.group, "resource": name, "subresource": subresource}
    review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
    answer = patient.request("POST", REVIEWS, {**review, "spec": {"resourceAttributes": attributes}})
    return bool(json.loads(answer.data)["status"].get("allowed"))


def resources(patient: Patient) -> Found:
    """Each SMI resource that the profile speaks of: is it there, which versions are served, and whose is it."""
    there = {crd["metadata"]["name"]: crd for crd in patient.items(DEFINITIONS)}
    for name in dict.fromkeys([*PRINCIPAL, *patient.profile.crds]):
        if name in there:
            yield from _installed(patient, there[name])
        else:
            yield _absent(patient, name)


def _absent(patient: Patient, name: str) -> Finding:
    claimed = patient.profile.claims.get(name.split(".")[1], ())
    if claimed or name in patient.profile.crds:
        return problem(name, f"the cluster has no {name}", f"install the mesh with its CRDs, or {STABLE}")
    return warning(name, f"the cluster has no {name}; the profile does not claim it either: unsupported", STABLE)


def _installed(patient: Patient, crd: Manifest) -> Found:
    name, group = crd["metadata"]["name"], crd["spec"]["group"]
    served = [version["name"] for version in crd["spec"]["versions"] if version["served"]]
    told = f"serves {', '.join(served) or 'no version'}"
    yield from _foreign(patient, name, crd)
    brought = [version for version in patient.profile.crds.get(name, ()) if version not in served]
    claimed = [version for version in patient.profile.claims.get(group.split(".")[0], ()) if version not in served]
    if brought:
        found = f"{told}, not {', '.join(brought)}, as {_mesh(patient)} does: another version, or another mesh's"
        yield problem(
            name, found, f"install the CRDs of {_mesh(patient)}, or use the profile of the mesh that is there"
        )
    elif claimed and name in PRINCIPAL:
        found = f"{told}, not {', '.join(claimed)}, as the profile claims: a run fails the requirement to serve it"
        yield replace(
            problem(name, found, "install the CRDs of the mesh, or correct `claims` in the profile"), judged=True
        )
    else:
        yield ok(name, f"{told}; preferred is {_preferred(patient, group)}")


def _preferred(patient: Patient, group: str) -> str:
    """The version that clients take when they do not ask for one."""
    return str((patient.there(f"/apis/{group}") or {}).get("preferredVersion", {}).get("version", "none"))


def _mesh(patient: Patient) -> str:
    return f"{patient.profile.title} {patient.profile.version}"


def _foreign(patient: Patient, name: str, crd: Manifest) -> Found:
    """Signs that a definition came with another mesh: who converts its objects, who installed it."""
    meta, homes = crd["metadata"], patient.profile.namespaces
    webhook = crd["spec"].get("conversion", {}).get("webhook") or {}
    converter = (webhook.get("clientConfig", {}).get("service") or {}).get("namespace")
    if converter and converter not in homes:
        found = f"its objects are converted by a Service in namespace {converter}, which is not of this mesh"
        yield problem(name, found, f"remove the mesh in {converter}, or use its profile")
    helm = (meta.get("annotations") or {}).get(HELM)
    if helm and helm not in homes and helm != converter:
        found = f"installed by Helm into namespace {helm}, which is not of this mesh"
        yield problem(name, found, f"remove the mesh in {helm}, or use its profile")
    elif not helm and (owner := _owner(meta, patient.profile.name)):
        yield warning(name, f"labelled as of {owner}, not of {patient.profile.name}", f"kubectl get crd {name} -o yaml")


def _owner(meta: Manifest, mesh: str) -> str:
    """Whose a definition says to be; empty where nothing is said, or the name of the mesh is in it."""
    labels = meta.get("labels") or {}
    told = next((str(labels[key]) for key in OWNERS if key in labels), "")
    return "" if mesh in told or told in mesh else told
