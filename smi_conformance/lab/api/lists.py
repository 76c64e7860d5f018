"""Lists of objects, in pages if asked, and as tables for kubectl."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.resources import Resource

_NAME = {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}
_STEP = re.compile(r"\.?([A-Za-z0-9_-]+)|\['([^']+)'\]|\[(\d+)\]|\[\?\(@\.(\w+)==\"([^\"]*)\"\)\]")


def wants_table(accept: str) -> bool:
    return "as=Table" in accept


def object_list(row: Resource, objects: list[Object], version: int, following: str, left: int) -> Object:
    meta: Object = {"resourceVersion": str(version)}
    if following:
        meta |= {"continue": following, "remainingItemCount": left}
    if row.definition is None:
        objects = [{k: v for k, v in o.items() if k not in ("apiVersion", "kind")} for o in objects]
    kind = row.list_kind or row.kind + "List"
    return {"kind": kind, "apiVersion": row.api_version, "metadata": meta, "items": objects}


def page(objects: list[Object], limit: int | None, following: str) -> tuple[list[Object], str, int]:
    """At most `limit` objects after the place `following`; the next place; how many are left."""
    if following:
        after = _decode(following)
        objects = [o for o in objects if _place(o) > after]
    if not limit or len(objects) <= limit:
        return objects, "", 0
    return objects[:limit], _encode(_place(objects[limit - 1])), len(objects) - limit


def _place(obj: Object) -> list[str]:
    return [obj["metadata"].get("namespace", ""), obj["metadata"]["name"]]


def _encode(place: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _decode(text: str) -> list[str]:
    try:
        place: list[str] = json.loads(base64.urlsafe_b64decode(text))
    except ValueError as error:
        raise ApiError.bad_request("continue key is not valid") from error
    return place


def table(row: Resource, objects: list[Object], meta: Object) -> Object:
    """For `kubectl get`: the columns that the kind is known for."""
    columns = list(_columns(row))
    told = [{k: v for k, v in c.items() if k not in ("cell", "jsonPath")} for c, _ in columns]
    rows = [
        {
            "cells": [cell(o) for _, cell in columns],
            "object": {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": o["metadata"],
            },
        }
        for o in objects
    ]
    kind = {"kind": "Table", "apiVersion": "meta.k8s.io/v1"}
    return {**kind, "metadata": meta, "columnDefinitions": told, "rows": rows}


Cell = Callable[[Object], Any]


def _columns(row: Resource) -> Iterator[tuple[Object, Cell]]:
    yield _NAME, lambda o: o["metadata"]["name"]
    for name, cell in _KNOWN.get(row.name, ()):
        yield {**_NAME, "name": name, "format": ""}, cell
    printed = (row.definition or {}).get("additionalPrinterColumns") or ()
    for column in printed:
        yield {"format": "", "description": "", "priority": 0, **column}, _by_path(column)
    if not printed:
        yield {**_NAME, "name": "Age", "format": ""}, lambda o: age(o["metadata"].get("creationTimestamp"))


def _by_path(column: Object) -> Cell:
    def cell(obj: Object) -> Any:
        value = json_path(obj, column["jsonPath"])
        return age(value) if column.get("type") == "date" else value

    return cell


def json_path(obj: Any, path: str) -> Any:
    """The value at a simple JSONPath: fields, quoted fields, indices and one equality filter per list."""
    for field, quoted, index, key, wanted in _STEP.findall(path):
        if isinstance(obj, dict) and (field or quoted):
            obj = obj.get(field or quoted)
        elif isinstance(obj, list) and index:
            obj = obj[int(index)] if int(index) < len(obj) else None
        elif isinstance(obj, list) and key:
            obj = next((o for o in obj if str(o.get(key)) == wanted), None)
        else:
            return None
    return obj


def age(timestamp: str | None) -> str:
    if not timestamp:
        return "<unknown>"
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"


def _containers(pod: Object) -> list[Object]:
    statuses: list[Object] = pod.get("status", {}).get("containerStatuses") or []
    return statuses


def _pod_ready(pod: Object) -> str:
    ready = sum(bool(c.get("ready")) for c in _containers(pod))
    return f"{ready}/{len(pod['spec']['containers'])}"


def _pod_status(pod: Object) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    states = [c.get("state", {}) for c in _containers(pod)]
    reasons = [(s.get("waiting") or s.get("terminated") or {}).get("reason") for s in states]
    return str(next((r for r in reasons if r), None) or pod.get("status", {}).get("phase", "Unknown"))


def _status(field: str) -> Cell:
    return lambda o: o.get("status", {}).get(field) or 0


def _ready_replicas(deployment: Object) -> str:
    return f"{_status('readyReplicas')(deployment)}/{deployment['spec']['replicas']}"


def _ports(service: Object) -> str:
    return ",".join(f"{p['port']}/{p['protocol']}" for p in service["spec"].get("ports") or ()) or "<none>"


_KNOWN: dict[str, tuple[tuple[str, Cell], ...]] = {
    "pods": (
        ("Ready", _pod_ready),
        ("Status", _pod_status),
        ("Restarts", lambda o: sum(c.get("restartCount", 0) for c in _containers(o))),
    ),
    "namespaces": (("Status", lambda o: o.get("status", {}).get("phase", "")),),
    "services": (
        ("Type", lambda o: o["spec"]["type"]),
        ("Cluster-IP", lambda o: o["spec"].get("clusterIP") or "<none>"),
        ("Port(s)", _ports),
    ),
    "deployments.apps": (
        ("Ready", _ready_replicas),
        ("Up-to-date", _status("updatedReplicas")),
        ("Available", _status("availableReplicas")),
    ),
    "replicasets.apps": (
        ("Desired", lambda o: o["spec"]["replicas"]),
        ("Current", _status("replicas")),
        ("Ready", _status("readyReplicas")),
    ),
    "events": (
        ("Type", lambda o: o.get("type", "")),
        ("Reason", lambda o: o.get("reason", "")),
        (
            "Object",
            lambda o: f"{o['involvedObject'].get('kind', '').lower()}/{o['involvedObject'].get('name')}",
        ),
        ("Message", lambda o: o.get("message", "")),
    ),
}
