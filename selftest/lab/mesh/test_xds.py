"""What proxies are sent, in which order, and what is known of them."""

from __future__ import annotations

import asyncio

from smi_conformance.lab.mesh.model import Name
from smi_conformance.lab.mesh.snapshot import CLUSTERS, LISTENERS, ROUTES, Response, Snapshot
from smi_conformance.lab.mesh.xds import Fleet, Node, Topic

C, L, R = (CLUSTERS, ""), (LISTENERS, ""), (ROUTES, "inbound")
FIRST = Snapshot({"c": '{"name":"c"}'}, {"l": '{"name":"l"}'}, {"inbound": '{"name":"r"}'})
SECOND = Snapshot({"d": '{"name":"d"}'}, {"l": '{"name":"l"}'}, {"inbound": '{"name":"r","x":1}'})


def new_node() -> Node:
    return Fleet().node(Name("ns", "pod"))


async def take(node: Node, topic: Topic, version: str = "") -> Response:
    async with asyncio.timeout(2):
        found = await node.poll(topic, version)
    assert found
    return found


async def waits(node: Node, topic: Topic, version: str) -> bool:
    """Whether the proxy is left waiting; tells the node its version all the same."""
    try:
        async with asyncio.timeout(0.05):
            await node.poll(topic, version)
    except TimeoutError:
        return True
    return False


async def synced(node: Node, snapshot: Snapshot) -> dict[Topic, str]:
    node.aim(snapshot)
    versions = {}
    for topic in (C, R, L):
        versions[topic] = (await take(node, topic)).version
        assert await waits(node, topic, versions[topic])
    return versions


def test_a_proxy_is_in_sync_once_it_has_acknowledged_everything() -> None:
    async def scenario() -> None:
        node = new_node()
        assert not node.in_sync
        await synced(node, FIRST)
        assert node.in_sync
        assert node.nacks == 0

    asyncio.run(scenario())


def test_routes_wait_until_the_clusters_are_there_and_old_clusters_stay() -> None:
    async def scenario() -> None:
        node = new_node()
        versions = await synced(node, FIRST)
        node.aim(SECOND)
        assert await waits(node, R, versions[R])
        clusters = await take(node, C, versions[C])
        assert b'"c"' in clusters.body
        assert b'"d"' in clusters.body
        assert await waits(node, R, versions[R])
        assert await waits(node, C, clusters.version)
        assert b'"x"' in (await take(node, R, versions[R])).body

    asyncio.run(scenario())


def test_an_answer_is_sent_twice_before_it_counts_as_refused() -> None:
    async def scenario() -> None:
        node = new_node()
        versions = await synced(node, FIRST)
        node.aim(SECOND)
        sent = await take(node, C, versions[C])
        assert (await take(node, C, versions[C])).version == sent.version  # it may have been lost
        assert node.nacks == 0
        assert await waits(node, C, versions[C])
        assert node.nacks == 1
        assert not node.in_sync

    asyncio.run(scenario())


def test_a_topic_that_is_gone_holds_nothing_up() -> None:
    async def scenario() -> None:
        node = new_node()
        plain = Snapshot(FIRST.clusters, FIRST.listeners, {**FIRST.routes, "plain": '{"name":"p"}'})
        node.aim(plain)
        await take(node, (ROUTES, "plain"))
        await synced(node, FIRST)
        node.aim(Snapshot(FIRST.clusters, {"l": '{"name":"l","y":1}'}, {**FIRST.routes, "plain": '{"name":"p","z":1}'}))
        assert b'"y"' in (await take(node, L, "")).body

    asyncio.run(scenario())


def test_a_new_process_starts_from_nothing() -> None:
    async def scenario() -> None:
        node = new_node()
        await synced(node, FIRST)
        node.started("another")
        assert not node.in_sync
        assert node.nacks == 0

    asyncio.run(scenario())
