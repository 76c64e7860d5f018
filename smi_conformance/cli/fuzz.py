"""`fuzz`: draw policies and requests, and compare what a mesh does with what the specification says."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from smi_conformance.cli import complete
from smi_conformance.cli.problems import Problem
from smi_conformance.cli.running import HOW, WHERE, Context, Faults, Kubeconfig, Mesh

EXAMPLES = """
[bold]Examples[/bold]

Ten minutes on the reference mesh in the embedded lab: [cyan]smi-conformance fuzz[/cyan]

Your mesh on your cluster: [cyan]smi-conformance fuzz --mesh ./my-mesh.yaml --cluster current --time 1h[/cyan]

The same policies and requests once more: [cyan]smi-conformance fuzz --seed 7 --examples 200[/cyan]

A defect, and how it is found: [cyan]smi-conformance fuzz --cluster model --fault TA-021/any-mesh-identity[/cyan]
"""
CODES = """
[bold]Exit codes[/bold]

[bold]0[/bold] no disagreement; [bold]1[/bold] a disagreement; [bold]2[/bold] the command cannot be used;
[bold]3[/bold] the suite or the cluster failed, and nothing is said of the mesh; [bold]130[/bold] interrupted
"""
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def fuzz(
    *,
    mesh: Mesh = "reference",
    fault: Faults = None,
    cluster: Annotated[
        str,
        typer.Option(
            help="embedded: a lab on this machine, no Docker needed. current: your kubeconfig's cluster. "
            "model: a cluster and a mesh inside this process.",
            metavar="embedded|current|model",
            rich_help_panel=WHERE,
        ),
    ] = "embedded",
    kubeconfig: Kubeconfig = None,
    kube_context: Context = None,
    duration: Annotated[
        str,
        typer.Option(
            "--time", help="How long policies are drawn, such as 90s, 10m or 1h.", metavar="TIME", rich_help_panel=HOW
        ),
    ] = "10m",
    examples: Annotated[
        int | None,
        typer.Option(min=1, help="End after so many policy sets, too.", metavar="N", rich_help_panel=HOW),
    ] = None,
    stop_after: Annotated[
        int, typer.Option(min=1, help="End after so many counter-examples.", metavar="N", rich_help_panel=HOW)
    ] = 3,
    deadline: Annotated[
        list[str] | None,
        typer.Option(
            help="Seconds that a mesh may take. Repeatable.",
            metavar="NAME=SECONDS",
            rich_help_panel=HOW,
            autocompletion=complete.deadlines,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of everything random; drawn and shown.", metavar="N", rich_help_panel=HOW),
    ] = None,
    report: Annotated[
        Path, typer.Option(help="Folder of the counter-examples.", metavar="DIR", rich_help_panel=HOW)
    ] = Path("reports/fuzz"),
) -> int:
    """Draw policies and requests, and compare what arrives where with the specification.

    Only what no reading of the specification allows is a disagreement, and only if it outlasts the deadline.
    """
    from smi_conformance.cli import validate  # noqa: PLC0415
    from smi_conformance.plugin.settings import RunOptions  # noqa: PLC0415

    validate.one_of("cluster", cluster, ("embedded", "current", "model"))
    seconds = parsed(duration)
    options = RunOptions(
        mesh=mesh,
        cluster=cluster,
        faults=tuple(fault or ()),
        report=report,
        seed=seed,
        deadlines=validate.seconds(validate.pairs("--deadline", deadline or ())),
        kubeconfig=kubeconfig,
        context=kube_context,
    )
    session = _session()
    return int(session.run(validate.options(options), session.Bounds(seconds, examples, stop_after)))


def parsed(duration: str) -> float:
    """Seconds of a time such as 90s, 10m or 1h. Raises Problem."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", duration)
    if not found or not float(found[1]):
        raise Problem(f"--time takes a number with s, m or h, such as 10m, not '{duration}'")
    return float(found[1]) * UNITS[found[2]]


def _session() -> ModuleType:
    """The fuzzer: it lies beside the scenarios and their fixtures, and not in this package."""
    from smi_conformance.locations import SUITE  # noqa: PLC0415

    if str(SUITE) not in sys.path:
        sys.path.insert(0, str(SUITE))
    return import_module("fuzz.session")
