"""Endpoints and EndpointSlices: where the pods of a Service are."""

from __future__ import annotations

import json
from collections.abc import Iterator

from smi_conformance.lab.api.controllers.base import Controller, Key, is_dying, key_of
from smi_conformance.lab.api.controllers.replicasets import is_ready
from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.names import random_suffix
from smi_conformance.lab.api.selectors import match_labels
from smi_conformance.lab.api.watch import Event

SLICES = "endpointslices.discovery.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_MANAGER = "endpointslice-controller.k8s.io"

Group = tuple[list[Object], list[Object]]
"""Resolved ports, and the pods that have them."""


class EndpointsOfServices(Controller):
    """Keeps both kinds of every Service with a selector."""

    def concerns(self, event: Event) -> None:
        if event.resource == "services":
            self.look(key_of(event.object))
        elif event.resource == "pods":
            namespace = event.object["metadata"]["namespace"]
            for service in self.store.walk("services", namespace):
                if _selects(service, event.object) or (event.previous and _selects(service, event.previous)):
                    self.look(key_of(service))
        elif event.type == "DELETED" and event.resource == "endpoints":
            self.look(key_of(event.object))

    async def reconcile(self, key: Key) -> None:
        namespace, name = key
        service = self.store.find("services", name, namespace)
        if service is None:
            self._remove(key)
        elif service["spec"].get("selector") and service["spec"]["type"] != "ExternalName":
            pods = [p for p in self.store.walk("pods", namespace) if _selects(service, p) and _counts(p)]
            groups = _grouped(service, pods)
            self._write_endpoints(service, groups)
            self._write_slices(service, groups)

    def _slices(self, key: Key) -> list[Object]:
        def ours(meta: Object) -> bool:
            labels = meta.get("labels") or {}
            return labels.get(SERVICE_NAME) == key[1] and labels.get(MANAGED_BY) == _MANAGER

        return [s for s in self.store.walk(SLICES, key[0]) if ours(s["metadata"])]

    def _remove(self, key: Key) -> None:
        if self.store.find("endpoints", key[1], key[0]) is not None:
            self.store.delete("endpoints", key[1], key[0])
        for found in self._slices(key):
            self.store.delete(SLICES, found["metadata"]["name"], key[0])

    def _write_endpoints(self, service: Object, groups: list[Group]) -> None:
        meta = service["metadata"]
        subsets = [s for ports, pods in groups if (s := _subset(service, ports, pods))]
        wanted: Object = {"metadata": _endpoints_meta(service)}
        if subsets:
            wanted["subsets"] = subsets
        known = self.store.find("endpoints", meta["name"], meta["namespace"])
        if known is None:
            self.store.create("endpoints", wanted)
        else:
            labels = {"labels": wanted["metadata"].get("labels", {})}
            self.store.update("endpoints", {**wanted, "metadata": {**known["metadata"], **labels}})

    def _write_slices(self, service: Object, groups: list[Group]) -> None:
        namespace, name = key_of(service)
        known = self._slices((namespace, name))
        for index, (ports, pods) in enumerate(groups or [([], [])]):
            wanted = _slice(service, ports, pods)
            if index < len(known):
                self.store.update(SLICES, {**wanted, "metadata": {**known[index]["metadata"], **wanted["metadata"]}})
            else:
                wanted["metadata"] |= {"name": f"{name}-{random_suffix()}", "generateName": f"{name}-"}
                self.store.create(SLICES, wanted)
        for surplus in known[max(len(groups), 1) :]:
            self.store.delete(SLICES, surplus["metadata"]["name"], namespace)


def _selects(service: Object, pod: Object) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and match_labels(selector, pod["metadata"].get("labels") or {})


def _counts(pod: Object) -> bool:
    status = pod.get("status", {})
    return bool(status.get("podIP")) and status.get("phase") not in ("Failed", "Succeeded")


def _is_usable(service: Object, pod: Object) -> bool:
    return bool(service["spec"].get("publishNotReadyAddresses")) or is_ready(pod)


def _grouped(service: Object, pods: list[Object]) -> list[Group]:
    """Pods by their port numbers: a named target port may mean another number in each."""
    groups: dict[str, Group] = {}
    for pod in pods:
        ports = list(_ports(service, pod))
        if ports or not service["spec"].get("ports"):
            groups.setdefault(json.dumps(ports), (ports, []))[1].append(pod)
    return [groups[k] for k in sorted(groups)]


def _ports(service: Object, pod: Object) -> Iterator[Object]:
    for port in service["spec"].get("ports") or ():
        number = _target(port, pod)
        if number is not None:
            told = {k: port[k] for k in ("name", "appProtocol") if port.get(k)}
            yield {**told, "port": number, "protocol": port["protocol"]}


def _target(port: Object, pod: Object) -> int | None:
    target: int | str = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    if target.isdigit():
        return int(target)
    declared = [p for c in pod["spec"]["containers"] for p in c.get("ports") or ()]
    matching = (p for p in declared if p.get("name") == target and p["protocol"] == port["protocol"])
    return next((int(p["containerPort"]) for p in matching), None)


def _reference(pod: Object) -> Object:
    meta = pod["metadata"]
    return {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}


def _hostname(service: Object, pod: Object) -> Object:
    spec = pod["spec"]
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        return {"hostname": spec["hostname"]}
    return {}


def _subset(service: Object, ports: list[Object], pods: list[Object]) -> Object:
    subset: Object = {}
    for pod in sorted(pods, key=lambda p: str(p["status"]["podIP"])):
        if is_dying(pod) and not service["spec"].get("publishNotReadyAddresses"):
            continue
        field = "addresses" if _is_usable(service, pod) else "notReadyAddresses"
        address = {
            "ip": pod["status"]["podIP"],
            **_hostname(service, pod),
            "nodeName": pod["spec"].get("nodeName"),
            "targetRef": _reference(pod),
        }
        subset.setdefault(field, []).append(address)
    if subset and ports:
        subset["ports"] = ports
    return subset


def _endpoints_meta(service: Object) -> Object:
    meta = service["metadata"]
    labels = dict(meta.get("labels") or {})
    if service["spec"].get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    told = {"name": meta["name"], "namespace": meta["namespace"]}
    return {**told, "labels": labels} if labels else told


def _slice(service: Object, ports: list[Object], pods: list[Object]) -> Object:
    meta = service["metadata"]
    labels = {**(meta.get("labels") or {}), SERVICE_NAME: meta["name"], MANAGED_BY: _MANAGER}
    if service["spec"].get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    owner = {"apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta["uid"]}
    return {
        "metadata": {
            "namespace": meta["namespace"],
            "labels": labels,
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(service, p) for p in sorted(pods, key=lambda p: str(p["status"]["podIP"]))],
        "ports": [{"name": "", **p} for p in ports],
    }


def _endpoint(service: Object, pod: Object) -> Object:
    serving, dying = is_ready(pod), is_dying(pod)
    ready = _is_usable(service, pod) and (not dying or bool(service["spec"].get("publishNotReadyAddresses")))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": dying},
        **_hostname(service, pod),
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": _reference(pod),
    }
