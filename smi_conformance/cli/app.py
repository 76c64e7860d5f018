"""The commands `run` and `doctor`, and the tree that the other commands hang on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from smi_conformance.cli import lab, listing, mesh, problems, reports

EXAMPLES = """
[bold]Examples[/bold]

The reference mesh in the embedded lab: [cyan]smi-conformance run[/cyan]

The null control, where everything has to fail: [cyan]smi-conformance run --mesh none[/cyan]

Your mesh on your cluster: [cyan]smi-conformance run --mesh ./my-mesh.yaml --cluster current[/cyan]

Some requirements, two at a time: [cyan]smi-conformance run --requirement 'SP-0*' -n 2[/cyan]

A defect, and how it is caught: [cyan]smi-conformance run --fault TA-050/second-target-ignored[/cyan]
"""
CODES = """
[bold]Exit codes[/bold]

[bold]0[/bold] all that was selected passed; [bold]1[/bold] something did not; [bold]2[/bold] the command
cannot be used; [bold]3[/bold] the suite or the cluster failed, and nothing is said of the mesh;
[bold]130[/bold] interrupted
"""

app = typer.Typer(
    name="smi-conformance",
    help="Tells which requirements of the Service Mesh Interface a service mesh meets, with evidence.",
    epilog=CODES,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("list")(listing.show)
app.add_typer(lab.app, name="lab")
app.add_typer(reports.app, name="report")
app.add_typer(mesh.app, name="mesh")

WHAT, WHERE, HOW = "What is judged", "On which cluster", "How"
Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Kubeconfig for --cluster current.", metavar="FILE", rich_help_panel=WHERE),
]
Context = Annotated[
    str | None,
    typer.Option("--context", help="Context in the kubeconfig.", metavar="NAME", rich_help_panel=WHERE),
]


def execute(argv: Sequence[str]) -> int:
    """Run a command line; returns the exit code. Nothing is raised."""
    try:
        return int(app(list(argv), prog_name="smi-conformance", standalone_mode=False) or 0)
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


@app.command(epilog=EXAMPLES + CODES)
def run(
    *,
    mesh: Annotated[
        str,
        typer.Option(
            help="Built-in profile, 'none' for no mesh, or the path of a profile.",
            metavar="NAME|none|FILE.yaml",
            rich_help_panel=WHAT,
        ),
    ] = "reference",
    requirement: Annotated[
        list[str] | None,
        typer.Option(
            help="Judge only these: an id, a feature, or a pattern. Repeatable. "
            "No profile is called conformant by a limited run.",
            metavar="ID|GLOB",
            rich_help_panel=WHAT,
        ),
    ] = None,
    api: Annotated[
        list[str] | None,
        typer.Option(help="API version under test. Repeatable.", metavar="GROUP=VERSION", rich_help_panel=WHAT),
    ] = None,
    posture: Annotated[
        str,
        typer.Option(
            help="deny: access is enforced. permissive: it is not. A mesh is run in both.",
            metavar="POSTURE",
            rich_help_panel=WHAT,
        ),
    ] = "deny",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Break the reference mesh in this way (see list --faults). Repeatable.",
            metavar="ID/SLUG",
            rich_help_panel=WHAT,
        ),
    ] = None,
    cluster: Annotated[
        str,
        typer.Option(
            help="embedded: a lab on this machine, no Docker needed. current: your kubeconfig's cluster. "
            "replay:DIR: the recorded run of a report.",
            metavar="BACKEND",
            rich_help_panel=WHERE,
        ),
    ] = "embedded",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", metavar="", help="Leave the namespaces of the run in place.", rich_help_panel=WHERE),
    ] = False,
    rigor: Annotated[
        str,
        typer.Option(
            help="Attempts per denial. quick: 20. standard: 59, sees a leak of 5 % with 95 % confidence. "
            "certify: 688, sees 1 % with 99.9 %.",
            metavar="RIGOR",
            rich_help_panel=HOW,
        ),
    ] = "standard",
    deadline: Annotated[
        list[str] | None,
        typer.Option(
            help="Seconds that a mesh may take; raised ones are shown in the report. Repeatable.",
            metavar="NAME=SECONDS",
            rich_help_panel=HOW,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("-n", min=0, help="Workers; 0: this process.", metavar="N", rich_help_panel=HOW)
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(help="Seed of everything random.", metavar="N", rich_help_panel=HOW)
    ] = None,
    report: Annotated[Path, typer.Option(help="Folder of the report.", metavar="DIR", rich_help_panel=HOW)] = Path(
        "reports/latest"
    ),
) -> int:
    """Judge a mesh and write a report.

    What is judged, on which cluster and how is checked before anything starts.
    """
    from smi_conformance.cli import validate  # noqa: PLC0415
    from smi_conformance.plugin import runner  # noqa: PLC0415

    options = runner.RunOptions(
        mesh=mesh,
        cluster=cluster,
        requirements=tuple(requirement or ()),
        api=validate.pairs("--api", api or ()),
        posture=posture,
        rigor=rigor,
        faults=tuple(fault or ()),
        report=report,
        workers=workers,
        keep=keep,
        seed=seed,
        deadlines=validate.seconds(validate.pairs("--deadline", deadline or ())),
        kubeconfig=kubeconfig,
        context=context,
    )
    return runner.run(validate.options(options))


@app.command(epilog=CODES)
def doctor(
    cluster: Annotated[
        str, typer.Option(help="Backend to check.", metavar="embedded|current", rich_help_panel=WHERE)
    ] = "embedded",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> int:
    """Check whether a run can work here; each problem comes with the command that mends it."""
    from smi_conformance.cli import validate  # noqa: PLC0415
    from smi_conformance.cluster.doctor import checks  # noqa: PLC0415

    validate.one_of("cluster", cluster, ("embedded", "current"))
    found = 0
    for check in checks(cluster, kubeconfig, context):
        print(f"{'ok' if check.ok else 'problem':8} {check.name}: {check.found}", flush=True)
        if not check.ok:
            found += 1
            print(f"{'':8} to mend it: {check.remedy}", flush=True)
    print("ready for a run" if not found else f"{found} problem{'s' if found > 1 else ''} found")
    return problems.NOT_CONFORMANT if found else problems.OK
