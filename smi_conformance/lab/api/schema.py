"""Structural schemas of CRDs: pruning and defaulting."""

from __future__ import annotations

from typing import Any

from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.watch import copy_json

_META = ("apiVersion", "kind", "metadata")
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"


def prune_object(obj: Object, schema: Object) -> Object:
    """The object without the fields that its schema does not know."""
    pruned: Object = _prune(obj, {**schema, _EMBEDDED: True})
    return pruned


def _prune(value: Any, schema: Object | None) -> Any:
    if isinstance(value, dict):
        return _prune_map(value, schema or {})
    if isinstance(value, list):
        items = (schema or {}).get("items")
        keeps = bool(schema and schema.get(_PRESERVE))
        return [v if keeps and items is None else _prune(v, items) for v in value]
    return value


def _prune_map(value: Object, schema: Object) -> Object:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    kept: Object = {}
    for key, item in value.items():
        if schema.get(_EMBEDDED) and key in _META:
            kept[key] = item
        elif key in properties:
            kept[key] = _prune(item, properties[key])
        elif additional:
            kept[key] = _prune(item, additional if isinstance(additional, dict) else None)
        elif schema.get(_PRESERVE):
            kept[key] = item
    return kept


def default_object(obj: Object, schema: Object) -> Object:
    """The object with its schema's defaults; nulls that the schema does not allow count as absent."""
    defaulted: Object = _default(obj, schema, root=True)
    return defaulted


def _default(value: Any, schema: Object, *, root: bool = False) -> Any:
    if isinstance(value, dict):
        return _default_map(value, schema, root)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_default(v, schema["items"]) for v in value]
    return value


def _default_map(value: Object, schema: Object, root: bool) -> Object:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    result: Object = {}
    for key, item in value.items():
        inner = properties.get(key, additional)
        if not isinstance(inner, dict) or (root and key in _META):
            result[key] = item
        elif item is not None or inner.get("nullable"):
            result[key] = _default(item, inner)
    for key, inner in properties.items():
        if key not in result and "default" in inner:
            result[key] = _default(copy_json(inner)["default"], inner)
    return result
