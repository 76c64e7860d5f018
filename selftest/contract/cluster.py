"""Helpers of the contract tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from kubernetes import client
from kubernetes.client import ApiException
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

T = TypeVar("T")
Object = dict[str, Any]

PATIENCE = 100.0
"""Seconds. The garbage collector of a real cluster stands still for up to 30 s whenever a CRD comes or goes."""

SCHEMA: Object = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 10},
                "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
                "label": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                "port": {"x-kubernetes-int-or-string": True},
                "hint": {"type": "string", "nullable": True},
                "parts": {
                    "type": "array",
                    "maxItems": 3,
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "weight": {"type": "integer", "default": 1},
                        },
                    },
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
                "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "sizes": {"type": "object", "additionalProperties": {"type": "integer"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    },
}


def eventually(look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """The first result of `look` that is true; errors of the API and of assertions count as not yet."""
    retrying = Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.05),
        retry=retry_if_exception_type((ApiException, AssertionError)),
        reraise=True,
    )

    def attempt() -> T:
        found = look()
        assert found, f"still {found!r}"
        return found

    return retrying(attempt)


def refusal(error: ApiException) -> Object:
    """The Status that came with an error."""
    status: Object = json.loads(error.body)
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert status["code"] == error.status
    return status


def fields(status: Object) -> set[str]:
    """Which fields were refused."""
    return {cause["field"] for cause in status["details"]["causes"]}


@dataclass
class Widgets:
    """Custom objects of one group, through the generic client."""

    api: client.CustomObjectsApi
    group: str
    stored: str = "v1beta1"
    other: str = "v1alpha1"

    def place(self, namespace: str, version: str | None = None) -> tuple[str, str, str, str]:
        return self.group, version or self.stored, namespace, "widgets"

    def body(self, name: str, version: str | None = None, **spec: Any) -> Object:
        api_version = f"{self.group}/{version or self.stored}"
        spec = {"size": 1, **spec}
        return {"apiVersion": api_version, "kind": "Widget", "metadata": {"name": name}, "spec": spec}

    def create(self, namespace: str, name: str, version: str | None = None, **spec: Any) -> Object:
        body = self.body(name, version, **spec)
        created: Object = self.api.create_namespaced_custom_object(*self.place(namespace, version), body)
        return created

    def get(self, namespace: str, name: str, version: str | None = None) -> Object:
        found: Object = self.api.get_namespaced_custom_object(*self.place(namespace, version), name)
        return found


class Cluster:
    """The typed clients that the tests use."""

    def __init__(self, api: client.ApiClient) -> None:
        self.api = api
        self.core = client.CoreV1Api(api)
        self.apps = client.AppsV1Api(api)
        self.custom = client.CustomObjectsApi(api)

    def request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Object:
        """A request as it stands. Raises ApiException."""
        prepared = self.api.param_serialize(
            method,
            path,
            header_params={"Content-Type": kind, "Accept": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self.api.call_api(*prepared)
        response.read()
        if response.status >= 400:
            raise ApiException(http_resp=response)
        answer: Object = json.loads(response.data)
        return answer

    def patch(self, path: str, body: Any, kind: str) -> Object:
        """A PATCH with a certain content type, which the typed clients choose by themselves."""
        return self.request("PATCH", path, body, kind)

    def serve_widgets(self, group: str) -> Widgets:
        versions = [
            {
                "name": version,
                "served": True,
                "storage": version == Widgets.stored,
                "schema": {"openAPIV3Schema": SCHEMA},
                "subresources": {"status": {}},
            }
            for version in (Widgets.stored, Widgets.other)
        ]
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"widgets.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget"},
                "versions": versions,
            },
        }
        extensions = client.ApiextensionsV1Api(self.api)
        extensions.create_custom_resource_definition(crd)
        widgets = Widgets(self.custom, group)
        eventually(lambda: self.custom.list_namespaced_custom_object(*widgets.place("default")))
        return widgets
