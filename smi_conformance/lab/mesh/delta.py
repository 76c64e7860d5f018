"""What a proxy has, and what it is to be sent next, by the incremental variant of the xDS protocol.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds

A proxy says once what it asks for and, where it was connected before, what it has; from then on it is sent what differs
from that, and answers each message. Clusters go first, then routes, then listeners, so that nothing ever refers to
what is not there yet: a proxy takes messages over in the order of their sending, so the next kind need not wait for
the answer about the one before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource

from smi_conformance.lab.mesh.snapshot import CLUSTERS, LISTENERS, ROUTES

ORDER = (CLUSTERS, ROUTES, LISTENERS)
#: The version of what is not there.
GONE = ""

#: Resources of one kind, by name.
Resources = Mapping[str, Resource]


@dataclass
class Subscription:
    """One kind: versions by name of what the proxy has, of what it was sent and has not answered, and refuses.

    `names` are the routes it asks for; of clusters and listeners it gets all.
    """

    kind: str
    asked: bool = False
    nonce: str = ""
    names: set[str] = field(default_factory=set)
    has: dict[str, str] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def hear(self, request: DeltaDiscoveryRequest) -> bool:
        """Take in what the proxy says; True if it refuses what it was sent."""
        self.asked = True
        answers = bool(self.nonce) and request.response_nonce == self.nonce
        refuses = answers and request.HasField("error_detail")
        if answers:
            (self.refused if refuses else self.has).update(self.sent)
            self.has = {name: version for name, version in self.has.items() if version != GONE}
            self.sent, self.nonce = {}, ""
        self._subscribe(request)
        return refuses

    def _subscribe(self, request: DeltaDiscoveryRequest) -> None:
        # Who asks for a name, even again, has nothing of that name; and who no longer asks may have dropped it.
        subscribed, unsubscribed = set(request.resource_names_subscribe), set(request.resource_names_unsubscribe)
        self.names = (self.names | subscribed) - (unsubscribed - subscribed)
        for known in (self.has, self.sent, self.refused):
            for name in subscribed | unsubscribed:
                known.pop(name, None)
        self.has.update(request.initial_resource_versions)

    def lacks(self, wanted: Resources) -> dict[str, str]:
        """Versions of what is yet to be sent; GONE for what is to be removed."""
        if not self.asked:
            return {}
        told = {**self.has, **self.refused, **self.sent}
        versions = self._versions(wanted, told)
        if self.kind == ROUTES:
            versions = {name: version for name, version in versions.items() if name in self.names}
        return {name: version for name, version in versions.items() if version != told.get(name, GONE)}

    def complete(self, wanted: Resources) -> bool:
        """Whether the proxy has said that it has what it is to have, and nothing else."""
        versions = self._versions(wanted, self.has)
        return all(version == self.has.get(name, GONE) for name, version in versions.items())

    def _versions(self, wanted: Resources, known: Mapping[str, str]) -> dict[str, str]:
        """What it is to have, with what is known and is to go; routes go by themselves, with the last listener."""
        versions = {name: resource.version for name, resource in wanted.items()}
        return versions if self.kind == ROUTES else {**dict.fromkeys(known, GONE), **versions}


class Stream:
    """One connection of a proxy, and all that it said on it. `open` until it is over or another one takes its place."""

    def __init__(self, *, is_open: bool = False) -> None:
        self.open = is_open
        self._subscriptions = {kind: Subscription(kind) for kind in ORDER}
        self._messages = 0

    def hear(self, request: DeltaDiscoveryRequest) -> bool:
        """Take in what the proxy says; True if it refuses what it was sent."""
        subscription = self._subscriptions.get(request.type_url)
        return subscription.hear(request) if subscription else False

    def refused(self, kind: str) -> Collection[str]:
        """Names of what the proxy refuses."""
        return self._subscriptions[kind].refused

    def retry(self, kind: str) -> None:
        """What was refused may do now that other resources of that kind have changed."""
        self._subscriptions[kind].refused.clear()

    def complete(self, wanted: Mapping[str, Resources]) -> bool:
        """Whether the proxy has said that it took over all of it."""
        return all(self._subscriptions[kind].complete(resources) for kind, resources in wanted.items())

    def next(self, wanted: Mapping[str, Resources]) -> DeltaDiscoveryResponse | None:
        """What goes out next, if anything may."""
        for kind, resources in wanted.items():
            subscription = self._subscriptions[kind]
            if lacking := subscription.lacks(resources):
                # One message of a kind at a time: its answer tells what the next one has to say.
                return None if subscription.nonce else self._send(subscription, lacking, resources)
        return None

    def _send(self, subscription: Subscription, lacking: dict[str, str], wanted: Resources) -> DeltaDiscoveryResponse:
        self._messages += 1
        subscription.sent, subscription.nonce = lacking, str(self._messages)
        return DeltaDiscoveryResponse(
            type_url=subscription.kind,
            nonce=subscription.nonce,
            resources=[wanted[name] for name in lacking if name in wanted],
            removed_resources=[name for name in lacking if name not in wanted],
        )
