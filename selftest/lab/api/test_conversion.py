"""Conversion of custom resources by a webhook."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smi_conformance.lab.api.crds import CRDS
from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.registry import Registry
from smi_conformance.lab.api.resources import Resource
from smi_conformance.lab.api.store import Store

GROUP = "convert.test"


class FakeWebhook:
    """v1 has `spec.items`, v1alpha1 has `spec.item`."""

    def __init__(self) -> None:
        self.failure = ""
        self.asked = 0

    async def post(self, config: Object, review: Object, timeout: float) -> Object:
        self.asked += 1
        request = review["request"]
        if self.failure:
            return {"uid": request["uid"], "result": {"status": "Failed", "message": self.failure}}
        converted = [self._convert(o, request["desiredAPIVersion"]) for o in request["objects"]]
        return {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}

    def _convert(self, obj: Object, version: str) -> Object:
        spec = obj["spec"]
        changed = {"items": [spec["item"]]} if version.endswith("/v1") else {"item": spec["items"][0]}
        meta = {**obj["metadata"], "name": "other", "annotations": {"items": "1"}}
        if "item" in changed:
            del meta["annotations"]
        return {**obj, "apiVersion": version, "metadata": meta, "spec": changed, "unknown": True}


@pytest.fixture
def registry() -> Registry:
    store = Store()
    store.create("namespaces", {"metadata": {"name": "a"}})
    versions = [_version("v1", "items", {"type": "array", "items": {"type": "string"}}, storage=True)]
    versions.append(_version("v1alpha1", "item", {"type": "string"}, storage=False))
    webhook = {"clientConfig": {"url": "https://127.0.0.1/"}, "conversionReviewVersions": ["v1"]}
    spec = {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "boxes", "kind": "Box"},
        "versions": versions,
        "conversion": {"strategy": "Webhook", "webhook": webhook},
    }
    store.create(CRDS, {"metadata": {"name": f"boxes.{GROUP}"}, "spec": spec})
    return Registry(store)


@pytest.fixture
def webhook(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> FakeWebhook:
    fake = FakeWebhook()
    monkeypatch.setattr(registry.webhooks, "post", fake.post)
    return fake


def _version(name: str, field: str, schema: Object, *, storage: bool) -> Object:
    properties = {"spec": {"type": "object", "properties": {field: schema}}}
    whole = {"openAPIV3Schema": {"type": "object", "properties": properties}}
    return {"name": name, "served": True, "storage": storage, "schema": whole}


def row(registry: Registry, version: str) -> Resource:
    found = registry.store.resources.find(GROUP, version, "boxes")
    assert found is not None
    return found


def box(version: str, **spec: Any) -> Object:
    return {"apiVersion": f"{GROUP}/{version}", "kind": "Box", "metadata": {"name": "b"}, "spec": spec}


def test_there_and_back(registry: Registry, webhook: FakeWebhook) -> None:
    old = row(registry, "v1alpha1")
    created = asyncio.run(registry.create(old, box("v1alpha1", item="x"), "a"))
    stored = registry.store.get(f"boxes.{GROUP}", "b", "a")

    assert (created["spec"], created["apiVersion"]) == ({"item": "x"}, f"{GROUP}/v1alpha1")
    assert (stored["spec"], stored["apiVersion"]) == ({"items": ["x"]}, f"{GROUP}/v1")
    assert {**created["metadata"], "annotations": {"items": "1"}} == stored["metadata"]


def test_only_labels_and_annotations_of_the_metadata_change(registry: Registry, webhook: FakeWebhook) -> None:
    asyncio.run(registry.create(row(registry, "v1alpha1"), box("v1alpha1", item="x"), "a"))
    stored = registry.store.get(f"boxes.{GROUP}", "b", "a")
    read = asyncio.run(registry.read(row(registry, "v1alpha1"), "b", "a"))

    assert (stored["metadata"]["annotations"], "annotations" in read["metadata"]) == ({"items": "1"}, False)


def test_what_the_stored_version_does_not_know_is_pruned(registry: Registry, webhook: FakeWebhook) -> None:
    asyncio.run(registry.create(row(registry, "v1alpha1"), box("v1alpha1", item="x"), "a"))

    assert "unknown" not in registry.store.get(f"boxes.{GROUP}", "b", "a")


def test_no_call_for_the_stored_version(registry: Registry, webhook: FakeWebhook) -> None:
    asyncio.run(registry.create(row(registry, "v1"), box("v1", items=["x"]), "a"))

    assert webhook.asked == 0


def test_failure_is_told(registry: Registry, webhook: FakeWebhook) -> None:
    webhook.failure = "no such box"

    with pytest.raises(ApiError) as error:
        asyncio.run(registry.create(row(registry, "v1alpha1"), box("v1alpha1", item="x"), "a"))
    assert (error.value.code, "no such box" in error.value.message) == (500, True)
