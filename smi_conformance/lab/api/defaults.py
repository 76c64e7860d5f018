"""Defaults of the built-in resources, as the API server fills them in before admission."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from smi_conformance.lab.api.errors import Object

_FILE_MODE = 420
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def _fill(obj: Object, **defaults: Any) -> None:
    for key, value in defaults.items():
        if obj.get(key) is None:
            obj[key] = value


def without_nulls(value: Any) -> Any:
    """Built-in types do not tell null from absent."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


def fill_defaults(resource: str, obj: Object) -> None:
    """Complete `obj` in place."""
    if (defaults := _DEFAULTS.get(resource)) is not None:
        defaults(obj)


def _pod(pod: Object) -> None:
    _pod_spec(pod.setdefault("spec", {}))
    _fill(pod["spec"], enableServiceLinks=True)
    pod.setdefault("status", {"phase": "Pending", "qosClass": "BestEffort"})


def _pod_spec(spec: Object) -> None:
    _fill(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    if spec.get("serviceAccountName"):
        _fill(spec, serviceAccount=spec["serviceAccountName"])
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _container(container: Object) -> None:
    tag = container.get("image", "").rpartition("/")[2].partition(":")[2]
    _fill(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if tag in ("", "latest") else "IfNotPresent",
    )
    for port in container.get("ports") or ():
        _fill(port, protocol="TCP")
    for variable in container.get("env") or ():
        _field_ref(variable.get("valueFrom") or {})
    for probe in _PROBES:
        if container.get(probe):
            _probe(container[probe])


def _probe(probe: Object) -> None:
    _fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if probe.get("httpGet"):
        _fill(probe["httpGet"], path="/", scheme="HTTP")


def _volume(volume: Object) -> None:
    if len(volume) == 1:
        volume["emptyDir"] = {}
    for kind in ("configMap", "secret", "projected", "downwardAPI"):
        if volume.get(kind) is not None:
            _fill(volume[kind], defaultMode=_FILE_MODE)
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "serviceAccountToken" in source:
            _fill(source["serviceAccountToken"], expirationSeconds=3600)
        _downward(source.get("downwardAPI") or {})
    _downward(volume.get("downwardAPI") or {})


def _downward(source: Object) -> None:
    for item in source.get("items") or ():
        _field_ref(item)


def _field_ref(holder: Object) -> None:
    if holder.get("fieldRef"):
        _fill(holder["fieldRef"], apiVersion="v1")


def _service(service: Object) -> None:
    spec = service.setdefault("spec", {})
    _fill(spec, type="ClusterIP", sessionAffinity="None")
    service.setdefault("status", {"loadBalancer": {}})
    for port in spec.get("ports") or ():
        _fill(port, protocol="TCP", targetPort=port.get("port"))
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _fill(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "ExternalName":
        return
    _fill(spec, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack", internalTrafficPolicy="Cluster")
    if spec.get("clusterIP"):
        _fill(spec, clusterIPs=[spec["clusterIP"]])


def _template(workload: Object) -> None:
    template = workload.setdefault("spec", {}).get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        _pod_spec(template.setdefault("spec", {}))


def _deployment(deployment: Object) -> None:
    _template(deployment)
    spec = deployment["spec"]
    _fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    _fill(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        _fill(spec["strategy"], rollingUpdate={})
        _fill(spec["strategy"]["rollingUpdate"], maxSurge="25%", maxUnavailable="25%")
    deployment.setdefault("status", {})


def _replica_set(replica_set: Object) -> None:
    _template(replica_set)
    _fill(replica_set["spec"], replicas=1)
    replica_set.setdefault("status", {"replicas": 0})


def _replication_controller(controller: Object) -> None:
    _template(controller)
    spec = controller["spec"]
    labels = (spec.get("template") or {}).get("metadata", {}).get("labels")
    _fill(spec, replicas=1, selector=labels)
    controller.setdefault("status", {"replicas": 0})


def _stateful_set(stateful_set: Object) -> None:
    _template(stateful_set)
    _fill(stateful_set["spec"], replicas=1, podManagementPolicy="OrderedReady", revisionHistoryLimit=10)
    stateful_set.setdefault("status", {"replicas": 0})


def _daemon_set(daemon_set: Object) -> None:
    _template(daemon_set)
    _fill(daemon_set["spec"], revisionHistoryLimit=10)
    counts = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady")
    daemon_set.setdefault("status", dict.fromkeys(counts, 0))


def _job(job: Object) -> None:
    template = job.setdefault("spec", {}).get("template")
    named = isinstance(template, dict) and (template.get("spec") or {}).get("restartPolicy")
    _template(job)
    if isinstance(template, dict) and not named:
        # Nobody's default here: Always, which is that of pods, is refused.
        template["spec"]["restartPolicy"] = ""
    _fill(job["spec"], parallelism=1, completions=job["spec"].get("parallelism") or 1, backoffLimit=6)
    job.setdefault("status", {})


def _namespace(namespace: Object) -> None:
    meta = namespace["metadata"]
    if meta.get("name"):
        labels = meta.setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = meta["name"]
    if "uid" not in meta:
        namespace["spec"] = {**namespace.get("spec", {}), "finalizers": ["kubernetes"]}
    namespace.setdefault("status", {"phase": "Active"})


def _secret(secret: Object) -> None:
    _fill(secret, type="Opaque")
    plain = secret.pop("stringData", None) or {}
    if plain:
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in plain.items()}
        secret["data"] = {**secret.get("data", {}), **encoded}


def _webhooks(configuration: Object) -> None:
    for webhook in configuration.get("webhooks") or ():
        _fill(
            webhook,
            failurePolicy="Fail",
            matchPolicy="Equivalent",
            namespaceSelector={},
            objectSelector={},
            timeoutSeconds=10,
        )
        if configuration["kind"].startswith("Mutating"):
            _fill(webhook, reinvocationPolicy="Never")
        if service := webhook.get("clientConfig", {}).get("service"):
            _fill(service, port=443)
        for rule in webhook.get("rules") or ():
            _fill(rule, scope="*")


def _binding(binding: Object) -> None:
    _fill(binding.get("roleRef") or {}, apiGroup="rbac.authorization.k8s.io")
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            _fill(subject, apiGroup="rbac.authorization.k8s.io")


def _crd(crd: Object) -> None:
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    if names.get("kind"):
        _fill(names, singular=names["kind"].lower(), listKind=names["kind"] + "List")
    _fill(spec, conversion={"strategy": "None"})
    service = (spec["conversion"].get("webhook") or {}).get("clientConfig", {}).get("service")
    if service:
        _fill(service, port=443)


def _api_service(api_service: Object) -> None:
    if service := (api_service.get("spec") or {}).get("service"):
        _fill(service, port=443)
    api_service.setdefault("status", {})


def _slice(endpoint_slice: Object) -> None:
    for port in endpoint_slice.get("ports") or ():
        _fill(port, protocol="TCP", name="")


_DEFAULTS: dict[str, Callable[[Object], None]] = {
    "namespaces": _namespace,
    "pods": _pod,
    "secrets": _secret,
    "services": _service,
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "apiservices.apiregistration.k8s.io": _api_service,
    "replicationcontrollers": _replication_controller,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set,
    "jobs.batch": _job,
    "endpointslices.discovery.k8s.io": _slice,
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
}
