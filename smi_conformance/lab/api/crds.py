"""CustomResourceDefinitions: their rules and status, and the conversion of objects between versions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from smi_conformance.lab.api.errors import ApiError, Cause, Object
from smi_conformance.lab.api.resources import Resource
from smi_conformance.lab.api.schema import prune_object
from smi_conformance.lab.api.store import Store, now
from smi_conformance.lab.api.webhooks import WebhookClient, WebhookError

CRDS = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_CONVERSION_TIMEOUT = 30


def storage_version(crd: Object) -> str:
    return next(str(v["name"]) for v in crd["spec"]["versions"] if v.get("storage"))


def crd_causes(crd: Object, current: Object | None) -> Iterator[Cause]:
    """What is wrong with a CustomResourceDefinition."""
    spec = crd.get("spec") or {}
    names, versions = spec.get("names") or {}, spec.get("versions") or []
    yield from _missing(spec, "spec", ("group", "scope"))
    yield from _missing(names, "spec.names", ("plural", "kind"))
    expected = f"{names.get('plural')}.{spec.get('group')}"
    if crd["metadata"].get("name") != expected:
        message = f'Invalid value: "{crd["metadata"].get("name")}": must be spec.names.plural+"."+spec.group'
        yield "FieldValueInvalid", "metadata.name", message
    if sum(bool(v.get("storage")) for v in versions) != 1:
        message = "Invalid value: must have exactly one version marked as storage version"
        yield "FieldValueInvalid", "spec.versions", message
    for index, version in enumerate(versions):
        yield from _version_causes(version, f"spec.versions[{index}]")
    if current is not None and spec.get("scope") != current["spec"]["scope"]:
        yield "FieldValueInvalid", "spec.scope", f'Invalid value: "{spec["scope"]}": field is immutable'


def _missing(holder: Object, path: str, fields: Sequence[str]) -> Iterator[Cause]:
    for field in fields:
        if not holder.get(field):
            yield "FieldValueRequired", f"{path}.{field}", "Required value"


def _version_causes(version: Object, path: str) -> Iterator[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    root = f"{path}.schema.openAPIV3Schema"
    if not isinstance(schema, dict):
        yield "FieldValueRequired", root, "Required value: schemas are required"
    elif schema.get("type") != "object":
        yield "FieldValueRequired", f"{root}.type", "Required value: must not be empty at the root"


def complete_crd(crd: Object, current: Object | None) -> None:
    """Fill in what the controllers of a real API server would, in place."""
    names = crd["spec"]["names"]
    known: Object = (current or {}).get("status") or {}
    stored = [*known.get("storedVersions", ())]
    if (storage := storage_version(crd)) not in stored:
        stored.append(storage)
    crd["status"] = {
        "acceptedNames": names,
        "conditions": known.get("conditions")
        or [_true("NamesAccepted", "NoConflicts"), _true("Established", "InitialNamesAccepted")],
        "storedVersions": stored,
    }
    if current is None:
        crd["metadata"]["finalizers"] = [*crd["metadata"].get("finalizers", ()), CLEANUP]


def _true(kind: str, reason: str) -> Object:
    message = "no conflicts found" if kind == "NamesAccepted" else "the initial names have been accepted"
    return {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now()}


class Converter:
    """Brings custom resources from the version they are stored in to the one that is asked for, and back."""

    def __init__(self, store: Store, client: WebhookClient) -> None:
        self._store, self._client = store, client

    async def to_version(self, row: Resource, objects: list[Object]) -> list[Object]:
        """The objects as `row` serves them; those that need no conversion are returned as they are."""
        if row.definition is None or all(o["apiVersion"] == row.api_version for o in objects):
            return objects
        schema = row.definition["schema"]["openAPIV3Schema"]
        converted = await self._convert(row, row.api_version, objects)
        return [prune_object(o, schema) for o in converted]

    async def to_storage(self, row: Resource, obj: Object) -> Object:
        """The object in its CRD's storage version."""
        if row.definition is None:
            return obj
        definition = self._store.stored(CRDS, row.name)
        stored = storage_version(definition)
        if obj["apiVersion"] == f"{row.group}/{stored}":
            return obj
        (converted,) = await self._convert(row, f"{row.group}/{stored}", [obj])
        schema = next(v["schema"]["openAPIV3Schema"] for v in definition["spec"]["versions"] if v["name"] == stored)
        return prune_object(converted, schema)

    async def _convert(self, row: Resource, version: str, objects: list[Object]) -> list[Object]:
        conversion = self._store.stored(CRDS, row.name)["spec"]["conversion"]
        if conversion.get("strategy") != "Webhook":
            return [{**o, "apiVersion": version} for o in objects]
        foreign = [o for o in objects if o["apiVersion"] != version]
        answers = iter(await self._ask(conversion["webhook"], version, foreign))
        return [o if o["apiVersion"] == version else _with_identity(next(answers), o) for o in objects]

    async def _ask(self, webhook: Object, version: str, objects: list[Object]) -> list[Object]:
        request = {"uid": str(uuid.uuid4()), "desiredAPIVersion": version, "objects": objects}
        review = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}
        try:
            response = await self._client.post(webhook["clientConfig"], review, _CONVERSION_TIMEOUT)
        except WebhookError as error:
            raise ApiError.internal(f"conversion webhook for {version} failed: {error}") from error
        converted: list[Object] = response.get("convertedObjects") or []
        if response.get("result", {}).get("status") != "Success" or len(converted) != len(objects):
            why = response.get("result", {}).get("message", "wrong number of objects")
            raise ApiError.internal(f"conversion webhook for {version} failed: {why}")
        return converted


def _with_identity(converted: Object, original: Object) -> Object:
    """Of the metadata a conversion may change labels and annotations only; it may also take them away."""
    own = ("labels", "annotations")
    kept = {k: v for k, v in original["metadata"].items() if k not in own}
    changed = {k: v for k in own if (v := converted["metadata"].get(k)) is not None}
    return {**converted, "metadata": {**kept, **changed}}
