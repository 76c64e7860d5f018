"""Which scenarios of a recorded run are to be judged again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smi_conformance.model.versions import words
from smi_conformance.report import events, publish
from smi_conformance.report.record import Record, record

PASSED = ("pass", "unsupported", "skipped")


@dataclass(frozen=True)
class Again:
    """Node ids of a folder's report that did not pass, and the options of the run that judges them again."""

    folder: Path
    scenarios: tuple[str, ...]
    options: dict[str, Any]


def failed(folder: Path) -> Again:
    """What did not pass or was not reached, under the recorded conditions. Raises ReportError when nothing is there."""
    run = record(events.read(folder / publish.EVENTS))
    passed = {event.nodeid for event in run.done if event.verdict in PASSED}
    left = tuple(nodeid for nodeid in _selected(run) if nodeid not in passed)
    names = dict.fromkeys(name for nodeid in left for name in _requirements(run, nodeid))
    start = run.start
    options: dict[str, Any] = {
        "mesh": start.profile or start.mesh.name, "api": words(start.api), "posture": start.posture,
        "rigor": start.rigor, "faults": start.faults, "requirements": tuple(names), "scenarios": left,
    }  # fmt: skip
    if start.cluster.backend in ("embedded", "kind", "current", "model"):
        options["cluster"] = start.cluster.backend
    return Again(folder, left, options)


def _selected(run: Record) -> list[str]:
    """Node ids, in the order of the plan."""
    return list(dict.fromkeys([*run.plan, *(event.nodeid for event in run.begun)]))


def _requirements(run: Record, nodeid: str) -> list[str]:
    judged = [one.id for event in run.done if event.nodeid == nodeid for one in event.requirements]
    return judged or list(run.plan[nodeid].requirements if nodeid in run.plan else ())
