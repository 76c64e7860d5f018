"""`report`: judge a recorded run again, rebuild or compare reports."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smi_conformance.cli import problems

if TYPE_CHECKING:
    from smi_conformance.report.diff import Difference

app = typer.Typer(help="Judge a recorded run again, rebuild or compare reports.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a report.")]


@app.command()
def verify(folder: Folder) -> int:
    """Judge the recorded observations again, offline, and compare with report.json."""
    from smi_conformance.cli import validate  # noqa: PLC0415
    from smi_conformance.model.versions import words  # noqa: PLC0415
    from smi_conformance.plugin import runner  # noqa: PLC0415
    from smi_conformance.report import diff, events, publish  # noqa: PLC0415

    told = publish.read(folder)
    start = events.start(events.read(folder / publish.EVENTS))
    with tempfile.TemporaryDirectory(prefix="smi-conformance-") as scratch:
        options = runner.RunOptions(
            mesh=start.profile or start.mesh.name,
            cluster=f"replay:{folder}",
            requirements=start.filter,
            api=words(start.api),
            posture=start.posture,
            rigor=start.rigor,
            faults=start.faults,
            report=Path(scratch),
            seed=start.seed,
            deadlines=start.deadlines,
        )
        code = runner.run(validate.options(options))
        if code in (problems.USAGE, problems.HARNESS, problems.INTERRUPTED) and code != told.run.exit:
            problems.line(f"{folder} could not be judged again")
            return code
        found = diff.differences(told, publish.build_from(Path(scratch)))
    return _tell(found, len(told.rows), "verdicts are the same when judged again")


@app.command()
def html(folder: Folder) -> None:
    """Make report.json, index.html and junit.xml again from the events."""
    from smi_conformance.report import write_all  # noqa: PLC0415

    write_all(folder)
    print(folder / "index.html")


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="Folder of a report.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Folder of another.")],
) -> int:
    """Show the rows whose verdicts differ between two reports."""
    from smi_conformance.report import diff as comparison  # noqa: PLC0415
    from smi_conformance.report import publish  # noqa: PLC0415

    old, new = publish.read(before), publish.read(after)
    return _tell(comparison.differences(old, new), len(old.rows), "verdicts are the same")


@app.command()
def schema() -> None:
    """Print the JSON Schema of report.json."""
    from smi_conformance.report import json_report  # noqa: PLC0415

    print(json_report.schema_text(), end="")


def _tell(found: Sequence[Difference], rows: int, same: str) -> int:
    for one in found:
        print(one)
    if found:
        print(f"{len(found)} of {rows} verdicts differ")
        return problems.NOT_CONFORMANT
    print(f"all {rows} {same}")
    return problems.OK
