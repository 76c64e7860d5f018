"""What a mesh has known, and when."""

from __future__ import annotations

from smi_conformance.model.world import World

MEMORY = 120.0  # seconds


class History:
    """The worlds of the last two minutes of virtual time. Times are those of the model's clock."""

    def __init__(self) -> None:
        self._worlds: list[tuple[float, World]] = []

    def add(self, now: float, world: World) -> None:
        """From now on the mesh knows this."""
        self._worlds.append((now, world))
        while len(self._worlds) > 1 and self._worlds[1][0] < now - MEMORY:
            del self._worlds[0]

    def at(self, when: float) -> World:
        """What was known then; the oldest that is remembered for earlier times."""
        for since, world in reversed(self._worlds):
            if since <= when:
                return world
        return self._worlds[0][1]

    def changed(self) -> float:
        """When the mesh learned something last."""
        return self._worlds[-1][0]
