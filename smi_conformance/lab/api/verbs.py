"""What the verbs of HTTP do to resources and subresources."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.lists import object_list, page, table, wants_table
from smi_conformance.lab.api.patch import patcher
from smi_conformance.lab.api.rbac import Authorizer
from smi_conformance.lab.api.registry import Registry, Target
from smi_conformance.lab.api.requests import Path, is_true, parse_body, whole
from smi_conformance.lab.api.reviews import access_review, token_request, token_review
from smi_conformance.lab.api.scale import scale_of, scaled
from smi_conformance.lab.api.selectors import selection
from smi_conformance.lab.api.tokens import Authenticator, Identity, TokenIssuer
from smi_conformance.lab.api.watching import Watcher, WatchOptions

_WATCH_TIMEOUT = 3600
Answer = tuple[int, Object]


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated request to a resource."""

    method: str
    path: Path
    query: Mapping[str, str]
    content_type: str
    accept: str
    body: bytes
    user: Identity

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    def parsed(self) -> Any:
        return parse_body(self.content_type, self.body)

    def object(self) -> Object:
        """The body as an object. Raises ApiError 400."""
        parsed = self.parsed()
        if not isinstance(parsed, dict):
            raise ApiError.bad_request("the body of the request is no object")
        return parsed

    def target(self) -> Target:
        path = self.path
        return Target(path.row, path.name, path.namespace, self.user, path.subresource, self.dry_run)


class Verbs:
    """Everything but streams; answers are HTTP codes and objects."""

    def __init__(self, registry: Registry, tokens: TokenIssuer, authenticator: Authenticator) -> None:
        self._registry, self._tokens, self._authenticator = registry, tokens, authenticator

    async def answer(self, call: Call) -> Answer:
        """Raises ApiError; 405 for a verb that the resource does not have."""
        path = call.path
        if path.subresource:
            return await self._subresource(call)
        verb = self._named if path.name else self._collection
        handler = verb(call.method)
        if handler is None or ("list" not in path.row.verbs and call.method != "POST"):
            raise ApiError.method_not_allowed()
        return await handler(call)

    def watcher(self, call: Call) -> Watcher:
        """For a GET with `watch=true`. Raises ApiError 400."""
        query = call.query
        since = whole(query, "resourceVersion")
        initial = is_true(query, "sendInitialEvents")
        options = WatchOptions(
            selection(query.get("labelSelector", ""), _fields(call), call.path.row.name),
            None if initial or not since else since,
            whole(query, "timeoutSeconds") or _WATCH_TIMEOUT,
            is_true(query, "allowWatchBookmarks"),
            initial,
            wants_table(call.accept),
        )
        return Watcher(self._registry.store, self._registry.converter, call.path, options)

    def _collection(self, method: str) -> Callable[[Call], Awaitable[Answer]] | None:
        return {"GET": self._list, "POST": self._create, "DELETE": self._delete_all}.get(method)

    def _named(self, method: str) -> Callable[[Call], Awaitable[Answer]] | None:
        verbs = {"GET": self._get, "PUT": self._replace, "PATCH": self._patch, "DELETE": self._delete}
        return verbs.get(method)

    async def _get(self, call: Call) -> Answer:
        path = call.path
        found = await self._registry.read(path.row, path.name, path.namespace)
        if wants_table(call.accept):
            return 200, table(path.row, [found], {"resourceVersion": found["metadata"]["resourceVersion"]})
        return 200, found

    async def _selected(self, call: Call) -> list[Object]:
        path = call.path
        objects = list(self._registry.store.walk(path.row.name, path.namespace))
        selects = selection(call.query.get("labelSelector", ""), _fields(call), path.row.name)
        return objects if selects is None else [o for o in objects if selects(o)]

    async def _list(self, call: Call) -> Answer:
        version = self._registry.store.version
        limit, following = whole(call.query, "limit"), call.query.get("continue", "")
        objects, following, left = page(await self._selected(call), limit, following)
        objects = await self._registry.converter.to_version(call.path.row, objects)
        listed = object_list(call.path.row, objects, version, following, left)
        if wants_table(call.accept):
            return 200, table(call.path.row, objects, listed["metadata"])
        return 200, listed

    async def _create(self, call: Call) -> Answer:
        row, obj = call.path.row, call.object()
        if row.group == "authentication.k8s.io":
            return 201, token_review(obj, self._authenticator)
        if row.group == "authorization.k8s.io":
            return 201, access_review({"kind": row.kind, **obj}, call.user, Authorizer(self._registry.store))
        if row.namespaced and not call.path.namespace:
            raise ApiError.method_not_allowed()
        created = await self._registry.create(row, obj, call.path.namespace, call.user, dry_run=call.dry_run)
        return 201, created

    async def _replace(self, call: Call) -> Answer:
        body = call.object()
        row = call.path.row
        if row.definition is not None and not body.get("metadata", {}).get("resourceVersion"):
            cause = "Invalid value: 0x0: must be specified for an update"
            causes = [("FieldValueInvalid", "metadata.resourceVersion", cause)]
            raise ApiError.invalid(row.kind, row.group, call.path.name, causes)
        return 200, await self._registry.update(call.target(), lambda _: body)

    def _change(self, call: Call) -> Callable[[Object], Object]:
        if call.method == "PUT":
            body = call.object()
            return lambda _: body
        kind = call.content_type.partition(";")[0]
        return patcher(kind, call.parsed(), custom=call.path.row.definition is not None)

    async def _patch(self, call: Call) -> Answer:
        return 200, await self._registry.update(call.target(), self._change(call))

    async def _delete(self, call: Call) -> Answer:
        path, row = call.path, call.path.row
        deleted, remains = await self._registry.delete(row, path.name, path.namespace, call.user, _delete_options(call))
        if remains or row.name in ("pods", "services"):
            return 200, deleted
        details = {
            "name": path.name,
            "group": row.group,
            "kind": row.plural,
            "uid": deleted["metadata"]["uid"],
        }
        details = {k: v for k, v in details.items() if v}
        return 200, {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }

    async def _delete_all(self, call: Call) -> Answer:
        row, options = call.path.row, _delete_options(call)
        if "deletecollection" not in row.verbs:
            raise ApiError.method_not_allowed()
        deleted = []
        for obj in await self._selected(call):
            meta = obj["metadata"]
            space = meta.get("namespace", "")
            deleted.append((await self._registry.delete(row, meta["name"], space, call.user, options))[0])
        return 200, object_list(row, deleted, self._registry.store.version, "", 0)

    async def _subresource(self, call: Call) -> Answer:
        row, sub = call.path.row, call.path.subresource
        if sub == "status" and row.status and call.method in ("GET", "PUT", "PATCH"):
            return await self._status(call)
        if sub == "scale" and row.scale and row.definition is None and call.method in ("GET", "PUT", "PATCH"):
            return await self._scale(call)
        handlers = {
            ("namespaces", "finalize", "PUT"): self._finalize,
            ("pods", "eviction", "POST"): self._evict,
            ("serviceaccounts", "token", "POST"): self._token,
        }
        handler = handlers.get((row.name, sub, call.method))
        if handler is None:
            raise ApiError.no_such_path()
        return await handler(call)

    async def _status(self, call: Call) -> Answer:
        if call.method == "GET":
            return await self._get(call)
        return 200, await self._registry.update(call.target(), self._change(call))

    async def _scale(self, call: Call) -> Answer:
        path = call.path
        if call.method == "GET":
            return 200, scale_of(await self._registry.read(path.row, path.name, path.namespace))
        updated = await self._registry.update(call.target(), scaled(self._change(call)))
        return 200, scale_of(updated)

    async def _finalize(self, call: Call) -> Answer:
        wanted = (call.object().get("spec") or {}).get("finalizers") or []
        target = call.target()
        change: Callable[[Object], Object] = lambda o: {**o, "spec": {**o["spec"], "finalizers": wanted}}  # noqa: E731
        return 200, await self._registry.update(target, change)

    async def _evict(self, call: Call) -> Answer:
        path, options = call.path, call.object().get("deleteOptions") or {}
        await self._registry.delete(path.row, path.name, path.namespace, call.user, options)
        return 201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    async def _token(self, call: Call) -> Answer:
        path = call.path
        return 201, token_request(call.object(), path.namespace, path.name, self._tokens)


def _fields(call: Call) -> str:
    """The field selector; a watch of one name selects that name."""
    selector = call.query.get("fieldSelector", "")
    if not call.path.name:
        return selector
    return f"metadata.name={call.path.name}" + (f",{selector}" if selector else "")


def _delete_options(call: Call) -> Object:
    options: Object = call.object() if call.body else {}
    for key in ("propagationPolicy", "orphanDependents", "gracePeriodSeconds"):
        if key in call.query:
            options = {**options, key: call.query[key]}
    if isinstance(options.get("gracePeriodSeconds"), str):
        options["gracePeriodSeconds"] = whole(call.query, "gracePeriodSeconds")
    if isinstance(options.get("orphanDependents"), str):
        options["orphanDependents"] = is_true(call.query, "orphanDependents")
    return {**options, "dryRun": ["All"]} if call.dry_run else options
