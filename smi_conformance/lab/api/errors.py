"""Errors of the API, each a `Status` in Kubernetes' shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

Object = dict[str, Any]
Cause = tuple[str, str, str]
"""Reason, field path and message of one thing wrong with an object."""


def split_resource(resource: str) -> tuple[str, str]:
    """ "deployments.apps" -> ("deployments", "apps"); core resources have the group ""."""
    plural, _, group = resource.partition(".")
    return plural, group


def _details(resource: str, name: str) -> Object:
    plural, group = split_resource(resource)
    return {k: v for k, v in {"name": name, "group": group, "kind": plural}.items() if v}


class ApiError(Exception):
    """A refused request: HTTP `code`, machine-readable `reason`, `message` for people and `details`."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details or {}

    def status(self) -> Object:
        """The `Status` object that a client receives."""
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }
        return {k: v for k, v in status.items() if k != "details" or v}

    @classmethod
    def not_found(cls, resource: str, name: str) -> Self:
        return cls(404, "NotFound", f'{resource} "{name}" not found', _details(resource, name))

    @classmethod
    def no_such_path(cls) -> Self:
        return cls(404, "NotFound", "the server could not find the requested resource")

    @classmethod
    def already_exists(cls, resource: str, name: str) -> Self:
        return cls(409, "AlreadyExists", f'{resource} "{name}" already exists', _details(resource, name))

    @classmethod
    def conflict(cls, resource: str, name: str, why: str) -> Self:
        message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
        return cls(409, "Conflict", message, _details(resource, name))

    @classmethod
    def stale(cls, resource: str, name: str) -> Self:
        return cls.conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )

    @classmethod
    def invalid(cls, kind: str, group: str, name: str, causes: Sequence[Cause]) -> Self:
        qualified = f"{kind}.{group}" if group else kind
        told = [f"{field}: {message}" for _, field, message in causes]
        listing = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
        details: Object = {"name": name, "group": group, "kind": kind}
        details = {k: v for k, v in details.items() if v}
        details["causes"] = [{"reason": r, "message": m, "field": f} for r, f, m in causes]
        return cls(422, "Invalid", f'{qualified} "{name}" is invalid: {listing}', details)

    @classmethod
    def bad_request(cls, message: str) -> Self:
        return cls(400, "BadRequest", message)

    @classmethod
    def unauthorized(cls) -> Self:
        return cls(401, "Unauthorized", "Unauthorized")

    @classmethod
    def forbidden(cls, resource: str, name: str, why: str, causes: list[Object] | None = None) -> Self:
        details = _details(resource, name)
        if causes:
            details["causes"] = causes
        return cls(403, "Forbidden", f'{resource} "{name}" is forbidden: {why}', details)

    @classmethod
    def method_not_allowed(cls) -> Self:
        return cls(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    @classmethod
    def unsupported_media_type(cls, accepted: str) -> Self:
        message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        return cls(415, "UnsupportedMediaType", message)

    @classmethod
    def expired(cls, asked: int, oldest: int) -> Self:
        return cls(410, "Expired", f"too old resource version: {asked} ({oldest})")

    @classmethod
    def internal(cls, message: str) -> Self:
        details = {"causes": [{"message": message}]}
        return cls(500, "InternalError", f"Internal error occurred: {message}", details)
