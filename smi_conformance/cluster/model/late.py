"""A mesh that takes its time: what it knows of each kind of object is as old as it takes to reach it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.history import History
from smi_conformance.model.world import Key, Service, World

KINDS = ("targets", "groups", "tcp_routes", "udp_routes", "bindings", "splits")
SERVICES = "services"
SOONEST = 0.2  # of the delay, for the kind that is fastest


class Late:
    """Each kind of object reaches the mesh in a time of its own, at most `delay` seconds, drawn by `seed`.

    So what is written first may be known last. Pods are known at once, and that a Service has come, as it was then, or
    has gone: they are Kubernetes' own, and a proxy starts with them.
    """

    def __init__(self, delay: float, seed: int) -> None:
        drawn = random.Random(seed)  # noqa: S311  # a spread, not a secret
        self._ages = [drawn.uniform(SOONEST, 1) * delay for _ in (*KINDS, SERVICES)]
        self._known: Sequence[World] = ()
        self._world = World()
        self._born: dict[Key, Service] = {}

    def world(self, history: History, now: float) -> World:
        """What is known now; the same object as long as nothing has changed."""
        known = [history.at(now), *(history.at(now - age) for age in self._ages)]
        if len(known) != len(self._known) or any(
            one is not other for one, other in zip(known, self._known, strict=True)
        ):
            self._known, self._world = known, self._mixed(*known)
        return self._world

    def _mixed(self, present: World, *past: World) -> World:
        old = dict(zip((*KINDS, SERVICES), past, strict=True))
        aged: dict[str, Any] = {kind: getattr(old[kind], kind) for kind in KINDS}
        self._born = {key: self._born.get(key, service) for key, service in present.services.items()}
        return replace(present, **aged, services={**self._born, **_still(old[SERVICES], present)})


def _still(old: World, present: World) -> dict[Key, Service]:
    """The Services of an older world that are there now."""
    return {key: service for key, service in old.services.items() if key in present.services}
