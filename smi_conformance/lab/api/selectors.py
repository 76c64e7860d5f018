"""Label and field selectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from smi_conformance.lab.api.errors import ApiError, Object

Predicate = Callable[[Object], bool]
Labels = Mapping[str, str]

_SET = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)")
_EXISTS = re.compile(r"(?P<no>!\s*)?(?P<key>[^\s!=,()]+)")
_COMMA_OUTSIDE = re.compile(r",(?![^()]*\))")

_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "type",
        "source",
    ),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "secrets": ("type",),
    "replicasets.apps": ("status.replicas",),
}


def match_labels(selector: Labels, labels: Labels) -> bool:
    """Equality of every pair, as in `spec.selector` of a Service."""
    return all(labels.get(k) == v for k, v in selector.items())


def label_selector(selector: Object | None) -> Callable[[Labels], bool]:
    """A LabelSelector object. None matches nothing, an empty one everything."""
    if selector is None:
        return lambda labels: False
    equal = selector.get("matchLabels") or {}
    tests = [
        _requirement(e["key"], e["operator"], e.get("values") or ()) for e in selector.get("matchExpressions") or ()
    ]
    return lambda labels: match_labels(equal, labels) and all(t(labels) for t in tests)


def _requirement(key: str, operator: str, values: object) -> Callable[[Labels], bool]:
    chosen = set(values) if isinstance(values, (list, tuple, set)) else set()
    tests: dict[str, Callable[[Labels], bool]] = {
        "In": lambda labels: labels.get(key) in chosen,
        "NotIn": lambda labels: labels.get(key) not in chosen,
        "Exists": lambda labels: key in labels,
        "DoesNotExist": lambda labels: key not in labels,
    }
    return tests[operator]


def parse_labels(text: str) -> Callable[[Labels], bool]:
    """The query parameter `labelSelector`. Raises ApiError 400."""
    parts = [p.strip() for p in _COMMA_OUTSIDE.split(text)] if text.strip() else []
    tests = [_parse_label(p, text) for p in parts]
    return lambda labels: all(t(labels) for t in tests)


def _parse_label(part: str, text: str) -> Callable[[Labels], bool]:
    if match := _SET.fullmatch(part):
        values = [v.strip() for v in match["values"].split(",")]
        return _requirement(match["key"], "In" if match["op"] == "in" else "NotIn", values)
    if match := _EQUAL.fullmatch(part):
        return _requirement(match["key"], "NotIn" if match["op"] == "!=" else "In", [match["value"]])
    if match := _EXISTS.fullmatch(part):
        return _requirement(match["key"], "DoesNotExist" if match["no"] else "Exists", ())
    raise ApiError.bad_request(f'unable to parse requirement: found "{part}" in "{text}"')


def parse_fields(text: str, resource: str) -> Predicate:
    """The query parameter `fieldSelector`. ApiError 400 for a field that is not selectable."""
    tests = [_parse_field(p, resource) for p in text.split(",")] if text else []
    return lambda obj: all(t(obj) for t in tests)


def _parse_field(part: str, resource: str) -> Predicate:
    match = re.fullmatch(r"\s*([^=!\s]+)\s*(==|=|!=)\s*(.*?)\s*", part)
    if match is None:
        raise ApiError.bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    field, operator, value = match.groups()
    if field not in ("metadata.name", "metadata.namespace", *_FIELDS.get(resource, ())):
        raise ApiError.bad_request(f"field label not supported: {field}")
    wanted = operator != "!="
    path = ["source", "component"] if field == "source" else field.split(".")
    return lambda obj: (_field(obj, path) == value) is wanted


def _field(obj: Object, path: list[str]) -> str:
    value: object = obj
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def selection(labels: str, fields: str, resource: str) -> Predicate | None:
    """Both query parameters as one test of an object; None when they select everything."""
    if not labels and not fields:
        return None
    by_label, by_field = parse_labels(labels), parse_fields(fields, resource)
    return lambda obj: by_label(obj["metadata"].get("labels") or {}) and by_field(obj)
