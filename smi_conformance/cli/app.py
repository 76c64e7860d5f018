"""The command `doctor`, and the tree that the other commands hang on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from smi_conformance.cli import fuzz, lab, listing, measuring, mesh, problems, reports, running
from smi_conformance.cli.running import CODES, WHERE, Context, Kubeconfig

app = typer.Typer(
    name="smi-conformance",
    help="Tells which requirements of the Service Mesh Interface a service mesh meets, with evidence.",
    epilog=CODES,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("run", epilog=running.EXAMPLES + CODES)(running.run)
app.command("fuzz", epilog=fuzz.EXAMPLES + fuzz.CODES)(fuzz.fuzz)
app.command("list", epilog=listing.EXAMPLES)(listing.show)
app.command("top", epilog=measuring.TOP_EXAMPLES + measuring.CODES)(measuring.top)
app.command("topology", epilog=measuring.TOPOLOGY_EXAMPLES + measuring.CODES)(measuring.topology)
app.add_typer(lab.app, name="lab")
app.add_typer(reports.app, name="report")
app.add_typer(mesh.app, name="mesh")


def execute(argv: Sequence[str]) -> int:
    """Run a command line; returns the exit code. Nothing is raised."""
    try:
        return int(app(running.spelled_out(argv), prog_name="smi-conformance", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        problems.line("interrupted")
        return problems.INTERRUPTED
    except Exception as error:
        return problems.tell(error)


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


@app.command(epilog=CODES)
def doctor(
    cluster: Annotated[
        str, typer.Option(help="Backend to check.", metavar="embedded|current|model", rich_help_panel=WHERE)
    ] = "embedded",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> int:
    """Check whether a run can work here; each problem comes with the command that mends it."""
    from smi_conformance.cli import validate  # noqa: PLC0415
    from smi_conformance.cluster.doctor import checks  # noqa: PLC0415

    validate.one_of("cluster", cluster, ("embedded", "current", "model"))
    found = 0
    for check in checks(cluster, kubeconfig, context):
        print(f"{'ok' if check.ok else 'problem':8} {check.name}: {check.found}", flush=True)
        if not check.ok:
            found += 1
            print(f"{'':8} to mend it: {check.remedy}", flush=True)
    print("ready for a run" if not found else f"{found} problem{'s' if found > 1 else ''} found")
    return problems.NOT_CONFORMANT if found else problems.OK
