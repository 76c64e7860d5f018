"""What proxies are sent, in which order, and what is known of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import wraps

import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from smi_conformance.lab.mesh.model import Name
from smi_conformance.lab.mesh.snapshot import CLUSTERS, LISTENERS, ROUTES, Snapshot
from smi_conformance.lab.mesh.xds import Fleet, Node


def text(name: str, **fields: object) -> dict[str, str]:
    """A resource, by name."""
    return {name: json.dumps({"name": name, **fields})}


FIRST = Snapshot(text("c") | text("d"), text("l"), text("inbound"))
SECOND = Snapshot(text("d") | text("e"), text("l"), text("inbound", request_headers_to_remove=["x"]))


class Proxy:
    """A proxy on the other end of a stream, which answers only when it is told to."""

    def __init__(self, node: Node, boot: str = "boot") -> None:
        self.node = node
        self.stream = node.connect(boot)

    def say(self, kind: str, *names: str, drops: tuple[str, ...] = (), has: dict[str, str] | None = None) -> None:
        """Ask for resources, or for none any more."""
        request = DeltaDiscoveryRequest(type_url=kind, resource_names_subscribe=names, resource_names_unsubscribe=drops)
        request.initial_resource_versions.update(has or {})
        self.node.hear(self.stream, request)

    async def get(self) -> DeltaDiscoveryResponse:
        """The next message."""
        async with asyncio.timeout(2):
            return await anext(self.node.responses(self.stream))

    async def quiet(self) -> bool:
        """Whether there is no message."""
        try:
            async with asyncio.timeout(0.02):
                await anext(self.node.responses(self.stream))
        except TimeoutError:
            return True
        return False

    def take(self, message: DeltaDiscoveryResponse, *names: str) -> None:
        """Acknowledge, and ask for more names."""
        request = DeltaDiscoveryRequest(type_url=message.type_url, response_nonce=message.nonce)
        request.resource_names_subscribe.extend(names)
        self.node.hear(self.stream, request)

    def refuse(self, message: DeltaDiscoveryResponse) -> None:
        """Answer that it cannot be used."""
        request = DeltaDiscoveryRequest(type_url=message.type_url, response_nonce=message.nonce)
        request.error_detail.message = "no good"
        self.node.hear(self.stream, request)

    async def start(self) -> dict[str, dict[str, str]]:
        """Take over everything as Envoy does when it starts; the versions by kind and name."""
        versions = {}
        for kind, names in ((CLUSTERS, ()), (LISTENERS, ()), (ROUTES, ("inbound",))):
            self.say(kind, *names)
            message = await self.get()
            assert message.type_url == kind
            versions[kind] = {item.name: item.version for item in message.resources}
            self.take(message)
        return versions


def said(message: DeltaDiscoveryResponse) -> tuple[str, list[str], list[str]]:
    """Kind, names of what is new, and of what is gone."""
    return message.type_url, sorted(item.name for item in message.resources), sorted(message.removed_resources)


def new_node(target: Snapshot = FIRST) -> Node:
    node = Fleet().node(Name("ns", "pod"))
    node.aim(target)
    return node


def scenario(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a test in a loop of its own."""

    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


@scenario
async def test_a_proxy_is_in_sync_once_it_has_acknowledged_everything() -> None:
    node = new_node()
    assert not node.in_sync
    await Proxy(node).start()
    assert node.in_sync
    assert node.connected
    assert node.nacks == 0


@scenario
async def test_only_what_changed_is_sent_and_old_clusters_stay_until_the_next_change() -> None:
    node = new_node()
    proxy = Proxy(node)
    await proxy.start()
    node.aim(SECOND)
    clusters, routes = await proxy.get(), await proxy.get()
    assert said(clusters) == (CLUSTERS, ["e"], [])
    assert said(routes) == (ROUTES, ["inbound"], [])
    assert not node.in_sync
    proxy.take(clusters)
    proxy.take(routes)
    assert node.in_sync
    assert await proxy.quiet()
    node.aim(Snapshot(SECOND.clusters, text("l", stat_prefix="x"), SECOND.routes))
    assert said(await proxy.get()) == (CLUSTERS, [], ["c"])
    assert said(await proxy.get()) == (LISTENERS, ["l"], [])


@scenario
async def test_routes_wait_until_all_clusters_are_on_their_way() -> None:
    node = new_node()
    proxy = Proxy(node)
    await proxy.start()
    node.aim(Snapshot({**FIRST.clusters, **text("e")}, FIRST.listeners, FIRST.routes))
    clusters = await proxy.get()
    node.aim(Snapshot({**FIRST.clusters, **text("e"), **text("f")}, FIRST.listeners, SECOND.routes))
    assert await proxy.quiet()
    proxy.take(clusters)
    assert said(await proxy.get()) == (CLUSTERS, ["f"], [])
    assert said(await proxy.get()) == (ROUTES, ["inbound"], [])


@scenario
async def test_a_refusal_counts_once_and_is_not_repeated_until_something_changes() -> None:
    node = new_node()
    proxy = Proxy(node)
    await proxy.start()
    node.aim(SECOND)
    proxy.refuse(await proxy.get())
    assert node.nacks == 1
    proxy.take(await proxy.get())
    assert await proxy.quiet()
    assert not node.in_sync
    node.aim(Snapshot({**text("f"), **SECOND.clusters}, SECOND.listeners, SECOND.routes))
    clusters = await proxy.get()
    assert said(clusters) == (CLUSTERS, ["e", "f"], [])
    proxy.take(clusters)
    assert node.in_sync
    assert node.nacks == 1


@scenario
async def test_a_refused_cluster_is_not_kept() -> None:
    node = new_node()
    proxy = Proxy(node)
    await proxy.start()
    node.aim(Snapshot({**FIRST.clusters, **text("e")}, FIRST.listeners, FIRST.routes))
    proxy.refuse(await proxy.get())
    node.aim(FIRST)
    assert await proxy.quiet()
    assert node.in_sync


@scenario
async def test_an_answer_to_an_older_message_means_nothing() -> None:
    node = new_node()
    proxy = Proxy(node)
    proxy.say(CLUSTERS)
    message = await proxy.get()
    proxy.take(DeltaDiscoveryResponse(type_url=CLUSTERS, nonce="older"))
    assert await proxy.quiet()
    proxy.take(message)
    proxy.say(LISTENERS)
    assert said(await proxy.get()) == (LISTENERS, ["l"], [])


@scenario
async def test_routes_go_when_they_are_asked_for_and_nobody_waits_for_those_that_are_not() -> None:
    node = new_node(Snapshot(FIRST.clusters, FIRST.listeners, {**FIRST.routes, **text("plain")}))
    proxy = Proxy(node)
    await proxy.start()
    assert not node.in_sync
    assert await proxy.quiet()
    proxy.say(ROUTES, "plain")
    message = await proxy.get()
    assert said(message) == (ROUTES, ["plain"], [])
    proxy.take(message)
    assert node.in_sync
    node.aim(FIRST)  # without "plain", which the proxy still has for a while
    assert node.in_sync
    assert await proxy.quiet()
    proxy.say(ROUTES, drops=("plain",))
    proxy.say(ROUTES, "inbound")  # who asks again has lost it
    assert said(await proxy.get()) == (ROUTES, ["inbound"], [])


@scenario
async def test_a_proxy_that_comes_again_is_sent_what_it_does_not_have() -> None:
    node = new_node()
    first = Proxy(node)
    versions = await first.start()
    second = Proxy(node)
    assert not first.stream.open
    assert not node.in_sync
    second.say(CLUSTERS, has=versions[CLUSTERS] | {"d": "older", "z": "unknown"})
    message = await second.get()
    assert said(message) == (CLUSTERS, ["d"], ["z"])
    second.take(message)
    second.say(LISTENERS, has=versions[LISTENERS])
    second.say(ROUTES, "inbound", has=versions[ROUTES])
    assert await second.quiet()
    assert node.in_sync


@scenario
async def test_what_is_said_on_a_stream_that_is_over_means_nothing() -> None:
    node = new_node()
    first, second = Proxy(node), Proxy(node)
    first.say(CLUSTERS)
    assert await second.quiet()
    with pytest.raises(StopAsyncIteration):
        await first.get()


@scenario
async def test_a_new_process_starts_from_nothing() -> None:
    node = new_node()
    proxy = Proxy(node)
    await proxy.start()
    node.started("another")
    assert not node.in_sync
    assert not proxy.stream.open
    assert node.nacks == 0


@scenario
async def test_the_stream_of_a_pod_that_is_gone_ends() -> None:
    fleet = Fleet()
    fleet.aim({Name("ns", "pod"): FIRST})
    proxy = Proxy(fleet.node(Name("ns", "pod")))
    await proxy.start()
    assert len(fleet.connected) == 1
    fleet.aim({})
    assert fleet.connected == []
    with pytest.raises(StopAsyncIteration):
        await proxy.get()


@scenario
async def test_an_agent_is_sent_an_answer_twice_before_it_counts_as_refused() -> None:
    node = new_node(Snapshot({}, {}, {}, text("inbound")))
    sent = await node.poll("")
    assert sent
    again = await node.poll("")  # it may have been lost
    assert again == sent
    assert node.nacks == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await node.poll("")
    assert node.nacks == 1
    assert not node.in_sync


@scenario
async def test_an_agent_that_asks_with_what_it_was_sent_has_taken_it() -> None:
    node = new_node(Snapshot({}, {}, {}, text("inbound")))
    sent = await node.poll("")
    assert sent
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await node.poll(sent.version)
    assert node.in_sync
