"""A controller: keys that changes make worth another look, one reconciliation of each at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.registry import Registry
from smi_conformance.lab.api.store import Store
from smi_conformance.lab.api.watch import Event

_FIRST_DELAY, _LONGEST_DELAY, _DOUBLINGS = 0.01, 10.0, 10
_log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace and name."""


class Controller:
    """Subclasses say which keys an event concerns and how to reconcile one."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.store, self.registry = store, registry
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._again: set[Hashable] = set()
        self._failures: dict[Hashable, int] = {}

    def concerns(self, event: Event) -> None:
        """Call `look` for every key that the event may have an effect on. Called within the commit."""
        raise NotImplementedError

    async def reconcile(self, key: Key) -> None:
        """Bring what is nearer to what is wanted. An ApiError means: once more, after a growing delay."""
        raise NotImplementedError

    def look(self, key: Key) -> None:
        """Reconcile this key soon; what happens until then is seen at once."""
        if key in self._tasks:
            self._again.add(key)
        else:
            self._tasks[key] = asyncio.create_task(self._work(key))

    async def run(self) -> None:
        """Until cancelled."""
        forget = self.store.observe(self.concerns)
        for resource in self.store.all_resources():
            for obj in list(self.store.walk(resource)):
                self.concerns(Event("ADDED", resource, obj, None, 0))
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            forget()
            for task in self._tasks.values():
                task.cancel()

    async def _work(self, key: Key) -> None:
        try:
            while True:
                self._again.discard(key)
                await self._attempt(key)
                if key not in self._again:
                    break
        finally:
            self._tasks.pop(key, None)

    async def _attempt(self, key: Key) -> None:
        try:
            await self.reconcile(key)
        except ApiError as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = min(_FIRST_DELAY * 2 ** min(failures, _DOUBLINGS), _LONGEST_DELAY)
            _log.info("%s %s: %s; once more in %g s", type(self).__name__, key, error, delay)
            asyncio.get_running_loop().call_later(delay, self.look, key)
        except Exception:
            _log.exception("%s %s failed", type(self).__name__, key)
        else:
            self._failures.pop(key, None)


def key_of(obj: Object) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def is_dying(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def controller_of(obj: Object) -> Object | None:
    """The reference to the one owner that manages the object."""
    references = obj["metadata"].get("ownerReferences") or ()
    return next((r for r in references if r.get("controller")), None)


def controlled_by(owner: Object) -> Object:
    """A reference that says: managed by `owner`."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
