"""The store: locking, deletion, watches."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smi_conformance.lab.api import store as store_module
from smi_conformance.lab.api.store import ApiError, Store


@pytest.fixture
def store() -> Store:
    return Store()


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "a"}, "spec": spec}


def test_what_comes_out_is_a_copy(store: Store) -> None:
    created = store.create("pods", pod("p"))
    created["spec"]["changed"] = True
    store.list("pods")[0]["spec"]["changed"] = True

    assert store.get("pods", "p", "a")["spec"] == {}


def test_status_and_spec_are_written_apart(store: Store) -> None:
    store.create("pods", pod("p"))
    store.merge("pods", "p", {"spec": {"x": 1}, "status": {"phase": "Running"}}, "a", subresource="status")
    both = store.merge("pods", "p", {"spec": {"y": 2}, "status": {"phase": "Failed"}}, "a")

    assert (both["spec"], both["status"]) == ({"y": 2}, {"phase": "Running"})


def test_stale_merge_conflicts(store: Store) -> None:
    created = store.create("pods", pod("p"))
    store.merge("pods", "p", {"spec": {"x": 1}}, "a")

    with pytest.raises(ApiError) as error:
        store.merge("pods", "p", {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"]}}, "a")
    assert error.value.reason == "Conflict"


def test_scheduled_pod_goes_with_grace(store: Store) -> None:
    store.create("pods", pod("p", nodeName="n", terminationGracePeriodSeconds=7))
    store.delete("pods", "p", "a")
    marked = store.get("pods", "p", "a")["metadata"]
    store.delete("pods", "p", "a", grace=60)

    assert marked["deletionGracePeriodSeconds"] == 7
    assert store.get("pods", "p", "a")["metadata"]["deletionGracePeriodSeconds"] == 7
    store.delete("pods", "p", "a", grace=0)
    assert store.list("pods") == []


def test_pod_without_node_goes_at_once(store: Store) -> None:
    store.create("pods", pod("p"))
    store.delete("pods", "p", "a")

    assert store.list("pods") == []


def test_watch_starts_with_what_is_there(store: Store) -> None:
    async def watch() -> list[str]:
        store.create("pods", pod("p"))
        events = store.watch("pods")
        store.merge("pods", "p", {"spec": {"x": 1}}, "a")
        store.delete("pods", "p", "a")
        return [(await anext(events))[0] for _ in range(3)]

    assert asyncio.run(watch()) == ["ADDED", "MODIFIED", "DELETED"]


def test_watch_wakes_its_reader(store: Store) -> None:
    async def watch() -> str:
        events = store.watch("pods")
        reader = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        store.create("pods", pod("p"))
        return (await asyncio.wait_for(reader, 1))[1]["metadata"]["name"]  # type: ignore[no-any-return]

    assert asyncio.run(watch()) == "p"


def test_history_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_HISTORY", 4)
    first = int(store.create("pods", pod("p"))["metadata"]["resourceVersion"])
    for n in range(10):
        store.merge("pods", "p", {"spec": {"x": n}}, "a")

    with pytest.raises(ApiError) as error:
        store.stream("pods", first)
    assert (error.value.code, error.value.reason) == (410, "Expired")
    assert len(store.stream("pods", store.version - 4).drain()) == 4
