"""Which scenarios a run holds, and in which order."""

from __future__ import annotations

import pytest

from smi_conformance.cluster.journal import Replay
from smi_conformance.plugin.scenario import requirements_of, scenario_of
from smi_conformance.plugin.settings import RunOptions

Items = list[pytest.Item]


def select(items: Items, options: RunOptions) -> tuple[Items, Items]:
    """The chosen items in their order, and the dropped ones. Raises pytest.UsageError for a bad scenario."""
    wanted = [item for item in items if _wanted(item, options)]
    if options.replay:
        place = {nodeid: n for n, nodeid in enumerate(Replay(options.replay).order)}
        wanted = sorted((i for i in wanted if i.nodeid in place), key=lambda item: place[item.nodeid])
    chosen = set(wanted)
    return wanted, [item for item in items if item not in chosen]


def _wanted(item: pytest.Item, options: RunOptions) -> bool:
    entries = requirements_of(scenario_of(item), options.register)
    fits = all(entry.posture in ("any", options.posture) for entry in entries)
    return fits and any(entry.id in options.selected for entry in entries)
