"""Validation of built-in resources: what users get wrong, in Kubernetes' words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from smi_conformance.lab.api.aggregation import API_SERVICES, api_service_causes
from smi_conformance.lab.api.errors import ApiError, Cause, Object
from smi_conformance.lab.api.names import dns_label, label_causes, metadata_causes
from smi_conformance.lab.api.resources import Resource
from smi_conformance.lab.api.selectors import label_selector, match_labels
from smi_conformance.lab.api.services import service_causes

Check = Callable[[Object, Object | None], Iterator[Cause]]

_POD_MUTABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
_POD_FIXED = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, "
    "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` "
    "(only additions to existing tolerations)"
)


def check(row: Resource, obj: Object, current: Object | None) -> None:
    """Raises ApiError 422 that names every field in error."""
    causes = list(metadata_causes(row.name, obj["metadata"]))
    if (checks := _CHECKS.get(row.name)) is not None:
        causes += checks(obj, current)
    if causes:
        raise ApiError.invalid(row.kind, row.group, obj["metadata"].get("name", ""), causes)


def required(path: str, message: str = "Required value") -> Cause:
    return "FieldValueRequired", path, message


def invalid(path: str, value: object, problem: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else value
    return "FieldValueInvalid", path, f"Invalid value: {shown}: {problem}"


def _pod(pod: Object, current: Object | None) -> Iterator[Cause]:
    yield from _pod_spec(pod.get("spec") or {}, "spec")
    if current is not None and _pod_identity(pod["spec"]) != _pod_identity(current["spec"]):
        yield "FieldValueForbidden", "spec", _POD_FIXED


def _pod_identity(spec: Object) -> Object:
    """The fields of a pod that never change once it exists."""
    fixed = {k: v for k, v in spec.items() if k not in _POD_MUTABLE}
    for field in ("containers", "initContainers"):
        fixed[field] = [{k: v for k, v in c.items() if k != "image"} for c in spec.get(field) or ()]
    return fixed


def _pod_spec(spec: Object, path: str) -> Iterator[Cause]:
    volumes = {v.get("name") for v in spec.get("volumes") or ()}
    yield from _named(spec.get("volumes") or [], f"{path}.volumes")
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    for field in ("initContainers", "containers"):
        containers = spec.get(field) or []
        yield from _named(containers, f"{path}.{field}")
        for index, container in enumerate(containers):
            yield from _container(container, volumes, f"{path}.{field}[{index}]")
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never"):
        supported = '"Always", "OnFailure", "Never"'
        message = f'Unsupported value: "{spec.get("restartPolicy")}": supported values: {supported}'
        yield "FieldValueNotSupported", f"{path}.restartPolicy", message


def _named(items: list[Object], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        name = item.get("name")
        field = f"{path}[{index}].name"
        if not name:
            yield required(field)
        elif problem := dns_label(name):
            yield invalid(field, name, problem)
        elif name in seen:
            yield "FieldValueDuplicate", field, f'Duplicate value: "{name}"'
        seen.add(name or "")


def _container(container: Object, volumes: set[Any], path: str) -> Iterator[Cause]:
    if not container.get("image"):
        yield required(f"{path}.image")
    for index, port in enumerate(container.get("ports") or ()):
        number = port.get("containerPort")
        if not isinstance(number, int) or not 0 < number < 65536:
            problem = "must be between 1 and 65535, inclusive"
            yield invalid(f"{path}.ports[{index}].containerPort", number, problem)
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        if not mount.get("mountPath"):
            yield required(f"{path}.volumeMounts[{index}].mountPath")
        if mount.get("name") not in volumes:
            message = f'Not found: "{mount.get("name")}"'
            yield "FieldValueNotFound", f"{path}.volumeMounts[{index}].name", message


def _workload(workload: Object, current: Object | None) -> Iterator[Cause]:
    spec = workload.get("spec") or {}
    if current is not None and spec.get("selector") != current["spec"].get("selector"):
        yield invalid("spec.selector", spec.get("selector"), "field is immutable")
    if workload.get("kind") != "DaemonSet" and (not isinstance(spec.get("replicas"), int) or spec["replicas"] < 0):
        yield invalid("spec.replicas", spec.get("replicas"), "must be greater than or equal to 0")
    yield from _template(spec, label_selector(spec["selector"]) if spec.get("selector") else None, ("Always",))


def _replication_controller(controller: Object, current: Object | None) -> Iterator[Cause]:
    spec = controller.get("spec") or {}
    selector = spec.get("selector")
    yield from _template(spec, partial(match_labels, selector) if selector else None, ("Always",))


def _job(job: Object, current: Object | None) -> Iterator[Cause]:
    yield from _template(job.get("spec") or {}, lambda labels: True, ("Never", "OnFailure"))


def _template(
    spec: Object, selects: Callable[[Object], bool] | None, restart_policies: tuple[str, ...]
) -> Iterator[Cause]:
    template = spec.get("template")
    if selects is None:
        yield required("spec.selector")
    if not isinstance(template, dict):
        yield required("spec.template")
        return
    labels = template["metadata"].get("labels") or {}
    if selects is not None and not selects(labels):
        problem = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", labels, problem)
    yield from label_causes(labels, "spec.template.metadata.labels")
    path, policy = "spec.template.spec", template["spec"].get("restartPolicy")
    if policy in restart_policies:
        yield from _pod_spec(template["spec"], path)
        return
    yield from _pod_spec({**template["spec"], "restartPolicy": "Always"}, path)
    supported = ", ".join(f'"{one}"' for one in sorted(restart_policies, reverse=True))
    if policy or restart_policies != ("Always",):
        message = f'Unsupported value: "{policy}": supported values: {supported}'
        yield "FieldValueNotSupported", f"{path}.restartPolicy", message


def _binding(binding: Object, current: Object | None) -> Iterator[Cause]:
    reference = binding.get("roleRef") or {}
    if not reference.get("name"):
        yield required("roleRef.name")
    if current is not None and reference != current.get("roleRef"):
        yield invalid("roleRef", reference, "cannot change roleRef")


def _config(holder: Object, current: Object | None) -> Iterator[Cause]:
    if current is not None and current.get("immutable") and holder.get("data") != current.get("data"):
        yield "FieldValueForbidden", "data", "Forbidden: field is immutable when `immutable` is set"


def _webhooks(configuration: Object, current: Object | None) -> Iterator[Cause]:
    for index, webhook in enumerate(configuration.get("webhooks") or ()):
        path = f"webhooks[{index}]"
        if webhook.get("name", "").count(".") < 2:
            problem = "should be a domain with at least three segments separated by dots"
            yield invalid(f"{path}.name", webhook.get("name", ""), problem)
        if webhook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            yield required(f"{path}.sideEffects", "Required value: must specify one of None, NoneOnDryRun")
        if not {"v1", "v1beta1"} & set(webhook.get("admissionReviewVersions") or ()):
            problem = "Required value: must specify one of v1, v1beta1"
            yield required(f"{path}.admissionReviewVersions", problem)
        if len({"url", "service"} & set(webhook.get("clientConfig") or ())) != 1:
            yield required(f"{path}.clientConfig", "Required value: exactly one of url or service is required")


_CHECKS: dict[str, Check] = {
    API_SERVICES: api_service_causes,
    "pods": _pod,
    "services": service_causes,
    "configmaps": _config,
    "secrets": _config,
    "deployments.apps": _workload,
    "replicasets.apps": _workload,
    "statefulsets.apps": _workload,
    "daemonsets.apps": _workload,
    "jobs.batch": _job,
    "replicationcontrollers": _replication_controller,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
}
