"""How a run ends at the terminal: its verdicts as JSON, and what changed since a baseline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smi_conformance.cli import problems
from smi_conformance.report import ReportError, publish
from smi_conformance.report.diff import Difference, differences, worse
from smi_conformance.report.document import Report
from smi_conformance.report.words import plural

ENDED = (problems.OK, problems.NOT_CONFORMANT)


def read(baseline: Path) -> Report:
    """A report.json, or that of a folder. Raises ReportError."""
    return publish.read_file(baseline / "report.json" if baseline.is_dir() else baseline)


def tell(code: int, folder: Path, before: Report | None, *, as_json: bool) -> int:
    """Print what is asked for and return the exit code: `code`, or by a baseline what has changed for the worse.

    A run that could not be used or did not end keeps its code, and where it has no report nothing is printed.
    """
    try:
        after = publish.read(folder)
    except ReportError:
        return code
    changes = _changes(before, after) if before else []
    if before and code in ENDED:
        code = problems.NOT_CONFORMANT if any(map(worse, changes)) else problems.OK
    if as_json:
        print(json.dumps(_object(code, folder, after, changes if before else None), indent=1, ensure_ascii=False))
    elif before:
        _show(changes)
    return code


def _changes(before: Report, after: Report) -> list[Difference]:
    """Rows that differ; of what a limited run leaves out nothing is said."""
    return [one for one in differences(before, after) if one.after or not after.run.filter]


def _show(changes: Sequence[Difference]) -> None:
    for one in changes:
        print(f"{'worse' if worse(one) else 'changed':8}{one}")
    count = sum(map(worse, changes))
    found = plural(len(changes), "change")
    print(f"{found} since the baseline, {count} for the worse" if changes else "as in the baseline")


def _object(code: int, folder: Path, report: Report, changes: Sequence[Difference] | None) -> dict[str, Any]:
    """The object of `run --json`; report.json has the same and the evidence."""
    found = {
        "exit": code,
        "report": str(folder / "report.json"),
        "complete": report.run.complete,
        "posture": report.run.posture,
        "api": report.run.model_dump(mode="json")["api"],
        "headline": [count.model_dump(mode="json") for count in report.headline],
        "profiles": [
            profile.model_dump(mode="json", include={"name", "versions", "statement", "passed", "required"})
            for profile in report.profiles
        ],
        "rows": [
            row.model_dump(mode="json", include={"requirement", "version", "level", "verdict", "reason"})
            for row in report.rows
        ],
    }
    told = [{**one._asdict(), "worse": worse(one)} for one in changes or ()]
    return found if changes is None else {**found, "changes": told}
