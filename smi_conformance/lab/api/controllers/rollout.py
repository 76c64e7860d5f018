"""The arithmetic of a rolling update: what may be added and taken away now."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from smi_conformance.lab.api.errors import Object

HASH_LABEL = "pod-template-hash"
_ALPHABET = "bcdf2456789ghjklmnpqrstvwxz"


def template_hash(template: Object) -> str:
    """Ten characters that tell pod templates apart, fit for names."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_ALPHABET[b % len(_ALPHABET)] for b in digest[:10])


def without_hash(template: Object) -> Object:
    """The template as its Deployment has it."""
    labels = {k: v for k, v in (template["metadata"].get("labels") or {}).items() if k != HASH_LABEL}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def _resolve(value: Any, replicas: int, *, up: bool) -> int:
    if isinstance(value, str):
        share = int(value.rstrip("%")) * replicas / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value)


def bounds(deployment: Object) -> tuple[int, int]:
    """How many pods more and how many fewer than asked for there may be."""
    spec = deployment["spec"]
    rolling = spec["strategy"].get("rollingUpdate") or {}
    surge = _resolve(rolling.get("maxSurge", "25%"), spec["replicas"], up=True)
    unavailable = _resolve(rolling.get("maxUnavailable", "25%"), spec["replicas"], up=False)
    return surge, unavailable if surge or unavailable else 1


def _size(replica_set: Object) -> int:
    return int(replica_set["spec"]["replicas"])


def _available(replica_set: Object) -> int:
    return int(replica_set.get("status", {}).get("availableReplicas", 0))


def new_size(deployment: Object, new: Object, old: list[Object]) -> int:
    """How large the current ReplicaSet may be now."""
    wanted = int(deployment["spec"]["replicas"])
    room = wanted + bounds(deployment)[0] - _size(new) - sum(map(_size, old))
    return min(wanted, max(_size(new), _size(new) + room))


def old_sizes(deployment: Object, new: Object, old: list[Object]) -> list[int]:
    """How large each earlier ReplicaSet has to be now; those that do not serve go first."""
    needed = int(deployment["spec"]["replicas"]) - bounds(deployment)[1]
    total = _size(new) + sum(map(_size, old))
    spare = total - needed - max(_size(new) - _available(new), 0)
    sizes = [_size(o) for o in old]
    for index, replica_set in enumerate(old):
        unhealthy = min(max(sizes[index] - _available(replica_set), 0), max(spare, 0))
        sizes[index] -= unhealthy
        spare -= unhealthy
    spare = min(spare, _available(new) + sum(map(_available, old)) - needed)
    for index, size in enumerate(sizes):
        taken = min(size, max(spare, 0))
        sizes[index] -= taken
        spare -= taken
    return sizes
