"""What a request asks for: its path and query, and its body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from smi_conformance.lab.api.errors import ApiError
from smi_conformance.lab.api.resources import Resource, Resources

_OF_NAMESPACES = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Path:
    """A path below a group and version."""

    row: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def group_version(parts: list[str]) -> tuple[str, str, list[str]]:
    """("apps", "v1", rest) of the parts of a path, or ("", "v1", rest). Raises ApiError 404."""
    if parts[0] == "api" and len(parts) > 1:
        return "", parts[1], parts[2:]
    if parts[0] == "apis" and len(parts) > 2:
        return parts[1], parts[2], parts[3:]
    raise ApiError.no_such_path()


def resource_path(resources: Resources, group: str, version: str, rest: list[str]) -> Path:
    """Raises ApiError 404 for what is not served."""
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _OF_NAMESPACES:
        namespace, rest = rest[1], rest[2:]
    row = resources.find(group, version, rest[0])
    if row is None or len(rest) > 3 or (namespace and not row.namespaced):
        raise ApiError.no_such_path()
    name, subresource = [*rest[1:], "", ""][:2]
    if row.namespaced and name and not namespace:
        raise ApiError.no_such_path()
    return Path(row, namespace, name, subresource)


def parse_body(content_type: str, body: bytes) -> Any:
    """JSON or YAML. Raises ApiError 400 or 415."""
    if "protobuf" in content_type:
        raise ApiError.unsupported_media_type("application/json, application/yaml")
    try:
        return yaml.safe_load(body) if "yaml" in content_type else json.loads(body)
    except (ValueError, yaml.YAMLError) as error:
        raise ApiError.bad_request(f"the body is not valid: {error}") from error


def is_true(query: Mapping[str, str], key: str) -> bool:
    """A boolean parameter, with Go's ideas of true."""
    return query.get(key, "") in ("true", "True", "TRUE", "1", "t", "T")


def whole(query: Mapping[str, str], key: str) -> int | None:
    """A number. Raises ApiError 400 for anything else."""
    text = query.get(key, "")
    try:
        return int(text) if text else None
    except ValueError as error:
        raise ApiError.bad_request(f'invalid value "{text}" of the parameter {key}') from error
