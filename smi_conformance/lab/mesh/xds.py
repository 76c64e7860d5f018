"""What each connected sidecar is to have: its proxy over a stream, and for UDP the agent beside it by asking.

Clusters that are no longer used stay until the next change, for the routes that use them leave later than the news
arrives.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from smi_conformance.lab.mesh import delta, protos, snapshot
from smi_conformance.lab.mesh.delta import Stream
from smi_conformance.lab.mesh.model import Name
from smi_conformance.lab.mesh.snapshot import CLUSTERS, LISTENERS, ROUTES, Response, Snapshot

LOG = logging.getLogger("xds")
T = TypeVar("T")
HOLD_SECONDS = 25.0
#: A sidecar without a stream or an open request for this long is not connected.
GONE_SECONDS = 2.0


@dataclass
class Asked:
    """What is known of what an agent has, as versions; `tries` is how often the last one sent came to nothing.

    Asking again with the version it was sent is its acknowledgement, asking with an older one says that it refused.
    """

    sent: str = ""
    acked: str = ""
    refused: str = ""
    tries: int = 0

    def hear(self, version: str) -> bool:
        """Take in the version an agent says it has; True when it turns out that it refuses what it was sent.

        An answer that came to nothing may be lost, so it is sent once more; two in a row are a refusal.
        """
        self.acked = version
        self.tries = 0 if version == self.sent or not self.sent else self.tries + 1
        self.refused = self.sent if self.tries > 1 else ""
        return self.tries == 2

    def send(self, version: str) -> None:
        """Take note of what an agent is sent."""
        if version != self.sent:
            self.tries = 0
        self.sent = version


class Node:
    """One sidecar. `changed` is called when what is known of it may have changed."""

    def __init__(self, name: Name, changed: Callable[[], None]) -> None:
        self.name = name
        self.boot = ""
        self.nacks = 0
        self._changed = changed
        self._target: Snapshot | None = None
        self._wanted: dict[str, delta.Resources] = {}
        self._datagrams: Response | None = None
        self._kept: Mapping[str, str] = {}
        self._stream = Stream()
        self._asked = Asked()
        self._news = asyncio.Event()
        self._open = 0
        self._seen = float("-inf")

    def aim(self, target: Snapshot) -> bool:
        """Set the configuration the sidecar is to have; True if it is another one. Raises ParseError."""
        if target == self._target:
            return False
        self._kept = self._in_use()
        self._target = target
        wanted = _wanted(target, self._kept)
        for kind in wanted:
            if wanted[kind] != self._wanted.get(kind):
                self._stream.retry(kind)
        self._wanted = wanted
        self._datagrams = snapshot.response(target.datagrams.values()) if target.datagrams else None
        self._wake()
        return True

    def _in_use(self) -> Mapping[str, str]:
        """Clusters that routes and listeners of the proxy's may name; what it refused to have is not among them."""
        old = self._target.clusters if self._target else {}
        if self.in_sync:
            return old
        refused = self._stream.refused(CLUSTERS)
        return {name: text for name, text in {**self._kept, **old}.items() if name not in refused}

    def started(self, boot: str) -> None:
        """Forget what the sidecar had if it is another process than before."""
        if boot != self.boot:
            self.boot = boot
            self.disconnect(self._stream)
            self._stream, self._asked = Stream(), Asked()

    @property
    def connected(self) -> bool:
        """Whether the sidecar follows what it is to have."""
        return self._open > 0 or time.monotonic() - self._seen < GONE_SECONDS

    @property
    def in_sync(self) -> bool:
        """Whether the sidecar has said that it took over everything it is to have."""
        datagrams = self._datagrams is None or self._asked.acked == self._datagrams.version
        return bool(self._wanted) and datagrams and self._stream.complete(self._wanted)

    async def synced(self, seconds: float) -> bool:
        """Wait until the sidecar is in sync, at most that long."""
        return await self._until(lambda: self.in_sync or None, seconds) or False

    def connect(self, boot: str) -> Stream:
        """A new stream of the proxy, which takes the place of the one before."""
        self.started(boot)
        self.disconnect(self._stream)
        self._stream = Stream(is_open=True)
        self._open += 1
        return self._stream

    def disconnect(self, stream: Stream) -> None:
        """A stream is over."""
        if stream.open:
            stream.open = False
            self._open -= 1
            self._seen = time.monotonic()
            self._wake()

    def hear(self, stream: Stream, request: DeltaDiscoveryRequest) -> None:
        """Take in what the proxy says on a stream."""
        if stream.open:
            if stream.hear(request):
                self.nacks += 1
                LOG.warning("%s refuses %s: %s", self.name, request.type_url, request.error_detail.message)
            self._wake()

    async def responses(self, stream: Stream) -> AsyncIterator[DeltaDiscoveryResponse]:
        """What the proxy is sent on a stream, until that is over."""
        while stream.open:
            news = self._news
            if found := stream.next(self._wanted):
                yield found
            else:
                await news.wait()

    async def poll(self, version: str) -> Response | None:
        """The next answer to an agent that has this version for UDP; None if there is no news for a while."""
        asked = self._asked
        if asked.hear(version):
            self.nacks += 1
            LOG.warning("%s refuses datagrams %s", self.name, asked.refused)
        self._wake()
        self._open += 1
        try:
            found = await self._until(lambda: self._next_datagrams(asked, version), HOLD_SECONDS)
        finally:
            self._open -= 1
            self._seen = time.monotonic()
        if found:
            asked.send(found.version)
        return found

    def _next_datagrams(self, asked: Asked, version: str) -> Response | None:
        wanted = self._datagrams
        return None if wanted is None or wanted.version in (version, asked.refused) else wanted

    async def _until(self, look: Callable[[], T | None], seconds: float) -> T | None:
        try:
            async with asyncio.timeout(seconds):
                while (found := look()) is None:
                    await self._news.wait()
        except TimeoutError:
            return None
        return found

    def close(self) -> None:
        """There is no such sidecar any more."""
        self.disconnect(self._stream)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
        self._changed()


def _wanted(target: Snapshot, kept: Mapping[str, str]) -> dict[str, delta.Resources]:
    texts = {CLUSTERS: {**kept, **target.clusters}, ROUTES: target.routes, LISTENERS: target.listeners}
    return {kind: {name: protos.packed(kind, text) for name, text in texts[kind].items()} for kind in delta.ORDER}


class Fleet:
    """All sidecars. `changed` is set whenever the state of one may have changed."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._nodes: dict[Name, Node] = {}
        self._removed_nacks = 0

    def node(self, name: Name) -> Node:
        """The sidecar of a pod."""
        if name not in self._nodes:
            self._nodes[name] = Node(name, self.changed.set)
        return self._nodes[name]

    def aim(self, targets: Mapping[Name, Snapshot]) -> int:
        """Set the configuration of all sidecars and forget those that are gone; how many have changed."""
        for name in self._nodes.keys() - targets.keys():
            node = self._nodes.pop(name)
            self._removed_nacks += node.nacks
            node.close()
        self.changed.set()
        return sum(self.node(name).aim(target) for name, target in targets.items())

    @property
    def connected(self) -> list[Node]:
        """The sidecars that follow what they are to have."""
        return [node for node in self._nodes.values() if node.connected]

    @property
    def nacks(self) -> int:
        """How often a sidecar has refused something."""
        return self._removed_nacks + sum(node.nacks for node in self._nodes.values())
