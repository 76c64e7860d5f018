"""Addresses of Services: cluster IPs and node ports."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from smi_conformance.lab.api.errors import ApiError, Cause, Object
from smi_conformance.lab.api.store import Store

NETWORK = ipaddress.ip_network("10.96.0.0/16")
RESERVED = frozenset({"10.96.0.1", "10.96.0.10"})
"""Of the API server and of DNS: only for those who ask for them by name."""
_NODE_PORTS = range(30000, 32768)


def allocate(store: Store, service: Object) -> None:
    """Give the Service the addresses it lacks. Raises ApiError 422 for one out of range or taken."""
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    if not spec.get("clusterIP"):
        spec["clusterIP"] = _free_address(store)
    elif spec["clusterIP"] != "None":
        _check_free(store, service)
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _allocate_node_ports(store, spec)


def keep_addresses(service: Object, current: Object) -> None:
    """An update that leaves the addresses out keeps them."""
    spec, known = service["spec"], current["spec"]
    if "ExternalName" in (spec["type"], known["type"]):
        return
    for field in ("clusterIP", "clusterIPs"):
        if not spec.get(field) and field in known:
            spec[field] = known[field]


def service_causes(service: Object, current: Object | None) -> Iterator[Cause]:
    """What Kubernetes refuses in a Service."""
    spec = service["spec"]
    headless = spec.get("clusterIP") == "None"
    if spec["type"] == "ExternalName":
        if not spec.get("externalName"):
            yield "FieldValueRequired", "spec.externalName", "Required value"
        return
    if spec["type"] not in ("ClusterIP", "NodePort", "LoadBalancer"):
        supported = '"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
        message = f'Unsupported value: "{spec["type"]}": supported values: {supported}'
        yield "FieldValueNotSupported", "spec.type", message
    if not spec.get("ports") and not headless:
        yield "FieldValueRequired", "spec.ports", "Required value"
    yield from _port_causes(spec.get("ports") or [])
    before = (current or {}).get("spec", {}).get("clusterIP")
    if before and before != spec.get("clusterIP"):
        message = f'Invalid value: "{spec.get("clusterIP")}": field is immutable'
        yield "FieldValueInvalid", "spec.clusterIP", message


def _port_causes(ports: list[Object]) -> Iterator[Cause]:
    names: set[str] = set()
    seen: set[tuple[object, object]] = set()
    for index, port in enumerate(ports):
        path = f"spec.ports[{index}]"
        name, number = port.get("name", ""), port.get("port")
        if not name and len(ports) > 1:
            yield "FieldValueRequired", f"{path}.name", "Required value"
        elif name in names:
            yield "FieldValueDuplicate", f"{path}.name", f'Duplicate value: "{name}"'
        if not isinstance(number, int) or not 0 < number < 65536:
            message = f"Invalid value: {number or 0}: must be between 1 and 65535, inclusive"
            yield "FieldValueInvalid", f"{path}.port", message
        if (number, port["protocol"]) in seen:
            message = f'Duplicate value: {{"protocol":"{port["protocol"]}","port":{number}}}'
            yield "FieldValueDuplicate", path, message
        names.add(name)
        seen.add((number, port["protocol"]))


def _free_address(store: Store) -> str:
    taken = RESERVED | {s["spec"].get("clusterIP") for s in store.walk("services")}
    # Walking on from the last one, so that a client does not meet an address it knew as another Service's.
    for _ in range(NETWORK.num_addresses - 2):
        store.next_address = store.next_address % (NETWORK.num_addresses - 2) + 1
        address = str(NETWORK[store.next_address])
        if address not in taken:
            return address
    raise ApiError.internal("failed to allocate a serviceIP: range is full")


def _check_free(store: Store, service: Object) -> None:
    address = service["spec"]["clusterIP"]
    name = service["metadata"]["name"]
    problem = _address_problem(store, address)
    if problem:
        cause = ("FieldValueInvalid", "spec.clusterIPs", f'Invalid value: ["{address}"]: {problem}')
        raise ApiError.invalid("Service", "", name, [cause])


def _address_problem(store: Store, address: str) -> str | None:
    try:
        inside = ipaddress.ip_address(address) in NETWORK
    except ValueError:
        return "must be a valid IP address"
    if not inside:
        return f"failed to allocate IP {address}: the provided IP is not in the valid range: {NETWORK}"
    if any(s["spec"].get("clusterIP") == address for s in store.walk("services")):
        return f"failed to allocate IP {address}: provided IP is already allocated"
    return None


def _allocate_node_ports(store: Store, spec: Object) -> None:
    taken = {p.get("nodePort") for s in store.walk("services") for p in s["spec"].get("ports") or ()}
    free = (p for p in _NODE_PORTS if p not in taken)
    for port in spec.get("ports") or ():
        if not port.get("nodePort"):
            port["nodePort"] = next(free)
