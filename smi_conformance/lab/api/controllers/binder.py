"""Binds pods to the only node there is."""

from __future__ import annotations

from smi_conformance.lab.api.controllers.base import Controller, Key, is_dying, key_of
from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.store import now
from smi_conformance.lab.api.watch import Event

NODE = "lab-node"
_NAME = "default-scheduler"


class Binder(Controller):
    """The scheduler, without a choice to make."""

    def concerns(self, event: Event) -> None:
        if event.resource == "pods" and event.type == "ADDED" and _is_ours(event.object):
            self.look(key_of(event.object))

    async def reconcile(self, key: Key) -> None:
        namespace, name = key
        pod = self.store.find("pods", name, namespace)
        if pod is None or is_dying(pod) or not _is_ours(pod):
            return
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now()}
        self.store.merge("pods", name, {"status": {"conditions": [scheduled]}}, namespace, subresource="status")
        self.store.merge("pods", name, {"spec": {"nodeName": NODE}}, namespace)


def _is_ours(pod: Object) -> bool:
    spec = pod["spec"]
    return not spec.get("nodeName") and spec.get("schedulerName", _NAME) == _NAME
