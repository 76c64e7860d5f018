"""Which scenarios a run holds, and in which order."""

from __future__ import annotations

from enum import Enum
from functools import cache
from pathlib import Path

import pytest
import yaml

from smi_conformance.cluster.journal import Replay
from smi_conformance.locations import CONFORMANCE
from smi_conformance.plugin.scenario import SCHEDULES, Scenario, requirements_of, scenario_of
from smi_conformance.plugin.settings import RunOptions
from smi_conformance.report import events
from smi_conformance.report.events import ScenarioFinished

Items = list[pytest.Item]


class Stage(Enum):
    """Which part of a run a process holds. What may disturb others is run alone, when they are done."""

    ALL = "all"
    EARLY = "early"
    LATE = "late"


def select(items: Items, options: RunOptions, stage: Stage = Stage.ALL) -> tuple[Items, Items]:
    """The chosen items in their order, and the dropped ones. Raises pytest.UsageError for a bad scenario."""
    if _whole(items) and not options.replay:
        check_coverage(items, options)
    wanted = [item for item in items if _wanted(item, options) and _staged(item, options, stage)]
    wanted.sort(key=lambda item: _turn(scenario_of(item), options))
    if options.replay:
        place = {nodeid: n for n, nodeid in enumerate(_recorded(options.replay))}
        wanted = sorted((i for i in wanted if i.nodeid in place), key=lambda item: place[item.nodeid])
    chosen = set(wanted)
    return wanted, [item for item in items if item not in chosen]


def _recorded(folder: Path) -> list[str]:
    """The scenarios of a recorded run: in the order of their calls, then those that ended without any."""
    finished = [event.nodeid for event in events.read(folder / "events.jsonl") if isinstance(event, ScenarioFinished)]
    return list(dict.fromkeys([*Replay(folder).order, *finished]))


def _whole(items: Items) -> bool:
    """Whether the whole suite was collected, and not files that a person named."""
    return bool(items) and all(str(arg).rstrip("/").endswith("conformance") for arg in items[0].config.args)


def _wanted(item: pytest.Item, options: RunOptions) -> bool:
    scenario = scenario_of(item)
    entries = requirements_of(scenario, options.register)
    fits = all(entry.posture in ("any", *options.postures) for entry in entries)
    fits = fits and (not options.scenarios or scenario.nodeid in options.scenarios)
    versions = options.versions.get(entries[0].group, (scenario.version,))
    return fits and scenario.version in (None, *versions) and any(entry.id in options.selected for entry in entries)


def posture_of(scenario: Scenario, options: RunOptions) -> str:
    """The posture in which a run judges a scenario. Raises pytest.UsageError for one that would need two."""
    asked = {entry.posture for entry in requirements_of(scenario, options.register)} - {"any"}
    if len(asked) > 1:
        raise pytest.UsageError(f"{scenario.nodeid} judges requirements of both postures")
    return asked.pop() if asked and options.posture == "both" else options.postures[0]


def late(scenario: Scenario, options: RunOptions) -> bool:
    """Whether a scenario has to be run alone: it turns the mesh, or may harm it."""
    return scenario.schedule == "poison" or posture_of(scenario, options) != options.postures[0]


def _staged(item: pytest.Item, options: RunOptions, stage: Stage) -> bool:
    return stage is Stage.ALL or late(scenario_of(item), options) == (stage is Stage.LATE)


def _turn(scenario: Scenario, options: RunOptions) -> tuple[bool, int, int]:
    """For a stable sort: one posture after the other, and what may harm the mesh at the very end."""
    posture = options.postures.index(posture_of(scenario, options))
    return scenario.schedule == "poison", posture, SCHEDULES.index(scenario.schedule)


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
    stale = sorted(covered & uncovered().keys())
    if stale and not options.requirements:  # of no concern to a run that is limited to some
        raise pytest.UsageError(f"uncovered.yaml still lists what scenarios judge: {', '.join(stale)}")
