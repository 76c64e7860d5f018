"""Validation of custom resources by their structural schema, with Kubernetes' field paths and words."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from smi_conformance.lab.api.errors import Cause, Object

_INVALID = "FieldValueInvalid"
_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "integer": lambda v: not isinstance(v, bool) and (isinstance(v, int) or _whole(v)),
}
_FORMATS: dict[str, Callable[[str], object]] = {
    "date-time": datetime.fromisoformat,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "cidr": ipaddress.ip_network,
}


def _whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def schema_causes(obj: Object, schema: Object) -> list[Cause]:
    """Everything that the schema refuses in this object."""
    return list(_check(obj, schema, ""))


def shown(value: Any) -> str:
    """A value as Kubernetes prints it in messages."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"))
    return json.dumps(value)


def _check(value: Any, schema: Object, path: str) -> Iterator[Cause]:
    if value is None and schema.get("nullable"):
        return
    if (problem := _type_problem(value, schema, path)) is not None:
        yield problem
        return
    yield from _check_enum(value, schema, path)
    yield from _check_combinations(value, schema, path)
    if isinstance(value, dict):
        yield from _check_map(value, schema, path)
    elif isinstance(value, list):
        yield from _check_list(value, schema, path)
    elif isinstance(value, str):
        yield from _check_string(value, schema, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _check_number(value, schema, path)


def _bad(path: str, value: Any, rule: str) -> Cause:
    return _INVALID, path or "<nil>", f"Invalid value: {shown(value)}: {path} in body {rule}"


def _type_problem(value: Any, schema: Object, path: str) -> Cause | None:
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        fits = isinstance(value, (int, str)) and not isinstance(value, bool)
        wanted = "integer,string"
    else:
        fits = wanted is None or _TYPES[wanted](value)
    if fits:
        return None
    found = _type_name(value)
    message = f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"'
    return "FieldValueTypeInvalid", path, message


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    return next(name for name in ("boolean", "integer", "number", *_TYPES) if _TYPES[name](value))


def _check_enum(value: Any, schema: Object, path: str) -> Iterator[Cause]:
    if "enum" in schema and value not in schema["enum"]:
        supported = ", ".join(shown(v) for v in schema["enum"])
        message = f"Unsupported value: {shown(value)}: supported values: {supported}"
        yield "FieldValueNotSupported", path, message


def _check_combinations(value: Any, schema: Object, path: str) -> Iterator[Cause]:
    for inner in schema.get("allOf") or ():
        yield from _check(value, inner, path)
    fitting = [not any(_check(value, inner, path)) for inner in schema.get("anyOf") or ()]
    if fitting and not any(fitting):
        yield _bad(path, value, "must validate at least one schema (anyOf)")
    fitting = [not any(_check(value, inner, path)) for inner in schema.get("oneOf") or ()]
    if fitting and sum(fitting) != 1:
        yield _bad(path, value, "must validate one and only one schema (oneOf)")
    if "not" in schema and not any(_check(value, schema["not"], path)):
        yield _bad(path, value, "must not validate the schema (not)")


def _check_map(value: Object, schema: Object, path: str) -> Iterator[Cause]:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    for key in schema.get("required") or ():
        if key not in value:
            yield "FieldValueRequired", _join(path, key), "Required value"
    if len(value) < schema.get("minProperties", 0):
        yield _bad(path, len(value), f"should have at least {schema['minProperties']} properties")
    if len(value) > schema.get("maxProperties", len(value)):
        message = f"Too many: {len(value)}: must have at most {schema['maxProperties']} items"
        yield "FieldValueTooMany", path, message
    for key, item in value.items():
        inner = properties.get(key, additional)
        if isinstance(inner, dict) and not (path == "" and key == "metadata"):
            yield from _check(item, inner, _join(path, key))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _check_list(value: list[Any], schema: Object, path: str) -> Iterator[Cause]:
    if len(value) < schema.get("minItems", 0):
        yield _bad(path, len(value), f"should have at least {schema['minItems']} items")
    if len(value) > schema.get("maxItems", len(value)):
        yield (
            "FieldValueTooMany",
            path,
            f"Too many: {len(value)}: must have at most {schema['maxItems']} items",
        )
    inner = schema.get("items")
    if isinstance(inner, dict):
        for index, item in enumerate(value):
            yield from _check(item, inner, f"{path}[{index}]")
    yield from _check_unique(value, schema, path)


def _check_unique(value: list[Any], schema: Object, path: str) -> Iterator[Cause]:
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("set", "map"):
        return
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    seen: list[Any] = []
    for index, item in enumerate(value):
        known = {k: item.get(k) for k in keys} if kind == "map" and isinstance(item, dict) else item
        if known in seen:
            yield "FieldValueDuplicate", f"{path}[{index}]", f"Duplicate value: {shown(known)}"
        seen.append(known)


def _check_string(value: str, schema: Object, path: str) -> Iterator[Cause]:
    if "pattern" in schema and re.search(schema["pattern"], value) is None:
        yield _bad(path, value, f"should match '{schema['pattern']}'")
    if len(value) < schema.get("minLength", 0):
        yield _bad(path, value, f"should be at least {schema['minLength']} chars long")
    if len(value) > schema.get("maxLength", len(value)):
        yield _bad(path, value, f"should be at most {schema['maxLength']} chars long")
    parse = _FORMATS.get(schema.get("format", ""))
    if parse is not None:
        try:
            parse(value)
        except ValueError:
            yield _bad(path, value, f"must be of type {schema['format']}: {shown(value)}")


def _check_number(value: float, schema: Object, path: str) -> Iterator[Cause]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value <= low if schema.get("exclusiveMinimum") else value < low):
        than = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield _bad(path, value, f"should be {than} {low}")
    if high is not None and (value >= high if schema.get("exclusiveMaximum") else value > high):
        than = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield _bad(path, value, f"should be {than} {high}")
    if schema.get("multipleOf") and value % schema["multipleOf"]:
        yield _bad(path, value, f"should be a multiple of {schema['multipleOf']}")
