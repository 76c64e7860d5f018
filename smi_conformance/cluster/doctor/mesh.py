"""The health of the mesh, as far as the API server can tell: its workloads, webhooks, aggregated APIs, the posture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from smi_conformance.cluster.doctor.findings import Finding, Found, Patient, condition, holds, ok, problem, warning
from smi_conformance.cluster.port import api_root
from smi_conformance.meshes.profile import Setting
from smi_conformance.meshes.verification import numbers

HOOKS = "/apis/admissionregistration.k8s.io/v1"
KINDS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
# Reasons of a waiting container that do not go by themselves.
STUCK = ("ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CrashLoopBackOff", "CreateContainerConfigError")
# What a run creates: (group, resource). A webhook for anything else does not come into its way.
MADE = {
    ("", "namespaces"), ("", "pods"), ("", "services"), ("", "serviceaccounts"), ("", "configmaps"),
    ("apps", "deployments"), ("access.smi-spec.io", "traffictargets"), ("specs.smi-spec.io", "httproutegroups"),
    ("specs.smi-spec.io", "tcproutes"), ("specs.smi-spec.io", "udproutes"), ("split.smi-spec.io", "trafficsplits"),
}  # fmt: skip


def workloads(patient: Patient) -> Found:
    """Each Deployment, DaemonSet and StatefulSet that the profile names."""
    profile = patient.profile
    kinds = {"Deployment": profile.deployments, "DaemonSet": profile.daemonsets, "StatefulSet": profile.statefulsets}
    for kind, names in kinds.items():
        for namespace, _, name in (workload.partition("/") for workload in names):
            found = patient.there(f"/apis/apps/v1/namespaces/{namespace}/{kind.lower()}s/{name}")
            yield _workload(patient, kind, f"{namespace}/{name}", found)


def _workload(patient: Patient, kind: str, place: str, found: Mapping[str, Any] | None) -> Finding:
    check = f"{kind.lower()} {place}"
    if found is None:
        remedy = f"install {patient.profile.title} as a whole" + _installer(patient)
        return problem(check, "not there: the mesh is not installed, or half", remedy)
    ready, wanted = numbers(kind, dict(found))
    told = f"{ready} of {wanted} pods {'available' if kind == 'Deployment' else 'ready'}"
    if 0 < wanted <= ready:
        return ok(check, told)
    namespace, _, name = place.partition("/")
    why = _why(patient, namespace, found) or condition(found, "Available").get("message", "")
    return problem(
        check, f"{told}: {why or 'none is wanted'}", f"kubectl -n {namespace} describe {kind.lower()} {name}"
    )


def _installer(patient: Patient) -> str:
    profile = patient.profile
    installable = profile.installer == "reference" or profile.installation
    return f": smi-conformance mesh install {profile.name}" if installable else ""


def _why(patient: Patient, namespace: str, deployment: Mapping[str, Any]) -> str:
    """Why pods of a Deployment do not run."""
    labels = deployment["spec"]["selector"].get("matchLabels") or {}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = patient.items(f"/api/v1/namespaces/{namespace}/pods", label_selector=selector)
    refused = condition(deployment, "ReplicaFailure").get("message", "")
    return "; ".join([text for text in [refused, *map(trouble, pods)] if text])[:400]


def trouble(pod: Mapping[str, Any]) -> str:
    """Why a pod does not become ready, in one line; empty where nothing is known."""
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for one in statuses:
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in (*STUCK, "ErrImagePull"):
            return f"container {one['name']}: {waiting['reason']}: {waiting.get('message') or one['image']}"
    scheduled = condition(pod, "PodScheduled")
    return f"not scheduled: {scheduled.get('message', '')}" if scheduled.get("status") == "False" else ""


def webhooks(patient: Patient) -> Found:
    """Webhooks in the way of what a run makes: each has to be answered, or to let pass what it cannot look at."""
    count = 0
    for kind in KINDS:
        for configuration in patient.items(f"{HOOKS}/{kind}"):
            for webhook in configuration.get("webhooks") or ():
                if _concerns(webhook):
                    count += 1
                    yield from _webhook(patient, kind, configuration["metadata"]["name"], webhook)
    yield from _converters(patient)
    if not count:
        yield ok("webhooks", "none for what a run makes")


def _concerns(webhook: Mapping[str, Any]) -> bool:
    rules = webhook.get("rules") or ()
    return any(
        (set(rule.get("apiGroups") or ()) & {group, "*"})
        and (set(rule.get("resources") or ()) & {resource, "*", "*/*"})
        for rule in rules
        for group, resource in MADE
    )


def _webhook(patient: Patient, kind: str, name: str, webhook: Mapping[str, Any]) -> Found:
    service: Mapping[str, Any] = webhook["clientConfig"].get("service") or {}
    check = f"webhook {webhook['name']}"
    silent = _silent(patient, service)
    if not silent:
        yield ok(check, "its Service has endpoints" if service else "outside of the cluster: not looked at")
        return
    remedy = f"kubectl -n {service['namespace']} get endpoints {service['name']}; or kubectl delete {kind} {name}"
    if webhook.get("failurePolicy", "Fail") == "Fail":
        yield problem(check, f"{silent}, and what it cannot look at is refused (failurePolicy Fail)", remedy)
    else:
        yield warning(check, f"{silent}; what it cannot look at passes (failurePolicy Ignore)", remedy)


def _converters(patient: Patient) -> Found:
    for crd in patient.items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions"):
        webhook = (crd["spec"].get("conversion") or {}).get("webhook") or {}
        service = (webhook.get("clientConfig") or {}).get("service") or {}
        if crd["spec"]["group"].endswith(".smi-spec.io") and (silent := _silent(patient, service)):
            name = crd["metadata"]["name"]
            remedy = f"kubectl -n {service['namespace']} get endpoints {service['name']}"
            yield problem(f"conversion of {name}", f"{silent}: objects cannot be read in other versions", remedy)


def _silent(patient: Patient, service: Mapping[str, Any]) -> str:
    """Why nobody answers at a Service; empty where somebody may."""
    if not service:
        return ""
    place = f"/api/v1/namespaces/{service['namespace']}"
    told = f"Service {service['namespace']}/{service['name']}"
    if patient.there(f"{place}/services/{service['name']}") is None:
        return f"{told} does not exist"
    endpoints = patient.there(f"{place}/endpoints/{service['name']}") or {}
    return "" if any(one.get("addresses") for one in endpoints.get("subsets") or ()) else f"{told} has no endpoints"


def aggregated(patient: Patient) -> Found:
    """Aggregated APIs: while one is out of reach no namespace can be deleted, those of a run neither."""
    there = patient.items(APISERVICES)
    down = [one for one in there if not holds(one, "Available")]
    missing = {*patient.profile.apiservices} - {one["metadata"]["name"] for one in there}
    for name in sorted(missing):
        yield problem(f"apiservice {name}", "not there: the mesh is not installed, or half", "install it as a whole")
    for one in down:
        name, why = one["metadata"]["name"], condition(one, "Available").get("message", "not available")
        remedy = f"kubectl describe apiservice {name}"
        yield problem(f"apiservice {name}", f"{why}; until it answers no namespace can be deleted", remedy)
    if not (down or missing):
        yield ok("apiservices", "all available")


def posture(patient: Patient) -> Found:
    """Whether the mesh is in the posture of the run, or will be brought into it: by the profile."""
    for wanted in patient.postures:
        settings = patient.profile.postures.get(wanted)  # type: ignore[call-overload]
        if settings:
            yield from _settings(patient, wanted, settings)
        elif patient.profile.enforces_access:
            told = f"the profile does not tell how {_is(wanted)} is set: it is taken to be in force"
            yield warning(f"posture {wanted}", told, "set it by hand, or add `postures` to the profile")
        else:
            yield ok(f"posture {wanted}", "this mesh does not enforce access")


def _settings(patient: Patient, wanted: str, settings: list[Setting]) -> Iterator[Finding]:
    check, missing, other = f"posture {wanted}", [], []
    for setting in settings:
        found = patient.there(_path(setting))
        if found is None:
            missing.append(f"{setting.kind} {setting.name}")
        elif not _within(setting.patch, found):
            other.append(f"{setting.kind} {setting.name}")
    if missing:
        yield problem(check, f"{', '.join(missing)} does not exist, which should carry it", "install the mesh")
    else:
        yield ok(check, f"a run sets it in {', '.join(other)}" if other else "in force")


def _is(posture_: str) -> str:
    return "default-deny" if posture_ == "deny" else "permissive"


def _path(setting: Setting) -> str:
    place = f"/namespaces/{setting.namespace}" if setting.namespace else ""
    return f"{api_root(setting.api_version)}{place}/{setting.kind.lower()}s/{setting.name}"


def _within(patch: Any, found: Any) -> bool:
    """Whether a merge patch would change nothing."""
    if isinstance(patch, Mapping):
        return isinstance(found, Mapping) and all(_within(value, found.get(key)) for key, value in patch.items())
    return bool(patch == found)
