"""`matrix`: mesh x Kubernetes, each cell a run on a fresh cluster, and one table of all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smi_conformance.cli import problems
from smi_conformance.cli.problems import Problem, near

if TYPE_CHECKING:
    from smi_conformance.matrix.plan import Cell

app = typer.Typer(help="Run a mesh x Kubernetes matrix, and merge its reports.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(metavar="MATRIX.yaml", help="Meshes and Kubernetes versions (docs/ci.md).")]
Folder = Annotated[
    Path, typer.Option("--report", metavar="DIR", help="Folder of the reports, one below for each cell.")
]
FOLDER = Path("reports/matrix")


@app.command()
def cells(
    file: File,
    github: Annotated[bool, typer.Option("--github", help="One line of JSON for strategy.matrix.")] = False,
) -> None:
    """Print the cells of a matrix, and what each of them runs."""
    from smi_conformance.matrix import plan  # noqa: PLC0415

    found = plan.read(file)
    if github:
        print(json.dumps(plan.as_github(found)))
        return
    for cell in found:
        print(f"{cell.name}\t{' '.join(cell.options)}")


@app.command()
def run(
    file: File,
    report: Folder = FOLDER,
    cell: Annotated[list[str] | None, typer.Option(help="Only this one. Repeatable.", metavar="NAME")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only cells whose report is not there, or does not say exit 0.")
    ] = False,
) -> int:
    """Run the cells one after the other, and merge what they say.

    A cell that does not pass does not end the others. The exit code is the worst one.
    """
    from smi_conformance.matrix import plan, table  # noqa: PLC0415

    found = plan.read(file)
    names = [one.name for one in found]
    for name in cell or ():
        if name not in names:
            raise Problem(near("cell", name, names))
    chosen = [one for one in found if not cell or one.name in cell]
    if failed:
        chosen = [one.cell for one in table.columns(chosen, report) if one.exit]
    for one in chosen:
        print(f"--- {one.title}", flush=True)
        if _run(one, report) == problems.INTERRUPTED:
            raise KeyboardInterrupt
    return _merge(found, report)


@app.command()
def merge(file: File, report: Folder = FOLDER) -> int:
    """Merge the reports that are there: matrix.html and matrix.json."""
    from smi_conformance.matrix import plan  # noqa: PLC0415

    return _merge(plan.read(file), report)


def _run(cell: Cell, folder: Path) -> int:
    argv = [sys.executable, "-m", "smi_conformance.cli", "run", "--report", str(folder / cell.name), *cell.options]
    return subprocess.run(argv, check=False).returncode


def _merge(found: list[Cell], folder: Path) -> int:
    from smi_conformance.matrix import table  # noqa: PLC0415

    made = table.columns(found, folder)
    folder.mkdir(parents=True, exist_ok=True)
    table.write(made, folder)
    print(table.as_text(made))
    print(folder / "matrix.html")
    return table.verdict(made)
