"""The events of one run, sorted by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from smi_conformance.report.events import (
    Event,
    Note,
    Plan,
    Planned,
    RunFinished,
    RunStarted,
    ScenarioFinished,
    ScenarioStarted,
    start,
)

_E = TypeVar("_E", RunStarted, Plan, ScenarioStarted, ScenarioFinished, Note, RunFinished)


@dataclass(frozen=True)
class Record:
    """The events of one run, sorted by kind."""

    start: RunStarted
    end: RunFinished | None
    plans: tuple[Plan, ...]
    begun: tuple[ScenarioStarted, ...]
    done: tuple[ScenarioFinished, ...]
    notes: tuple[Note, ...]

    @property
    def complete(self) -> bool:
        """Whether the run ended as it should; a scenario whose worker died has lost what it judged."""
        end = self.end
        ended = end is not None and not (end.interrupted or end.broken or end.stopped)
        return ended and not self.unfinished and all(event.requirements for event in self.done)

    @property
    def unfinished(self) -> tuple[ScenarioStarted, ...]:
        finished = {event.nodeid for event in self.done}
        return tuple(event for event in self.begun if event.nodeid not in finished)

    @property
    def plan(self) -> dict[str, Planned]:
        """What was selected, by node id; a run in several steps has a plan for each."""
        return {one.nodeid: one for plan in self.plans for one in plan.scenarios}

    @property
    def uncovered(self) -> dict[str, str | None]:
        """Requirements without a scenario, and why."""
        return {one.id: one.reason for plan in self.plans for one in plan.uncovered}


def record(events: Sequence[Event]) -> Record:
    """Raises ReportError when the run never started."""
    ends = _of(events, RunFinished)
    return Record(
        start=start(events),
        end=ends[-1] if ends else None,
        plans=_of(events, Plan),
        begun=_of(events, ScenarioStarted),
        done=_of(events, ScenarioFinished),
        notes=_of(events, Note),
    )


def _of(events: Sequence[Event], kind: type[_E]) -> tuple[_E, ...]:
    return tuple(event for event in events if isinstance(event, kind))
