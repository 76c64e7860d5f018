"""Events of the kubelet about its pods."""

from __future__ import annotations

import secrets
from contextlib import suppress

from smi_conformance.lab.api.store import ApiError, Object, Store, now

_SOURCE = {"component": "kubelet", "host": "lab-node"}


class Recorder:
    """Writes Events about one pod; a repeated one raises the count of the first."""

    def __init__(self, store: Store, pod: Object) -> None:
        meta = pod["metadata"]
        self._store = store
        self._involved = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        }
        self._known: dict[tuple[str, str, str], tuple[str, int]] = {}

    def normal(self, reason: str, message: str, container: str = "") -> None:
        """Something went as it should."""
        self._record("Normal", reason, message, container)

    def warning(self, reason: str, message: str, container: str = "") -> None:
        """Something went wrong."""
        self._record("Warning", reason, message, container)

    def _record(self, kind: str, reason: str, message: str, container: str) -> None:
        key = (reason, message, container)
        with suppress(ApiError):  # the namespace may be gone
            if key in self._known:
                self._repeat(key)
            else:
                self._known[key] = (self._create(kind, reason, message, container), 1)

    def _repeat(self, key: tuple[str, str, str]) -> None:
        name, count = self._known[key]
        patch = {"count": count + 1, "lastTimestamp": now()}
        self._store.merge("events", name, patch, self._involved["namespace"])
        self._known[key] = (name, count + 1)

    def _create(self, kind: str, reason: str, message: str, container: str) -> str:
        name = f"{self._involved['name']}.{secrets.token_hex(8)}"
        path = {"fieldPath": f"spec.containers{{{container}}}"} if container else {}
        time = now()
        self._store.create(
            "events",
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": self._involved["namespace"]},
                "involvedObject": {**self._involved, **path},
                "type": kind,
                "reason": reason,
                "message": message,
                "source": _SOURCE,
                "firstTimestamp": time,
                "lastTimestamp": time,
                "count": 1,
                "reportingComponent": "kubelet",
                "reportingInstance": "lab-node",
            },
        )
        return name
