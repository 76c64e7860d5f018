"""The environment of a container: Service variables, envFrom, env with valueFrom, and $(NAME) expansion."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from typing import Any

from smi_conformance.lab.api.store import Object, Store

from . import network

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 1e3, "M": 1e6, "G": 1e9, "m": 1e-3, "": 1}


class ConfigError(Exception):
    """What a container refers to is not there; the message is that of the kubelet."""


def expand(text: str, variables: dict[str, str]) -> str:
    """$(NAME) becomes the variable's value if there is one, $$ a dollar sign."""

    def value(match: re.Match[str]) -> str:
        return "$" if match.group(1) is None else variables.get(match.group(1), match.group(0))

    return _REFERENCE.sub(value, text)


def field_of(pod: Object, path: str) -> str:
    """The value of a downward API field. Raises ConfigError for a path that has none."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    keyed = _KEYED_FIELD.fullmatch(path)
    if keyed:
        value: str = (meta.get(keyed.group(1)) or {}).get(keyed.group(2), "")
        return value
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = meta.get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{_quoted(value)}"' for key, value in sorted(pairs.items()))
    fields = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": ",".join(entry["ip"] for entry in status.get("podIPs", ())),
        "status.hostIP": network.NODE_IP,
        "status.hostIPs": network.NODE_IP,
    }
    if path not in fields:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(fields[path])


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_of(container: Object, reference: Object) -> str:
    """limits.* or requests.* of the container in units of the divisor, rounded up; unset: the node's."""
    kind, _, name = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    amount = (resources.get(kind) or {}).get(name) or (resources.get("limits") or {}).get(name)
    value = _quantity(str(amount)) if amount is not None else _of_node(name)
    divisor = _quantity(str(reference.get("divisor") or "1")) or 1
    return str(int(-(-value // divisor)))


def _of_node(name: str) -> float:
    if name == "cpu":
        return float(len(os.sched_getaffinity(0)))
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _quantity(text: str) -> float:
    match = re.fullmatch(r"([0-9.]+)([KMG]i|[kMGm]|)", text)
    if not match:
        raise ConfigError(f"unsupported quantity: {text}")
    return float(match.group(1)) * _UNITS[match.group(2)]


def config_map(store: Store, name: str, namespace: str, *, optional: bool) -> dict[str, bytes]:
    """The keys of a ConfigMap. Raises ConfigError if it is missing and not optional."""
    found = store.find("configmaps", name, namespace)
    if found is None:
        if optional:
            return {}
        raise ConfigError(f'configmap "{name}" not found')
    data = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    binary = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
    return data | binary


def secret(store: Store, name: str, namespace: str, *, optional: bool) -> dict[str, bytes]:
    """The keys of a Secret. Raises ConfigError if it is missing and not optional."""
    found = store.find("secrets", name, namespace)
    if found is None:
        if optional:
            return {}
        raise ConfigError(f'secret "{name}" not found')
    return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}


def _service_variables(store: Store, pod: Object) -> Iterator[tuple[str, str]]:
    """Docker-link style variables of the namespace's Services, and always those of the API."""
    namespace = pod["metadata"]["namespace"]
    services = {"kubernetes": _API_SERVICE}
    if pod["spec"].get("enableServiceLinks", True):
        services |= {service["metadata"]["name"]: service["spec"] for service in store.walk("services", namespace)}
    for name, spec in services.items():
        if spec.get("clusterIP") not in (None, "", "None") and spec.get("ports"):
            yield from _link_variables(name.upper().replace("-", "_"), spec)


_API_SERVICE: dict[str, Any] = {
    "clusterIP": network.API_IP,
    "ports": [{"name": "https", "port": 443, "protocol": "TCP"}],
}


def _link_variables(name: str, spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    ip, ports = spec["clusterIP"], spec["ports"]
    yield f"{name}_SERVICE_HOST", ip
    yield f"{name}_SERVICE_PORT", str(ports[0]["port"])
    for port in ports:
        if port.get("name"):
            yield f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}", str(port["port"])
    first = ports[0]
    yield f"{name}_PORT", f"{first.get('protocol', 'TCP').lower()}://{ip}:{first['port']}"
    for port in ports:
        protocol = port.get("protocol", "TCP")
        prefix = f"{name}_PORT_{port['port']}_{protocol}"
        yield prefix, f"{protocol.lower()}://{ip}:{port['port']}"
        yield f"{prefix}_PROTO", protocol.lower()
        yield f"{prefix}_PORT", str(port["port"])
        yield f"{prefix}_ADDR", ip


def _from_sources(store: Store, pod: Object, container: Object) -> Iterator[tuple[str, str]]:
    namespace = pod["metadata"]["namespace"]
    for source in container.get("envFrom") or ():
        for key, read in (("configMapRef", config_map), ("secretRef", secret)):
            if key in source:
                reference = source[key]
                data = read(store, reference["name"], namespace, optional=reference.get("optional", False))
                prefix = source.get("prefix", "")
                yield from ((prefix + name, value.decode(errors="replace")) for name, value in data.items())


def _value(store: Store, pod: Object, container: Object, origin: Object) -> str | None:
    """The value of a valueFrom; None if it is optional and missing."""
    if "fieldRef" in origin:
        return field_of(pod, origin["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in origin:
        return resource_of(container, origin["resourceFieldRef"])
    for kind, read in (("configMapKeyRef", config_map), ("secretKeyRef", secret)):
        if kind in origin:
            reference = origin[kind]
            optional = reference.get("optional", False)
            data = read(store, reference["name"], pod["metadata"]["namespace"], optional=optional)
            if reference["key"] in data:
                return data[reference["key"]].decode(errors="replace")
            if optional:
                return None
            raise ConfigError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    raise ConfigError("unsupported valueFrom")


def build(store: Store, pod: Object, container: Object, of_image: dict[str, str]) -> dict[str, str]:
    """The whole environment of the container. Raises ConfigError."""
    linked = dict(_service_variables(store, pod))
    own: dict[str, str] = dict(_from_sources(store, pod, container))
    for entry in container.get("env") or ():
        if "valueFrom" in entry:
            value = _value(store, pod, container, entry["valueFrom"])
        else:
            value = expand(entry.get("value", ""), linked | own)
        if value is not None:
            own[entry["name"]] = value
    hostname = pod["spec"].get("hostname") or pod["metadata"]["name"]
    return {**of_image, "HOME": "/root", "HOSTNAME": hostname, **linked, **own}
