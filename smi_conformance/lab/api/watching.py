"""Watches over HTTP: one JSON line for each change."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from smi_conformance.lab.api.crds import Converter
from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.lists import table
from smi_conformance.lab.api.requests import Path
from smi_conformance.lab.api.selectors import Predicate
from smi_conformance.lab.api.store import Store
from smi_conformance.lab.api.watch import Event

_BOOKMARK_INTERVAL = 60.0
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How a client wants to watch."""

    selects: Predicate | None
    since: int | None
    """Resource version to go on from; None: existing objects first."""
    timeout: float
    bookmarks: bool = False
    initial_end: bool = False
    as_table: bool = False


class Watcher:
    """One client's view of a resource."""

    def __init__(self, store: Store, converter: Converter, path: Path, options: WatchOptions) -> None:
        self._store, self._converter, self._path, self._options = store, converter, path, options

    async def lines(self) -> AsyncIterator[bytes]:
        """Chunks of lines until the watch times out. What is there at once comes in one chunk."""
        options = self._options
        try:
            stream = self._store.stream(self._path.row.name, options.since)
        except ApiError as error:
            # Kubernetes reports a forgotten version within the stream.
            yield _line("ERROR", error.status())
            return
        first = stream.drain()
        end = self._bookmark(_INITIAL_END) if options.initial_end else b""
        yield await self._encode(first) + end
        ends = time.monotonic() + options.timeout
        while (left := ends - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(min(left, _BOOKMARK_INTERVAL) if options.bookmarks else left):
                    event = await stream.next()
            except TimeoutError:
                if options.bookmarks:
                    yield self._bookmark({})
                continue
            if lines := await self._encode([event, *stream.drain()]):
                yield lines

    def _bookmark(self, annotations: Object) -> bytes:
        row = self._path.row
        meta: Object = {"resourceVersion": str(self._store.version)}
        if annotations:
            meta["annotations"] = annotations
        return _line("BOOKMARK", {"kind": row.kind, "apiVersion": row.api_version, "metadata": meta})

    async def _encode(self, events: list[Event]) -> bytes:
        seen = [(event, kind) for event in events if (kind := self._seen_as(event))]
        return b"".join([await self._line(event, kind) for event, kind in seen])

    def _seen_as(self, event: Event) -> str | None:
        """The type of the event for those who see only what they select."""
        meta, path, selects = event.object["metadata"], self._path, self._options.selects
        if path.namespace and meta.get("namespace") != path.namespace:
            return None
        if selects is None:
            return event.type
        is_selected = selects(event.object)
        if event.type == "ADDED":
            return "ADDED" if is_selected else None
        was_selected = event.previous is not None and selects(event.previous)
        if event.type == "DELETED":
            return "DELETED" if was_selected else None
        kinds = {(True, True): "MODIFIED", (False, True): "ADDED", (True, False): "DELETED"}
        return kinds.get((was_selected, is_selected))

    async def _line(self, event: Event, kind: str) -> bytes:
        row = self._path.row
        key = f"{kind} {row.version}"
        if self._options.as_table:
            converted = await self._converter.to_version(row, [event.object])
            version = event.object["metadata"]["resourceVersion"]
            return _line(kind, table(row, converted, {"resourceVersion": version}))
        if key not in event.encoded:
            event.encoded[key] = _line(kind, (await self._converter.to_version(row, [event.object]))[0])
        return event.encoded[key]


def _line(kind: str, obj: Object) -> bytes:
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"
