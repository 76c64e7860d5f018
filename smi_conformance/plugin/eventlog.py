"""The event stream of a run: one JSON object per line, written as it happens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from smi_conformance.report import write_all

PRODUCTS = ("events.jsonl", "report.json", "index.html", "junit.xml")
HANDOVER = "plan.json"
FOLDERS = ("observations", "dumps")


class EventLog:
    """Appends to DIR/events.jsonl; `publish` makes the reports of it. Raises OSError when DIR cannot be written."""

    def __init__(self, folder: Path, *, fresh: bool) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if fresh:
            _forget(folder)
        self._file = (folder / "events.jsonl").open("a", encoding="utf-8", buffering=1)

    def write(self, event: dict[str, Any]) -> None:
        self._file.write(json.dumps(event, separators=(",", ":")) + "\n")

    def handed_over(self) -> dict[str, Any]:
        """The plan that the first worker wrote down; gone afterwards."""
        path = self.folder / HANDOVER
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        return found

    def publish(self) -> None:
        """Write report.json, index.html and junit.xml."""
        write_all(self.folder)


def hand_over(folder: Path, plan: dict[str, Any]) -> None:
    """Write a plan down for the process that keeps the event stream."""
    (folder / HANDOVER).write_text(json.dumps(plan), encoding="utf-8")


def _forget(folder: Path) -> None:
    """An earlier run's products go, nothing else in the folder does."""
    for name in PRODUCTS:
        (folder / name).unlink(missing_ok=True)
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
