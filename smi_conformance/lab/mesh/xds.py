"""What each connected sidecar has, and what it is to get next: its proxy, and for UDP the agent beside it.

A proxy asks with the version it has and is answered when there is another one. Asking again with the version it was
sent is its acknowledgement; asking with an older one says that it refused. Clusters go first, then routes, then
listeners, so that nothing ever refers to what is not there yet; clusters that are no longer used stay until the next
change, for the routes that use them leave later than the news arrives.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from smi_conformance.lab.mesh import snapshot
from smi_conformance.lab.mesh.model import Name
from smi_conformance.lab.mesh.snapshot import CLUSTERS, DATAGRAMS, LISTENERS, ROUTES, Response, Snapshot

LOG = logging.getLogger("xds")
T = TypeVar("T")
HOLD_SECONDS = 25.0
#: A proxy without an open request for this long is not connected.
GONE_SECONDS = 2.0

#: Kind of resource, and for routes the name of the one that is asked for.
Topic = tuple[str, str]


@dataclass
class Subscription:
    """What is known of one topic of one proxy, as versions; `tries` is how often the last one sent came to nothing."""

    sent: str = ""
    acked: str = ""
    refused: str = ""
    tries: int = 0

    def hear(self, version: str) -> bool:
        """Take in the version a proxy says it has; True when it turns out that it refuses what it was sent.

        An answer that came to nothing may be lost, or have met a listener that was replaced meanwhile, so it is sent
        once more; two in a row are a refusal.
        """
        self.acked = version
        self.tries = 0 if version == self.sent or not self.sent else self.tries + 1
        self.refused = self.sent if self.tries > 1 else ""
        return self.tries == 2

    def settled(self, version: str) -> bool:
        """Whether the proxy has decided on a version, be it that it took or that it refused it."""
        return version in (self.acked, self.refused)


class Node:
    """One proxy. `changed` is called when what is known of it may have changed."""

    def __init__(self, name: Name, changed: Callable[[], None]) -> None:
        self.name = name
        self.boot = ""
        self.nacks = 0
        self._changed = changed
        self._target: Snapshot | None = None
        self._wanted: dict[Topic, Response] = {}
        self._kept: Mapping[str, str] = {}
        self._subscriptions: dict[Topic, Subscription] = {}
        self._news = asyncio.Event()
        self._polls = 0
        self._seen = float("-inf")

    def aim(self, target: Snapshot) -> bool:
        """Set the configuration the proxy is to have; True if it is another one."""
        if target == self._target:
            return False
        old = self._target.clusters if self._target else {}
        self._kept = old if self.in_sync else {**self._kept, **old}
        self._target = target
        self._wanted = dict(_responses(target, self._kept))
        # What is no longer wanted will not be asked for; a later order must not wait for an answer about it.
        self._subscriptions = {topic: s for topic, s in self._subscriptions.items() if topic in self._wanted}
        self._wake()
        return True

    def started(self, boot: str) -> None:
        """Forget what the proxy had if it is another process than before."""
        if boot != self.boot:
            self.boot = boot
            self._subscriptions = {}

    @property
    def connected(self) -> bool:
        """Whether the proxy asks for news."""
        return self._polls > 0 or time.monotonic() - self._seen < GONE_SECONDS

    @property
    def in_sync(self) -> bool:
        """Whether the proxy has said that it took over everything it is to have."""
        return bool(self._wanted) and all(
            topic in self._subscriptions and self._subscriptions[topic].acked == response.version
            for topic, response in self._wanted.items()
        )

    async def synced(self, seconds: float) -> bool:
        """Wait until the proxy is in sync, at most that long."""
        return await self._until(lambda: self.in_sync or None, seconds) or False

    async def poll(self, topic: Topic, version: str) -> Response | None:
        """The next answer to a proxy that has this version; None if there is no news for a while."""
        subscription = self._subscriptions.get(topic) or Subscription()
        if topic in self._wanted:
            self._subscriptions[topic] = subscription
        if subscription.hear(version):
            self.nacks += 1
            LOG.warning("%s refuses %s %s", self.name, *topic)
        self._wake()
        self._polls += 1
        try:
            found = await self._until(lambda: self._next(topic, subscription, version), HOLD_SECONDS)
        finally:
            self._polls -= 1
            self._seen = time.monotonic()
        if found:
            if found.version != subscription.sent:
                subscription.tries = 0
            subscription.sent = found.version
        return found

    def _next(self, topic: Topic, subscription: Subscription, version: str) -> Response | None:
        wanted = self._wanted.get(topic)
        if wanted is None or wanted.version in (version, subscription.refused) or not self._in_turn(topic):
            return None
        return wanted

    def _in_turn(self, topic: Topic) -> bool:
        before = {ROUTES: (CLUSTERS,), LISTENERS: (CLUSTERS, ROUTES)}.get(topic[0], ())
        return all(
            subscription.settled(self._wanted[other].version)
            for other, subscription in self._subscriptions.items()
            if other[0] in before and other in self._wanted
        )

    async def _until(self, look: Callable[[], T | None], seconds: float) -> T | None:
        try:
            async with asyncio.timeout(seconds):
                while (found := look()) is None:
                    await self._news.wait()
        except TimeoutError:
            return None
        return found

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
        self._changed()


def _responses(target: Snapshot, kept: Mapping[str, str]) -> Iterable[tuple[Topic, Response]]:
    yield (CLUSTERS, ""), snapshot.response(CLUSTERS, {**kept, **target.clusters}.values())
    yield (LISTENERS, ""), snapshot.response(LISTENERS, target.listeners.values())
    for name, text in target.routes.items():
        yield (ROUTES, name), snapshot.response(ROUTES, [text])
    if target.datagrams:
        yield (DATAGRAMS, ""), snapshot.response(DATAGRAMS, target.datagrams.values())


class Fleet:
    """All proxies. `changed` is set whenever the state of one may have changed."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._nodes: dict[Name, Node] = {}
        self._removed_nacks = 0

    def node(self, name: Name) -> Node:
        """The proxy of a pod."""
        if name not in self._nodes:
            self._nodes[name] = Node(name, self.changed.set)
        return self._nodes[name]

    def aim(self, targets: Mapping[Name, Snapshot]) -> int:
        """Set the configuration of all proxies and forget those that are gone; how many have changed."""
        for name in self._nodes.keys() - targets.keys():
            self._removed_nacks += self._nodes.pop(name).nacks
        self.changed.set()
        return sum(self.node(name).aim(target) for name, target in targets.items())

    @property
    def connected(self) -> list[Node]:
        """The proxies that ask for news."""
        return [node for node in self._nodes.values() if node.connected]

    @property
    def nacks(self) -> int:
        """How often a proxy has refused something."""
        return self._removed_nacks + sum(node.nacks for node in self._nodes.values())
