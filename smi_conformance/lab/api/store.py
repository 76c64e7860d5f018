"""Every object of the lab, in memory: optimistic locking, deletion with grace and finalizers, watches.

Single-threaded: everything but a watch returns at once, so what a caller does between two awaits is atomic.
What comes out is the caller's own copy unless said otherwise. Defaulting, validation and admission are done
before, in `registry`.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from weakref import WeakSet

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.resources import Resources, from_crd
from smi_conformance.lab.api.watch import Event, EventStream, Watch, copy_json

__all__ = ["ApiError", "Event", "Object", "Store", "Watch", "copy_json", "now"]

_FIRST_VERSION = 1000
_HISTORY = 4096
_CRDS = "customresourcedefinitions.apiextensions.k8s.io"
_FIXED = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)


def now(after: float = 0) -> str:
    """The time in `after` seconds, in Kubernetes' format."""
    return (datetime.now(UTC) + timedelta(seconds=after)).strftime("%Y-%m-%dT%H:%M:%SZ")


def merge_patch(target: object, patch: object) -> object:
    """RFC 7386; the result shares nothing with `target`."""
    if not isinstance(patch, dict):
        return patch
    base = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merge_patch(base.get(key), value)
    return base


class _Collection:
    """Objects and recent events of one resource."""

    def __init__(self, version: int) -> None:
        self.objects: dict[str, dict[str, Object]] = {}
        self.history: deque[Event] = deque(maxlen=_HISTORY)
        self.forgotten = version
        self.streams: WeakSet[EventStream] = WeakSet()

    def remember(self, event: Event) -> None:
        if len(self.history) == _HISTORY:
            self.forgotten = self.history[0].version
        self.history.append(event)

    def walk(self, namespace: str) -> Iterator[Object]:
        for space in [namespace] if namespace else sorted(self.objects):
            objects = self.objects.get(space, {})
            yield from [objects[name] for name in sorted(objects)]


class Store:
    """Objects by resource ("pods", "deployments.apps"), namespace and name."""

    def __init__(self) -> None:
        self.resources = Resources()
        self.version = _FIRST_VERSION
        self.next_address = 10
        """Where the search for a free cluster IP goes on."""
        self._collections: dict[str, _Collection] = {}
        self._observers: list[Callable[[Event], None]] = [self._serve_crd]

    # Reading

    def get(self, resource: str, name: str, namespace: str = "") -> Object:
        """Raises ApiError 404."""
        return copy_json(self.stored(resource, name, namespace))

    def find(self, resource: str, name: str, namespace: str = "") -> Object | None:
        """The stored object itself, not to be modified, or None."""
        return self._collection(resource).objects.get(namespace, {}).get(name)

    def stored(self, resource: str, name: str, namespace: str = "") -> Object:
        """The stored object itself, not to be modified. Raises ApiError 404."""
        found = self.find(resource, name, namespace)
        if found is None:
            raise ApiError.not_found(resource, name)
        return found

    def list(self, resource: str, namespace: str = "") -> list[Object]:
        """By namespace and name; no namespace means all of them."""
        return [copy_json(o) for o in self.walk(resource, namespace)]

    def walk(self, resource: str, namespace: str = "") -> Iterator[Object]:
        """Like `list`, but the stored objects themselves, not to be modified."""
        return self._collection(resource).walk(namespace)

    def watch(self, resource: str) -> Watch:
        """All existing objects as ("ADDED", object), then every change; no gap between them."""
        return Watch(self.stream(resource))

    def stream(self, resource: str, since: int | None = None) -> EventStream:
        """Events after version `since`, or existing objects first if None. ApiError 410 if forgotten."""
        collection = self._collection(resource)
        if since is None:
            stream = EventStream(self._as_added(resource, o) for o in collection.walk(""))
        elif since < collection.forgotten:
            raise ApiError.expired(since, collection.forgotten)
        else:
            stream = EventStream(e for e in collection.history if e.version > since)
        collection.streams.add(stream)
        return stream

    def observe(self, observer: Callable[[Event], None]) -> Callable[[], None]:
        """Call `observer` within every commit, until the result is called. It must not write to the store."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def all_resources(self) -> tuple[str, ...]:
        """Names of everything that has ever been stored."""
        return tuple(self._collections)

    # Writing

    def create(self, resource: str, obj: Object, *, dry_run: bool = False) -> Object:
        """Raises ApiError 409 when the name is taken."""
        obj = copy_json(obj)
        meta = obj.setdefault("metadata", {})
        name, namespace = meta["name"], meta.get("namespace", "")
        if self.find(resource, name, namespace) is not None:
            raise ApiError.already_exists(resource, name)
        self._name_kind(resource, obj)
        for key in (
            "managedFields",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
        ):
            meta.pop(key, None)
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = now()
        traits = self.resources.named(resource)
        if traits is not None and traits.generation:
            meta["generation"] = 1
        return self._commit("ADDED", resource, obj, None, dry_run)

    def update(self, resource: str, obj: Object, *, subresource: str = "", dry_run: bool = False) -> Object:
        """Replace everything but the status, or with `subresource` "status" nothing but it.

        Raises ApiError 409 when `metadata.resourceVersion` is given and stale, 404 without such an object.
        """
        meta = obj["metadata"]
        current = self.stored(resource, meta["name"], meta.get("namespace", ""))
        self._check_unchanged(resource, current, meta)
        replacement = self._replacement(resource, current, copy_json(obj), subresource)
        if replacement == current:
            return copy_json(current)
        if _may_go(resource, replacement):
            return self._commit("DELETED", resource, replacement, current, dry_run)
        return self._commit("MODIFIED", resource, replacement, current, dry_run)

    def merge(self, resource: str, name: str, patch: Object, namespace: str = "", *, subresource: str = "") -> Object:
        """Update by an RFC 7386 patch, which may carry a resourceVersion as a condition."""
        merged = merge_patch(self.stored(resource, name, namespace), patch)
        assert isinstance(merged, dict)
        if "resourceVersion" not in patch.get("metadata", {}):
            merged["metadata"] = {k: v for k, v in merged["metadata"].items() if k != "resourceVersion"}
        return self.update(resource, merged, subresource=subresource)

    def delete(
        self,
        resource: str,
        name: str,
        namespace: str = "",
        *,
        grace: int | None = None,
        propagation: str = "Background",
        dry_run: bool = False,
    ) -> Object:
        """Remove the object, or mark it if finalizers or a grace period keep it; return what it is then.

        A scheduled pod is marked with its grace period (`grace`, else its own) and goes with `grace=0`.
        """
        current = self.stored(resource, name, namespace)
        marked = copy_json(current)
        _mark(marked["metadata"], _grace(resource, current, grace), propagation)
        if resource == "namespaces":
            marked["status"] = {**marked.get("status", {}), "phase": "Terminating"}
        if _may_go(resource, marked):
            return self._commit("DELETED", resource, marked, current, dry_run)
        if marked == current:
            return marked
        return self._commit("MODIFIED", resource, marked, current, dry_run)

    # How it is done

    def _collection(self, resource: str) -> _Collection:
        found = self._collections.get(resource)
        if found is None:
            found = self._collections[resource] = _Collection(_FIRST_VERSION)
        return found

    def _as_added(self, resource: str, obj: Object) -> Event:
        return Event("ADDED", resource, obj, None, int(obj["metadata"]["resourceVersion"]))

    def _name_kind(self, resource: str, obj: Object) -> None:
        row = self.resources.named(resource)
        if row is not None:
            obj.setdefault("apiVersion", row.api_version)
            obj.setdefault("kind", row.kind)

    def _check_unchanged(self, resource: str, current: Object, meta: Object) -> None:
        known = current["metadata"]
        if meta.get("uid") not in (None, "", known["uid"]):
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {known['uid']}"
            raise ApiError.conflict(resource, known["name"], why)
        if meta.get("resourceVersion") not in (None, "", known["resourceVersion"]):
            raise ApiError.stale(resource, known["name"])

    def _replacement(self, resource: str, current: Object, obj: Object, subresource: str) -> Object:
        traits = self.resources.named(resource)
        has_status = traits is not None and traits.status
        if subresource == "status":
            obj = {**current, "status": obj.get("status", {})}
        elif has_status:
            obj.pop("status", None)
            if "status" in current:
                obj["status"] = current["status"]
        self._name_kind(resource, obj)
        meta = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "selfLink")}
        for key in (*_FIXED, "resourceVersion"):
            meta.pop(key, None)
            if key in current["metadata"]:
                meta[key] = current["metadata"][key]
        if "generation" in meta and _spec_of(obj, has_status) != _spec_of(current, has_status):
            meta["generation"] += 1
        return {**obj, "metadata": meta}

    def _commit(self, kind: str, resource: str, obj: Object, previous: Object | None, dry_run: bool) -> Object:
        if dry_run:
            return copy_json(obj)
        self.version += 1
        meta = obj["metadata"]
        meta["resourceVersion"] = str(self.version)
        collection = self._collection(resource)
        space = collection.objects.setdefault(meta.get("namespace", ""), {})
        if kind == "DELETED":
            del space[meta["name"]]
        else:
            space[meta["name"]] = obj
        event = Event(kind, resource, obj, previous, self.version)
        collection.remember(event)
        for stream in list(collection.streams):
            stream.push(event)
        for observer in self._observers:
            observer(event)
        return copy_json(obj)

    def _serve_crd(self, event: Event) -> None:
        if event.resource == _CRDS:
            name = event.object["metadata"]["name"]
            self.resources.replace(name, [] if event.type == "DELETED" else from_crd(event.object))


def _spec_of(obj: Object, has_status: bool) -> Object:
    without = ("metadata", "status", "apiVersion") if has_status else ("metadata", "apiVersion")
    return {k: v for k, v in obj.items() if k not in without}


def _grace(resource: str, obj: Object, asked: int | None) -> int:
    if resource != "pods" or not obj["spec"].get("nodeName"):
        return 0
    if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return int(obj["spec"].get("terminationGracePeriodSeconds", 30)) if asked is None else asked


def _mark(meta: Object, grace: int, propagation: str) -> None:
    finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
    if finalizer and finalizer not in meta.get("finalizers", ()):
        meta["finalizers"] = [*meta.get("finalizers", ()), finalizer]
    if "deletionTimestamp" in meta and meta.get("deletionGracePeriodSeconds", 0) <= grace:
        return
    if "deletionTimestamp" not in meta and "generation" in meta:
        meta["generation"] += 1
    meta["deletionTimestamp"] = now(grace)
    meta["deletionGracePeriodSeconds"] = grace


def _may_go(resource: str, obj: Object) -> bool:
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers"):
        return False
    if resource == "namespaces" and obj.get("spec", {}).get("finalizers"):
        return False
    return not meta.get("deletionGracePeriodSeconds")
