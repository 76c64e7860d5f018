"""Strategic merge patch, as kubectl computes it."""

from __future__ import annotations

from typing import Any

import pytest

from smi_conformance.lab.api.patch import strategic_merge

CONTAINERS = [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"containers": CONTAINERS}, {"containers": [{"name": "b", "image": "2"}]}, ["a:1", "b:2"]),
        ({"containers": CONTAINERS}, {"containers": [{"name": "a", "$patch": "delete"}]}, ["b:1"]),
        ({"containers": CONTAINERS}, {"containers": [{"name": "c", "image": "1"}]}, ["a:1", "b:1", "c:1"]),
        (
            {"containers": CONTAINERS},
            {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]},
            ["b:1", "a:1"],
        ),
    ],
)
def test_containers(target: dict[str, Any], patch: dict[str, Any], expected: list[str]) -> None:
    merged = strategic_merge(target, patch)["containers"]

    assert [f"{c['name']}:{c['image']}" for c in merged] == expected


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": {"x": 1, "y": 2}}, {"a": {"$patch": "replace", "z": 3}}, {"a": {"z": 3}}),
        ({"a": {"x": 1}}, {"a": {"$patch": "delete"}}, {}),
        ({"v": {"x": 1, "y": 2}}, {"v": {"$retainKeys": ["y", "z"], "z": 3}}, {"v": {"y": 2, "z": 3}}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {"finalizers": ["b"]}),
        ({"finalizers": ["a"]}, {"finalizers": ["b"]}, {"finalizers": ["a", "b"]}),
        ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
        ({}, {"spec": {"a": None, "b": 1}}, {"spec": {"b": 1}}),
    ],
    ids=str,
)
def test_directives(target: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    assert strategic_merge(target, patch) == expected
