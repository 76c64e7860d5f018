"""The three kinds of patches that Kubernetes takes: JSON, merge and strategic merge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonpatch

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.store import merge_patch
from smi_conformance.lab.api.watch import copy_json

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

_MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "taints": ("key",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
    "webhooks": ("name",),
}
_MERGED_PRIMITIVES = ("finalizers",)
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def patcher(content_type: str, body: Any, *, custom: bool) -> Callable[[Object], Object]:
    """How to apply `body`. Raises ApiError 400 for a malformed one, 415 for another type of patch."""
    if content_type == JSON_PATCH and isinstance(body, list):
        return lambda obj: json_patch(obj, body)
    if content_type == MERGE_PATCH and isinstance(body, dict):
        return lambda obj: _merged(obj, body)
    if content_type == STRATEGIC_PATCH and isinstance(body, dict) and not custom:
        return lambda obj: strategic_merge(obj, body)
    accepted = [JSON_PATCH, MERGE_PATCH, *([] if custom else [STRATEGIC_PATCH])]
    if content_type in accepted:
        raise ApiError.bad_request(f"cannot unmarshal the patch as {content_type}")
    raise ApiError.unsupported_media_type(", ".join(accepted))


def _merged(obj: Object, patch: Object) -> Object:
    merged = merge_patch(obj, patch)
    assert isinstance(merged, dict)
    return copy_json(merged)


def json_patch(obj: Object, operations: list[Object]) -> Object:
    """RFC 6902. Raises ApiError 422 when it does not apply, 400 when it is none."""
    try:
        patched = jsonpatch.apply_patch(obj, operations)
    except jsonpatch.InvalidJsonPatch as error:
        raise ApiError.bad_request(str(error)) from error
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        message = f"the server rejected our request due to an error in our request: {error}"
        raise ApiError(422, "Invalid", message) from error
    if not isinstance(patched, dict):
        raise ApiError.bad_request("the patched document is no object")
    return patched


def strategic_merge(target: Object, patch: Object) -> Object:
    """Merge lists of Kubernetes' built-in types by their keys; follows the $-directives of kubectl."""
    if patch.get("$patch") == "replace":
        return {k: _plain(v) for k, v in patch.items() if not k.startswith("$")}
    retained = patch.get("$retainKeys")
    result = {k: v for k, v in target.items() if retained is None or k in retained}
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_field(result, key, value)
        elif key.startswith(_DELETE):
            field = key.removeprefix(_DELETE)
            result[field] = [v for v in result.get(field) or [] if v not in value]
    for key, value in patch.items():
        if key.startswith(_ORDER):
            field = key.removeprefix(_ORDER)
            result[field] = _ordered(field, result.get(field) or [], value)
    return result


def _plain(value: Any) -> Any:
    """A patch without directives, as it stands where there was nothing to merge with."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if not k.startswith("$") and v is not None}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


def _merge_field(result: Object, key: str, value: Any) -> None:
    if value is None or (isinstance(value, dict) and value.get("$patch") == "delete"):
        result.pop(key, None)
    elif isinstance(value, dict):
        current = result.get(key)
        result[key] = strategic_merge(current, value) if isinstance(current, dict) else _plain(value)
    elif isinstance(value, list):
        result[key] = _merge_list(key, result.get(key) or [], value)
    else:
        result[key] = value


def _merge_list(field: str, current: list[Any], patch: list[Any]) -> list[Any]:
    if field in _MERGED_PRIMITIVES:
        return current + [v for v in patch if v not in current]
    key = _merge_key(field, current + patch)
    if key is None or any(isinstance(v, dict) and v.get("$patch") == "replace" for v in patch):
        return [_plain(v) for v in patch if not (isinstance(v, dict) and v.get("$patch"))]
    merged = list(current)
    for item in patch:
        _merge_item(merged, key, item)
    return merged


def _merge_item(merged: list[Object], key: str, item: Object) -> None:
    index = next((i for i, v in enumerate(merged) if v.get(key) == item.get(key)), None)
    if item.get("$patch") == "delete":
        if index is not None:
            del merged[index]
    elif index is None:
        merged.append(_plain(item))
    else:
        merged[index] = strategic_merge(merged[index], item)


def _merge_key(field: str, items: list[Any]) -> str | None:
    """The key that all these items have; "ports" is a field of containers and of Services."""
    items = [v for v in items if not (isinstance(v, dict) and v.get("$patch") == "replace")]
    for key in _MERGE_KEYS.get(field, ()):
        if all(isinstance(v, dict) and key in v for v in items):
            return key
    return None


def _ordered(field: str, items: list[Any], order: list[Any]) -> list[Any]:
    key = _merge_key(field, items + order)
    wanted = [v.get(key) if key else v for v in order]

    def rank(item: Any) -> int:
        value = item.get(key) if key else item
        return wanted.index(value) if value in wanted else len(wanted)

    return sorted(items, key=rank)
