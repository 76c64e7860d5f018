"""Garbage collection by ownerReferences: in the background, in the foreground, or leaving orphans."""

from __future__ import annotations

from smi_conformance.lab.api.controllers.base import Controller, Key, is_dying
from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.registry import Registry
from smi_conformance.lab.api.store import Store
from smi_conformance.lab.api.watch import Event

_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"
_Place = tuple[str, str, str]
"""Resource, namespace and name."""


def _owners(obj: Object | None) -> set[str]:
    return {r["uid"] for r in (obj or {}).get("metadata", {}).get("ownerReferences") or ()}


class GarbageCollector(Controller):
    """Keys are ("", uid) of an owner that went or is going."""

    def __init__(self, store: Store, registry: Registry) -> None:
        super().__init__(store, registry)
        self._alive: dict[str, _Place] = {}
        self._dependents: dict[str, set[_Place]] = {}

    def concerns(self, event: Event) -> None:
        meta = event.object["metadata"]
        uid, place = meta["uid"], (event.resource, meta.get("namespace", ""), meta["name"])
        self._index(event, uid, place)
        waits = is_dying(event.object) and {_FOREGROUND, _ORPHAN} & set(meta.get("finalizers") or ())
        if waits or (event.type == "DELETED" and uid in self._dependents):
            self.look(("", uid))
        for owner in _owners(event.object) | _owners(event.previous):
            if event.type == "DELETED" or owner not in self._alive:
                self.look(("", owner))

    def _index(self, event: Event, uid: str, place: _Place) -> None:
        if event.type == "DELETED":
            self._alive.pop(uid, None)
        else:
            self._alive[uid] = place
        owners = set() if event.type == "DELETED" else _owners(event.object)
        for owner in _owners(event.previous) - owners:
            self._dependents.get(owner, set()).discard(place)
        for owner in owners:
            self._dependents.setdefault(owner, set()).add(place)

    async def reconcile(self, key: Key) -> None:
        uid = key[1]
        dependents = [(place, obj) for place in sorted(self._dependents.get(uid, ())) if (obj := self._find(place))]
        owner = self._find(self._alive[uid]) if uid in self._alive else None
        if owner is None:
            self._collect(uid, dependents)
            self._dependents.pop(uid, None)
        elif is_dying(owner):
            self._let_go(uid, owner, dependents)

    def _find(self, place: _Place) -> Object | None:
        return self.store.find(place[0], place[2], place[1])

    def _collect(self, uid: str, dependents: list[tuple[_Place, Object]]) -> None:
        for place, obj in dependents:
            if any(owner in self._alive for owner in _owners(obj) - {uid}):
                self._disown(uid, place, obj)
            elif not is_dying(obj):
                self._delete(place, "Background")

    def _let_go(self, uid: str, owner: Object, dependents: list[tuple[_Place, Object]]) -> None:
        finalizers = owner["metadata"].get("finalizers") or []
        if _ORPHAN in finalizers:
            for place, obj in dependents:
                self._disown(uid, place, obj)
            self._drop_finalizer(uid, _ORPHAN)
        elif _FOREGROUND in finalizers:
            for place, obj in dependents:
                if not is_dying(obj):
                    has_own = bool(self._dependents.get(obj["metadata"]["uid"]))
                    self._delete(place, "Foreground" if has_own else "Background")
            if not any(self._find(place) for place, _ in dependents):
                self._drop_finalizer(uid, _FOREGROUND)

    def _delete(self, place: _Place, propagation: str) -> None:
        self.store.delete(place[0], place[2], place[1], propagation=propagation)

    def _disown(self, uid: str, place: _Place, obj: Object) -> None:
        references = [r for r in obj["metadata"]["ownerReferences"] if r["uid"] != uid]
        patch = {"metadata": {"ownerReferences": references or None}}
        self.store.merge(place[0], place[2], patch, place[1])

    def _drop_finalizer(self, uid: str, finalizer: str) -> None:
        place = self._alive[uid]
        owner = self._find(place)
        if owner is not None:
            finalizers = [f for f in owner["metadata"]["finalizers"] if f != finalizer]
            self.store.merge(place[0], place[2], {"metadata": {"finalizers": finalizers}}, place[1])
