"""The model's only node: pods without processes, ready as soon as they are bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.store import Event, Store

VERSION = "model"
# Complete, as admission would leave it: an update of the pod fills in nothing and so changes nothing.
SIDECAR = {
    "image": "model",
    "imagePullPolicy": "Always",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}


class Node:
    """Starts and ends pods at once. `adopt` makes of a new pod what the mesh wants it to be."""

    def __init__(self, store: Store, sidecar: Callable[[Object], str | None]) -> None:
        self._store, self._sidecar = store, sidecar
        self._address = 0
        store.observe(self._changed)

    def _changed(self, event: Event) -> None:
        """Called within a commit, when nothing may be written."""
        if event.resource == "pods" and event.type != "DELETED" and event.object["spec"].get("nodeName"):
            meta = event.object["metadata"]
            asyncio.get_running_loop().call_soon(self._look, meta["name"], meta["namespace"])

    def _look(self, name: str, namespace: str) -> None:
        pod = self._store.find("pods", name, namespace)
        if pod is None:
            return
        if "deletionTimestamp" in pod["metadata"]:
            self._store.delete("pods", name, namespace, grace=0)
        elif pod.get("status", {}).get("phase", "Pending") == "Pending":
            self._start(pod, name, namespace)

    def _start(self, pod: Object, name: str, namespace: str) -> None:
        sidecar = self._sidecar(pod)
        if sidecar and all(container["name"] != sidecar for container in pod["spec"]["containers"]):
            containers = [*pod["spec"]["containers"], {"name": sidecar, **SIDECAR}]
            self._store.merge("pods", name, {"spec": {"containers": containers}}, namespace)
            pod = self._store.stored("pods", name, namespace)
        self._store.merge("pods", name, {"status": self._status(pod)}, namespace, subresource="status")

    def _status(self, pod: Object) -> Object:
        self._address += 1
        ip = f"10.244.{self._address // 250}.{self._address % 250 + 2}"
        now = pod["metadata"]["creationTimestamp"]
        kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        return {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "hostIP": "10.244.0.1",
            "startTime": now,
            "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds],
            "containerStatuses": [_container(c, now) for c in pod["spec"]["containers"]],
        }

    async def exec(
        self, namespace: str, pod: str, container: str, command: list[str], *, stdin: bool, tty: bool
    ) -> Any:
        """There are no processes. Raises ApiError 400."""
        raise ApiError.bad_request("pods of the model have no processes")

    async def logs(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail: int | None, previous: bool
    ) -> AsyncIterator[bytes]:
        """Nothing is ever logged."""
        return
        yield b""


def _container(container: Object, now: str) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": now}},
    }
