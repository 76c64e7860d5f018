"""What an examination finds, and what it is made on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from urllib3.exceptions import HTTPError

from smi_conformance.cluster.kube import _decoded, _reason
from smi_conformance.cluster.port import Answer, Manifest
from smi_conformance.cluster.workload import Workload
from smi_conformance.meshes.profile import Profile

Severity = Literal["ok", "warning", "problem", "fatal"]
Found = Iterator["Finding"]
UNREACHABLE = (ApiException, HTTPError, OSError)
PATIENCE = 15  # seconds for one call


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    `ok`; `warning`: a run works, and somebody should know; `problem`: it would spoil a run; `fatal`: there is no
    cluster that could be examined. `remedy` is the command that mends it.
    """

    check: str
    severity: Severity
    found: str
    remedy: str = ""
    judged: bool = False
    """A problem that a run judges by itself: no reason not to begin."""

    @property
    def stops(self) -> bool:
        """Whether a run does not begin."""
        return self.severity in ("problem", "fatal") and not self.judged


def ok(check: str, found: str) -> Finding:
    return Finding(check, "ok", found)


def warning(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, "warning", found, remedy)


def problem(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, "problem", found, remedy)


@dataclass(frozen=True)
class Patient:
    """The cluster under examination, the mesh that should be on it, and the run that is to begin.

    Its methods raise ApiException, HTTPError or OSError where they say nothing else.
    """

    api: client.ApiClient
    profile: Profile
    run: str
    postures: tuple[str, ...] = ("deny",)
    ready: float = 120.0
    """Seconds that a pod may take to become ready."""
    workload: Workload = field(default_factory=Workload)
    prefix: str = "smi"
    """How the names of the run's namespaces begin."""

    @cached_property
    def _client(self) -> DynamicClient:
        return DynamicClient(self.api, discoverer=lambda *_: None)  # nothing has to be discovered for a path

    def request(self, method: str, path: str, body: Manifest | None = None, **asked: Any) -> Any:
        """The answer with its headers, unread."""
        return self._client.request(method, path, body=body, serialize=False, _request_timeout=PATIENCE, **asked)

    def read(self, path: str, **asked: Any) -> Any:
        """The object or list at a path."""
        return _decoded(self.request("GET", path, **asked).data)

    def items(self, path: str, **asked: Any) -> list[dict[str, Any]]:
        """What a list holds; nothing where the resource does not exist."""
        try:
            found: list[dict[str, Any]] = self.read(path, **asked)["items"] or []
        except ApiException as error:
            if error.status != 404:
                raise
            return []
        return found

    def there(self, path: str) -> dict[str, Any] | None:
        """One object, or None."""
        try:
            found: dict[str, Any] = self.read(path)
        except ApiException as error:
            if error.status != 404:
                raise
            return None
        return found

    def send(self, method: str, path: str, body: Manifest | None = None, **asked: Any) -> Answer:
        """A request whose refusal is an answer."""
        try:
            answer = self.request(method, path, body, **asked)
        except ApiException as error:
            return Answer(error.status, {"message": _reason(error)})
        return Answer(answer.status, _decoded(answer.data))


def fatal(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, "fatal", found, remedy)


def condition(thing: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A condition of an object's status; an empty one where it has none of the kind."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == kind), {})


def holds(thing: Mapping[str, Any], kind: str) -> bool:
    """Whether a condition is there and true."""
    return condition(thing, kind).get("status") == "True"
