"""How long scenarios took the last time, for an estimate before they run again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USUAL = {"model": 0.05}
SECONDS = 1.0
"""Of a scenario that nothing is recorded of, on a cluster with a mesh."""


@dataclass(frozen=True)
class Durations:
    """Seconds of each scenario in an earlier run, and the backend that it ran on."""

    backend: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Durations:
        """From the events of a report folder; nothing is known when there are none or they cannot be read."""
        try:
            with (folder / "events.jsonl").open(encoding="utf-8") as lines:
                events = [json.loads(line) for line in lines]
        except (OSError, ValueError):
            return cls()
        done = [event for event in events if event.get("event") == "scenario-finished"]
        return cls(_backend(events), {event["nodeid"]: float(event["seconds"]) for event in done})

    def estimate(self, nodeids: Iterable[str], backend: str) -> float:
        """Seconds that the scenarios take one after the other, by what is known of the same backend."""
        known = self.seconds if backend == self.backend else {}
        return sum(known.get(nodeid, USUAL.get(backend, SECONDS)) for nodeid in nodeids)


def _backend(events: list[dict[str, Any]]) -> str:
    return str(events[0].get("cluster", {}).get("backend", "")) if events else ""
