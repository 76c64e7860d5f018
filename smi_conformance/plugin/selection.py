"""Which scenarios a run holds, and in which order."""

from __future__ import annotations

from functools import cache

import pytest
import yaml

from smi_conformance.cluster.journal import Replay
from smi_conformance.locations import CONFORMANCE
from smi_conformance.plugin.scenario import requirements_of, scenario_of
from smi_conformance.plugin.settings import RunOptions

Items = list[pytest.Item]


def select(items: Items, options: RunOptions) -> tuple[Items, Items]:
    """The chosen items in their order, and the dropped ones. Raises pytest.UsageError for a bad scenario."""
    if _whole(items):
        check_coverage(items, options)
    wanted = [item for item in items if _wanted(item, options)]
    if options.replay:
        place = {nodeid: n for n, nodeid in enumerate(Replay(options.replay).order)}
        wanted = sorted((i for i in wanted if i.nodeid in place), key=lambda item: place[item.nodeid])
    chosen = set(wanted)
    return wanted, [item for item in items if item not in chosen]


def _whole(items: Items) -> bool:
    """Whether the whole suite was collected, and not files that a person named."""
    return bool(items) and all(str(arg).rstrip("/").endswith("conformance") for arg in items[0].config.args)


def _wanted(item: pytest.Item, options: RunOptions) -> bool:
    entries = requirements_of(scenario_of(item), options.register)
    fits = all(entry.posture in ("any", options.posture) for entry in entries)
    return fits and any(entry.id in options.selected for entry in entries)


@cache
def uncovered() -> dict[str, str]:
    """Requirements that no scenario judges, with the reason that is recorded for each."""
    reasons = yaml.safe_load((CONFORMANCE / "uncovered.yaml").read_text(encoding="utf-8"))
    return {name: reason for reason, names in reasons.items() for name in names}


def check_coverage(items: Items, options: RunOptions) -> None:
    """Every must has a scenario or a recorded reason, and none has both. Raises pytest.UsageError."""
    covered = {name for item in items for name in scenario_of(item).requirements}
    musts = {entry.id for entry in options.register.requirements if entry.level == "must"}
    if silent := sorted(musts - covered - uncovered().keys()):
        raise pytest.UsageError(f"musts without a scenario and without a reason in uncovered.yaml: {', '.join(silent)}")
    if stale := sorted(covered & uncovered().keys()):
        raise pytest.UsageError(f"uncovered.yaml still lists what scenarios judge: {', '.join(stale)}")
