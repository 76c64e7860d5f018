"""Changes to the API surface, from which faults of the api area are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.apiserver import Answer, ApiCall
from smi_conformance.cluster.model.edits import fields_of
from smi_conformance.model.render import TOP_LEVEL

Manifest = dict[str, Any]
Schema = dict[str, Any]
Answering = Callable[[ApiCall], Answer]
WRITES = ("POST", "PUT", "PATCH")


def is_crd(crd: Manifest, kind: str) -> bool:
    """Whether a definition is that of a kind."""
    return bool(crd["spec"]["names"]["kind"] == kind)


def schemas(crd: Manifest, kind: str) -> Iterator[Schema]:
    """The schemas of the fields of a kind, one for each version: below spec or at the top level. To be changed."""
    for version in crd["spec"]["versions"] if is_crd(crd, kind) else ():
        root = version["schema"]["openAPIV3Schema"]
        group = crd["spec"]["group"].partition(".")[0]
        yield root if (group, version["name"]) in TOP_LEVEL else root["properties"]["spec"]


def optional(crd: Manifest, kind: str, field: str, *inside: str) -> Manifest:
    """The same definition without the demand for a field; `inside` lists of objects, if it is there."""
    for schema in schemas(crd, kind):
        holder = schema
        for place in inside:
            holder = holder["properties"].get(place, {}).get("items", {"properties": {}})
        if field in holder.get("required", ()):
            holder["required"] = [name for name in holder["required"] if name != field]
    return crd


def unserved(crd: Manifest, kind: str, version: str) -> Manifest:
    """The same definition, with one version installed and not served."""
    for one in crd["spec"]["versions"] if is_crd(crd, kind) else ():
        one["served"] = one["served"] and one["name"] != version
    return crd


def renamed(crd: Manifest, group: str | None = None, plural: str | None = None) -> Manifest:
    """The same definition under another group or plural."""
    spec = crd["spec"]
    spec["group"] = group or spec["group"]
    spec["names"]["plural"] = plural or spec["names"]["plural"]
    crd["metadata"]["name"] = f"{spec['names']['plural']}.{spec['group']}"
    return crd


def without_verb(inner: Answering, call: ApiCall, plural: str, verb: str) -> Answer:
    """Discovery of a resource lacks a verb, and the verb is not allowed."""
    status, body = inner(call)
    for row in body.get("resources", ()) if isinstance(body, dict) else ():
        if row["name"] == plural:
            row["verbs"] = [one for one in row["verbs"] if one != verb]
    words = call.path.split("/")
    asked = {"PATCH": "patch", "PUT": "update"}.get(call.method, "watch" if "watch" in call.query else "")
    if plural in words and "smi-spec.io" in call.path and asked == verb:
        return refusal(405, f"{verb} is not allowed")
    return status, body


def refusal(code: int, message: str) -> Answer:
    """The API server's way to say no."""
    reason = {405: "MethodNotAllowed", 422: "Invalid"}[code]
    return code, {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code,
    }  # fmt: skip


def written(call: ApiCall, kind: str) -> Manifest | None:
    """The fields that a request writes to an object of a kind; None for any other request."""
    body = call.body
    concerns = call.method in WRITES and f"/{kind.lower()}s" in call.path and "smi-spec.io" in call.path
    return fields_of(body) if concerns and isinstance(body, dict) else None


def changing(call: ApiCall, change: Callable[[Manifest], None], kind: str) -> ApiCall:
    """The same request with other fields written to objects of a kind."""
    if written(call, kind) is None:
        return call
    changed = replace(call, body=json.loads(json.dumps(call.body)))
    change(fields_of(changed.body))
    return changed


def refusing(inner: Answering, call: ApiCall, kind: str, bad: Callable[[Manifest], bool], why: str) -> Answer:
    """Objects of a kind whose fields are bad are refused."""
    fields = written(call, kind)
    return refusal(422, why) if fields is not None and bad(fields) else inner(call)
