"""The tree that the commands hang on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from smi_conformance.cli import (
    doctor,
    fuzz,
    images,
    incluster,
    lab,
    listing,
    matrix,
    measuring,
    mesh,
    problems,
    reports,
    running,
)
from smi_conformance.cli.running import CODES

app = typer.Typer(
    name="smi-conformance",
    help="Tells which requirements of the Service Mesh Interface a service mesh meets, with evidence.",
    epilog=CODES,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("run", epilog=running.EXAMPLES + CODES)(running.run)
app.command("fuzz", epilog=fuzz.EXAMPLES + fuzz.CODES)(fuzz.fuzz)
app.command("doctor", epilog=doctor.EXAMPLES + doctor.CODES)(doctor.doctor)
app.command("list", epilog=listing.EXAMPLES)(listing.show)
app.command("top", epilog=measuring.TOP_EXAMPLES + measuring.CODES)(measuring.top)
app.command("topology", epilog=measuring.TOPOLOGY_EXAMPLES + measuring.CODES)(measuring.topology)
app.add_typer(lab.app, name="lab")
app.add_typer(reports.app, name="report")
app.add_typer(mesh.app, name="mesh")
app.add_typer(matrix.app, name="matrix")
app.add_typer(images.app, name="images")
app.add_typer(incluster.app, name="in-cluster")


def execute(argv: Sequence[str]) -> int:
    """Run a command line; returns the exit code. Nothing is raised."""
    try:
        return int(app(_spelled_out(argv), prog_name="smi-conformance", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        problems.line("interrupted")
        return problems.INTERRUPTED
    except Exception as error:
        return problems.tell(error)


def _spelled_out(argv: Sequence[str]) -> list[str]:
    """The arguments with what an option means that stands without its value."""
    return mesh.spelled_out(argv) if list(argv[:2]) == ["mesh", "install"] else running.spelled_out(argv)


def _version(wanted: bool) -> None:
    if wanted:
        from smi_conformance import __version__  # noqa: PLC0415

        print(f"smi-conformance {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
