"""Deletion of a CustomResourceDefinition: its objects go first."""

from __future__ import annotations

from smi_conformance.lab.api.controllers.base import Controller, Key, is_dying
from smi_conformance.lab.api.crds import CLEANUP, CRDS
from smi_conformance.lab.api.watch import Event


class Definitions(Controller):
    """Deletes the custom resources of a CRD that is to go."""

    def concerns(self, event: Event) -> None:
        if event.resource == CRDS:
            if is_dying(event.object):
                self.look(("", event.object["metadata"]["name"]))
        elif event.type == "DELETED" and self.store.find(CRDS, event.resource) is not None:
            self.look(("", event.resource))

    async def reconcile(self, key: Key) -> None:
        crd = self.store.find(CRDS, key[1])
        if crd is None or not is_dying(crd):
            return
        for obj in list(self.store.walk(key[1])):
            if not is_dying(obj):
                meta = obj["metadata"]
                self.store.delete(key[1], meta["name"], meta.get("namespace", ""))
        if next(self.store.walk(key[1]), None) is None:
            finalizers = [f for f in crd["metadata"].get("finalizers", ()) if f != CLEANUP]
            self.store.merge(CRDS, key[1], {"metadata": {"finalizers": finalizers}})
