"""Every write of a client, from its body to the store: defaults, admission, validation, conversion."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from smi_conformance.lab.api import accounts, checks, crds, services
from smi_conformance.lab.api.admission import Admission, Request
from smi_conformance.lab.api.defaults import fill_defaults, without_nulls
from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.names import generated, metadata_causes
from smi_conformance.lab.api.resources import Resource
from smi_conformance.lab.api.schema import default_object, prune_object
from smi_conformance.lab.api.schema_validation import schema_causes
from smi_conformance.lab.api.store import Store, copy_json
from smi_conformance.lab.api.tokens import CONTROLLER, Identity
from smi_conformance.lab.api.webhooks import WebhookClient

_log = logging.getLogger(__name__)
_ATTEMPTS = 5
_KEPT_NAMESPACES = ("default", "kube-system", "kube-public")


@dataclass(frozen=True, slots=True)
class Target:
    """What an update is about, and who makes it."""

    row: Resource
    name: str
    namespace: str = ""
    user: Identity = CONTROLLER
    subresource: str = ""
    dry_run: bool = False


class Registry:
    """The API without HTTP. Objects are given and returned in the version of `row`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.webhooks = WebhookClient(store)
        self.converter = crds.Converter(store, self.webhooks)
        self._admission = Admission(store, self.webhooks)

    async def read(self, row: Resource, name: str, namespace: str = "") -> Object:
        """Raises ApiError 404."""
        return (await self.converter.to_version(row, [self.store.stored(row.name, name, namespace)]))[0]

    async def create(
        self,
        row: Resource,
        obj: Object,
        namespace: str = "",
        user: Identity = CONTROLLER,
        *,
        dry_run: bool = False,
    ) -> Object:
        """Raises ApiError 400, 403, 404, 409, 422, or 500 for a webhook that failed."""
        obj = _named(row, copy_json(obj), namespace)
        self._check_place(row, obj["metadata"])
        if row.status and row.name != "nodes":
            obj.pop("status", None)
        obj = self._prepare_new(row, obj)
        name = obj["metadata"].get("name", "")
        request = Request("CREATE", row, name, namespace, user, obj, dry_run=dry_run)
        request = replace(request, obj=await self._admission.mutate(request, partial(self._prepare_new, row)))
        assert request.obj is not None
        self._validate(row, request.obj, None)
        self._complete(row, request.obj, None)
        await self._admission.validate(request)
        stored = await self.converter.to_storage(row, request.obj)
        self._check_place(row, stored["metadata"])
        return await self._out(row, self.store.create(row.name, stored, dry_run=dry_run))

    async def update(self, target: Target, change: Callable[[Object], Object]) -> Object:
        """Replace the object by `change` of it; done again when it was changed by another meanwhile.

        Raises ApiError 409 when the changed object asks for a resourceVersion that is not the current one.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._update_once(target, change)
            except _RacedError:
                continue
        return await self._update_once(target, change)

    async def delete(
        self,
        row: Resource,
        name: str,
        namespace: str = "",
        user: Identity = CONTROLLER,
        options: Object | None = None,
    ) -> tuple[Object, bool]:
        """What was deleted or marked for deletion, and whether it still exists."""
        options = options or {}
        stored = self.store.stored(row.name, name, namespace)
        _check_preconditions(row, stored["metadata"], options.get("preconditions") or {})
        if row.name == "namespaces" and name in _KEPT_NAMESPACES:
            raise ApiError.forbidden(row.name, name, "this namespace may not be deleted")
        dry_run = bool(options.get("dryRun"))
        old = await self._out(row, stored)
        request = Request("DELETE", row, name, namespace, user, None, old, dry_run=dry_run)
        await self._admission.mutate(request, lambda o: o)
        await self._admission.validate(request)
        deleted = self.store.delete(
            row.name,
            name,
            namespace,
            grace=options.get("gracePeriodSeconds"),
            propagation=_propagation(options),
            dry_run=dry_run,
        )
        return await self._out(row, deleted), self.store.find(row.name, name, namespace) is not None

    async def _update_once(self, target: Target, change: Callable[[Object], Object]) -> Object:
        row = target.row
        stored = self.store.stored(row.name, target.name, target.namespace)
        current = await self._out(row, stored)
        wanted = change(copy_json(current))
        _check_same(row, current, wanted)
        given = wanted["metadata"].get("resourceVersion")
        if given and given != current["metadata"]["resourceVersion"]:
            raise ApiError.stale(row.name, target.name)
        obj = await self._admit_update(target, wanted, current)
        replacement = await self.converter.to_storage(row, obj)
        meta = {**replacement["metadata"], "resourceVersion": stored["metadata"]["resourceVersion"]}
        try:
            updated = self.store.update(
                row.name,
                {**replacement, "metadata": meta},
                subresource=target.subresource,
                dry_run=target.dry_run,
            )
        except ApiError as error:
            if error.reason == "Conflict" and not given:
                raise _RacedError(error) from error
            raise
        return await self._out(row, updated)

    async def _admit_update(self, target: Target, wanted: Object, current: Object) -> Object:
        def prepare(obj: Object) -> Object:
            return self._prepare_update(target.row, obj, current, target.subresource)

        request = Request(
            "UPDATE",
            target.row,
            target.name,
            target.namespace,
            target.user,
            prepare(wanted),
            current,
            target.subresource,
            target.dry_run,
        )
        request = replace(request, obj=await self._admission.mutate(request, prepare))
        assert request.obj is not None
        self._validate(target.row, request.obj, current)
        self._complete(target.row, request.obj, current)
        await self._admission.validate(request)
        return request.obj

    def _prepare_new(self, row: Resource, obj: Object) -> Object:
        obj = _prepare(row, obj)
        if row.name == "pods":
            # Once more after every webhook: containers that it adds get the account's token too.
            accounts.admit(self.store, obj)
        return obj

    def _prepare_update(self, row: Resource, obj: Object, current: Object, subresource: str) -> Object:
        if subresource == "status":
            obj = {**current, "status": obj.get("status") or {}}
        elif row.status:
            obj = {**obj, "status": current.get("status", {})}
        if row.name == "namespaces" and subresource != "finalize":
            obj = {**obj, "spec": current["spec"]}
        obj = _prepare(row, obj)
        if row.name == "services":
            services.keep_addresses(obj, current)
        return obj

    async def _out(self, row: Resource, obj: Object) -> Object:
        return (await self.converter.to_version(row, [obj]))[0]

    def _check_place(self, row: Resource, meta: Object) -> None:
        """A new object needs a living namespace, and a living CRD."""
        name = meta.get("name") or meta.get("generateName", "")
        if row.definition is not None and _dying(self.store.find(crds.CRDS, row.name)):
            message = "create not allowed while custom resource definition is terminating"
            raise ApiError(405, "MethodNotAllowed", message)
        if not row.namespaced:
            return
        namespace = meta["namespace"]
        if _dying(self.store.stored("namespaces", namespace)):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            message = f"namespace {namespace} is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
            raise ApiError.forbidden(row.name, name, why, [cause])

    def _validate(self, row: Resource, obj: Object, current: Object | None) -> None:
        with _well_typed(row):
            self._check(row, obj, current)

    def _check(self, row: Resource, obj: Object, current: Object | None) -> None:
        name = obj["metadata"].get("name", "")
        causes = []
        if row.definition is not None:
            causes = list(metadata_causes(row.name, obj["metadata"]))
            causes += schema_causes(obj, row.definition["schema"]["openAPIV3Schema"])
        elif row.name == crds.CRDS:
            causes = list(crds.crd_causes(obj, current))
        else:
            checks.check(row, obj, current)
        if causes:
            raise ApiError.invalid(row.kind, row.group, name, causes)

    def _complete(self, row: Resource, obj: Object, current: Object | None) -> None:
        """What the server itself adds, once the object is known to be valid."""
        if row.name == "services" and (current is None or _type(current) != _type(obj)):
            services.allocate(self.store, obj)
        elif row.name == crds.CRDS:
            crds.complete_crd(obj, current)


class _RacedError(ApiError):
    """Another writer was faster, and the caller did not ask for a certain version."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.code, error.reason, error.message, error.details)


def _type(service: Object) -> str:
    return str(service["spec"]["type"])


def _dying(obj: Object | None) -> bool:
    return obj is not None and "deletionTimestamp" in obj["metadata"]


def _prepare(row: Resource, obj: Object) -> Object:
    if row.definition is not None:
        schema = row.definition["schema"]["openAPIV3Schema"]
        return default_object(prune_object(obj, schema), schema)
    obj = without_nulls(obj)
    with _well_typed(row):
        fill_defaults(row.name, obj)
    return obj


@contextmanager
def _well_typed(row: Resource) -> Iterator[None]:
    """Built-in types have no schema here: a list where a map belongs shows when it is used."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        _log.debug("malformed %s", row.kind, exc_info=True)
        message = f"{row.kind} in version {row.api_version} cannot be handled as a {row.kind}: {error}"
        raise ApiError.bad_request(message) from error


def _named(row: Resource, obj: Object, namespace: str) -> Object:
    """A new object with kind, name and namespace. Raises ApiError 400 when they contradict the request."""
    _check_kind(row, obj)
    meta = obj["metadata"]
    if row.namespaced:
        if meta.get("namespace") not in (None, "", namespace):
            raise ApiError.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = generated(meta["generateName"])
    if meta.get("resourceVersion"):
        message = "resourceVersion should not be set on objects to be created"
        raise ApiError.internal(message)
    return obj


def _check_kind(row: Resource, obj: Object) -> None:
    obj.setdefault("apiVersion", row.api_version)
    obj.setdefault("kind", row.kind)
    if (obj["apiVersion"], obj["kind"]) != (row.api_version, row.kind):
        raise ApiError.bad_request(
            f"{obj['kind']} in version {obj['apiVersion']} cannot be handled as a {row.kind} in version "
            f"{row.api_version}"
        )
    if not isinstance(obj.setdefault("metadata", {}), dict):
        raise ApiError.bad_request("metadata must be an object")


def _check_same(row: Resource, current: Object, wanted: Object) -> None:
    _check_kind(row, wanted)
    known, meta = current["metadata"], wanted["metadata"]
    name = meta.setdefault("name", known["name"])
    if name != known["name"]:
        raise ApiError.bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({known['name']})"
        )
    if meta.setdefault("namespace", known.get("namespace", "")) != known.get("namespace", ""):
        raise ApiError.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if not meta["namespace"]:
        del meta["namespace"]


def _check_preconditions(row: Resource, meta: Object, wanted: Object) -> None:
    for field, shown in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(field) not in (None, meta[field]):
            why = (
                f"Precondition failed: {shown} in precondition: {wanted[field]}, {shown} in object meta: {meta[field]}"
            )
            raise ApiError.conflict(row.name, meta["name"], why)


def _propagation(options: Object) -> str:
    if options.get("orphanDependents") is not None:
        return "Orphan" if options["orphanDependents"] else "Background"
    return str(options.get("propagationPolicy") or "Background")
