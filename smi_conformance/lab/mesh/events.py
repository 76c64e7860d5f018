"""Kubernetes Events about mistakes in the objects that users wrote."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

import aiohttp

from smi_conformance.lab.mesh.kube import Kube, KubeError
from smi_conformance.lab.mesh.model import Json, Mistake

#: A mistake has to last that long: objects that belong together arrive one after another.
GRACE_SECONDS = 1.0
COMPONENT = "smi-reference"
LOG = logging.getLogger(__name__)
Key = tuple[str, str, str]


class Recorder:
    """Writes one Event for each mistake that lasts."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._current: dict[Key, Mistake] = {}
        self._told: set[Key] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, mistakes: Iterable[Mistake]) -> None:
        """Take in the mistakes there are now."""
        now = {(m.object["uid"], m.reason, m.message): m for m in mistakes}
        fresh = now.keys() - self._current.keys() - self._told
        self._current = now
        self._told &= now.keys()
        if fresh:
            task = asyncio.create_task(self._tell_later(fresh))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell_later(self, keys: set[Key]) -> None:
        await asyncio.sleep(GRACE_SECONDS)
        for key in (keys & self._current.keys()) - self._told:
            self._told.add(key)
            await self._tell(self._current[key])

    async def _tell(self, mistake: Mistake) -> None:
        namespace = mistake.object["namespace"]
        try:
            await self._kube.request("POST", f"/api/v1/namespaces/{namespace}/events", event(mistake))
        except (KubeError, aiohttp.ClientError, TimeoutError) as error:
            LOG.warning("no event about %s: %s", mistake, error)


def event(mistake: Mistake) -> Json:
    """The Event as an object."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"{mistake.object['name'][:200]}.{secrets.token_hex(8)}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": mistake.object["namespace"]},
        "involvedObject": dict(mistake.object),
        "type": "Warning",
        "reason": mistake.reason,
        "message": mistake.message,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": COMPONENT},
    }
