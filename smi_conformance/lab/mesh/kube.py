"""The Kubernetes API as far as the mesh uses it: plain requests, and lists that are kept up to date by watches."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from smi_conformance.lab.mesh.model import Json

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MERGE_PATCH = "application/merge-patch+json"
#: How soon to ask again for a resource that the cluster does not serve, or after an error.
RETRY_SECONDS = 0.5
WATCH_SECONDS = 300
LOG = logging.getLogger(__name__)


class KubeError(Exception):
    """An answer of the API server other than success."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text[:300]}")
        self.code = code


class Kube:
    """A client with the rights of the pod's ServiceAccount. Raises KubeError and aiohttp.ClientError."""

    def __init__(self) -> None:
        self._base = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
        tls = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(sock_connect=5))

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def request(
        self, method: str, path: str, body: Json | list[Json] | None = None, kind: str = "application/json"
    ) -> Json:
        """One request, one JSON object."""
        data = json.dumps(body) if body is not None else None
        headers = {**self._headers(), "Content-Type": kind}
        timeout = aiohttp.ClientTimeout(total=15)
        async with self._session.request(method, self._base + path, data=data, headers=headers, timeout=timeout) as r:
            text = await r.text()
            if r.status >= 400:
                raise KubeError(r.status, text)
            found: Json = json.loads(text)
            return found

    def stream(self, path: str, query: dict[str, str]) -> Any:
        """A response whose lines are watch events, as a context manager."""
        timeout = aiohttp.ClientTimeout(sock_connect=5, sock_read=WATCH_SECONDS + 15)
        return self._session.get(self._base + path, params=query, headers=self._headers(), timeout=timeout)

    def _headers(self) -> dict[str, str]:
        # Read each time, for the kubelet renews the token.
        return {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "User-Agent": "smi-reference"}


class Informer:
    """All objects of one resource, in the order of their creation. A resource that is not served is empty.

    `changed` is called after every change.
    """

    def __init__(self, kube: Kube, path: str, changed: Callable[[], None]) -> None:
        self.synced = asyncio.Event()
        self._kube = kube
        self._path = path
        self._changed = changed
        self._items: dict[str, Json] = {}

    @property
    def items(self) -> list[Json]:
        """The objects as they are now; not to be changed."""
        return list(self._items.values())

    async def run(self) -> None:
        """Keep the objects up to date until cancelled."""
        while True:
            try:
                await self._list_and_watch()
            except KubeError as error:
                if error.code == 404:
                    self._replace({})
                else:
                    LOG.warning("%s: %s", self._path, error)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                LOG.warning("%s: %r", self._path, error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _list_and_watch(self) -> None:
        found = await self._kube.request("GET", self._path)
        kind, version = found["kind"].removesuffix("List"), found["apiVersion"]
        items = sorted(found["items"], key=_age)
        self._replace({_uid(item): {"kind": kind, "apiVersion": version, **item} for item in items})
        resume: str | None = found["metadata"]["resourceVersion"]
        while resume is not None:
            resume = await self._watch(resume)

    def _replace(self, items: dict[str, Json]) -> None:
        # What was known keeps its place: creation times have whole seconds only.
        known = {uid: items[uid] for uid in self._items if uid in items}
        new = {**known, **items}
        different = new != self._items
        self._items = new
        self.synced.set()
        if different:
            self._changed()

    async def _watch(self, version: str) -> str | None:
        """Watch from a version on; the version to go on from, or None when everything has to be listed anew."""
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with self._kube.stream(self._path, query) as response:
            if response.status != 200:
                return None
            pending = b""
            async for chunk in response.content.iter_any():
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return None
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._take(event["type"], event["object"])
        return version

    def _take(self, kind: str, item: Json) -> None:
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            self._items.pop(_uid(item), None)
        else:
            self._items[_uid(item)] = item
        self._changed()


def _uid(item: Json) -> str:
    return str(item["metadata"]["uid"])


def _age(item: Json) -> tuple[str, str, str]:
    meta = item["metadata"]
    return meta.get("creationTimestamp") or "", meta.get("namespace", ""), meta["name"]
