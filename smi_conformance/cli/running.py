"""`run`: judge a mesh, alone or beside an earlier report."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from smi_conformance.cli import complete, problems

EXAMPLES = """
[bold]Examples[/bold]

The reference mesh in the embedded lab: [cyan]smi-conformance run[/cyan]

The null control, where everything has to fail: [cyan]smi-conformance run --mesh none[/cyan]

Your mesh on your cluster: [cyan]smi-conformance run --mesh ./my-mesh.yaml --cluster current[/cyan]

The reference mesh on a kind cluster of two nodes: [cyan]smi-conformance run --cluster kind --kind-nodes 2[/cyan]

Every API version, in both postures: [cyan]smi-conformance run --api all --posture both[/cyan]

Some requirements, two at a time: [cyan]smi-conformance run --requirement 'SP-0*' -n 2[/cyan]

What did not pass, once more: [cyan]smi-conformance run --rerun-failed[/cyan]

In CI, where only a change for the worse counts: [cyan]smi-conformance run --baseline accepted.json[/cyan]

A defect, and how it is caught: [cyan]smi-conformance run --fault TA-050/second-target-ignored[/cyan]
"""
CODES = """
[bold]Exit codes[/bold]

[bold]0[/bold] all that was selected passed; [bold]1[/bold] something did not; [bold]2[/bold] the command
cannot be used; [bold]3[/bold] the suite or the cluster failed, and nothing is said of the mesh;
[bold]130[/bold] interrupted
"""
WHAT, WHERE, HOW, AGAINST = "What is judged", "On which cluster", "How", "Beside an earlier report"
Mesh = Annotated[
    str,
    typer.Option(
        help="Built-in profile, 'none' for no mesh, or the path of a profile.",
        metavar="NAME|none|FILE.yaml",
        rich_help_panel=WHAT,
        autocompletion=complete.meshes,
    ),
]
Faults = Annotated[
    list[str] | None,
    typer.Option(
        help="Break the reference mesh in this way (see list --faults). Repeatable.",
        metavar="ID/SLUG",
        rich_help_panel=WHAT,
        autocompletion=complete.faults,
    ),
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Kubeconfig for --cluster current.", metavar="FILE", rich_help_panel=WHERE),
]
Context = Annotated[
    str | None,
    typer.Option("--context", help="Context in the kubeconfig.", metavar="NAME", rich_help_panel=WHERE),
]
RERUN = "--rerun-failed"


def spelled_out(argv: Sequence[str]) -> list[str]:
    """The arguments with the value of an option that may stand without one: empty, when nothing follows it."""
    pairs = zip(argv, [*argv[1:], "-"], strict=False)
    return [f"{word}=" if word == RERUN and after.startswith("-") else word for word, after in pairs]


def run(
    context: typer.Context,
    *,
    mesh: Mesh = "reference",
    requirement: Annotated[
        list[str] | None,
        typer.Option(
            help="Judge only these: an id, a feature, or a pattern. Repeatable. "
            "No profile is called conformant by a limited run.",
            metavar="ID|GLOB",
            rich_help_panel=WHAT,
            autocompletion=complete.requirements,
        ),
    ] = None,
    api: Annotated[
        list[str] | None,
        typer.Option(
            help="API versions under test: stable (release v0.6.0), all, or those of one group. A group that is not "
            "named: stable, or what the profile claims instead. Each scenario runs once per version. Repeatable.",
            metavar="stable|all|GROUP=VERSION[,VERSION]",
            rich_help_panel=WHAT,
            autocompletion=complete.versions,
            show_default="stable, or what the profile claims",
        ),
    ] = None,
    posture: Annotated[
        str,
        typer.Option(
            help="deny: access is enforced. permissive: it is not. both: first what needs deny or no posture at all, "
            "then what needs permissive.",
            metavar="deny|permissive|both",
            rich_help_panel=WHAT,
            autocompletion=complete.postures,
        ),
    ] = "deny",
    fault: Faults = None,
    cluster: Annotated[
        str,
        typer.Option(
            help="embedded: a lab on this machine, no Docker needed. kind: a kind cluster for this run; kind:NAME: the "
            "one of that name, which stays if it was there before. current: your kubeconfig's cluster. "
            "model: a cluster and a mesh inside this process, to see the suite at work in seconds. "
            "replay:DIR: the recorded run of a report.",
            metavar="BACKEND",
            rich_help_panel=WHERE,
            autocompletion=complete.clusters,
        ),
    ] = "embedded",
    kubeconfig: Kubeconfig = None,
    kube_context: Context = None,
    yes_this_cluster: Annotated[
        bool,
        typer.Option(
            "--yes-this-cluster",
            metavar="",
            help="Go on where --cluster current does not look like a test cluster.",
            rich_help_panel=WHERE,
        ),
    ] = False,
    kind_image: Annotated[
        str | None,
        typer.Option(
            help="Node image, and so the Kubernetes version, of a new kind cluster.",
            metavar="IMAGE",
            rich_help_panel=WHERE,
            show_default="kind's own",
        ),
    ] = None,
    kind_nodes: Annotated[
        int, typer.Option(help="Nodes of a new kind cluster.", metavar="N", rich_help_panel=WHERE)
    ] = 1,
    kind_config: Annotated[
        Path | None,
        typer.Option(
            help="kind's own configuration of a new cluster: registry mirrors, networks, mounts.",
            metavar="FILE",
            rich_help_panel=WHERE,
        ),
    ] = None,
    namespace_prefix: Annotated[
        str,
        typer.Option(
            help="How the names of the run's namespaces begin; nine characters follow.",
            metavar="WORD",
            rich_help_panel=WHERE,
        ),
    ] = "smi",
    workload: Annotated[
        Path | None,
        typer.Option(
            help="Settings of the workload's pods: image, pull secret, user, tolerations, node selector, resources.",
            metavar="FILE",
            rich_help_panel=WHERE,
        ),
    ] = None,
    workload_image: Annotated[
        str | None,
        typer.Option(
            help="Image of the workload's pods: any with Python 3.10 or newer.",
            metavar="IMAGE",
            rich_help_panel=WHERE,
            show_default="python:3-slim",
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            metavar="",
            help="Leave the namespaces of the run in place, and a kind cluster that was made for it.",
            rich_help_panel=WHERE,
        ),
    ] = False,
    rigor: Annotated[
        str,
        typer.Option(
            help="Attempts per denial. quick: 20. standard: 59, sees a leak of 5 % with 95 % confidence. "
            "certify: 688, sees 1 % with 99.9 %. A share that is off by 5 points fails, at quick by 10.",
            metavar="RIGOR",
            rich_help_panel=HOW,
            autocompletion=complete.rigors,
        ),
    ] = "standard",
    deadline: Annotated[
        list[str] | None,
        typer.Option(
            help="Seconds that a mesh may take; raised ones are shown in the report. Repeatable.",
            metavar="NAME=SECONDS",
            rich_help_panel=HOW,
            autocompletion=complete.deadlines,
        ),
    ] = None,
    max_time: Annotated[
        float | None,
        typer.Option(
            help="Begin no scenario after so many seconds; what is left is reported as not run. An estimate is shown "
            "before the first scenario begins.",
            metavar="SECONDS",
            rich_help_panel=HOW,
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "-n",
            min=0,
            help="Workers; 0: this process. What may disturb others is run alone at the end.",
            metavar="N",
            rich_help_panel=HOW,
        ),
    ] = 0,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of everything random; drawn and recorded.", metavar="N", rich_help_panel=HOW),
    ] = None,
    delay: Annotated[
        float,
        typer.Option(
            help="With --cluster model: seconds that an object takes at most to reach the mesh; each kind of object "
            "takes a time of its own.",
            metavar="SECONDS",
            rich_help_panel=HOW,
        ),
    ] = 0.0,
    report: Annotated[Path, typer.Option(help="Folder of the report.", metavar="DIR", rich_help_panel=HOW)] = Path(
        "reports/latest"
    ),
    rerun_failed: Annotated[
        str | None,
        typer.Option(
            RERUN,
            help="Judge again what did not pass, or was not reached, in the report of this folder (without a folder: "
            "of --report), under its conditions; options that are given win over them.",
            metavar="[DIR]",
            rich_help_panel=AGAINST,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="A report.json, or its folder: show what changed since, and end with 1 only when something changed "
            "for the worse.",
            metavar="FILE",
            rich_help_panel=AGAINST,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            metavar="",
            help="Print the verdicts as one JSON object; progress goes to standard error.",
            rich_help_panel=HOW,
        ),
    ] = False,
) -> int:
    """Judge a mesh and write a report.

    What is judged, on which cluster and how is checked before anything starts.
    """
    from smi_conformance.cli import outcomes, rerun, validate  # noqa: PLC0415
    from smi_conformance.plugin import runner  # noqa: PLC0415

    options = runner.RunOptions(
        mesh=mesh,
        cluster=cluster,
        requirements=tuple(requirement or ()),
        api=tuple(api or ()),
        posture=posture,
        rigor=rigor,
        faults=tuple(fault or ()),
        report=report,
        workers=workers,
        keep=keep,
        seed=seed,
        deadlines=validate.seconds(validate.pairs("--deadline", deadline or ())),
        kubeconfig=kubeconfig,
        context=kube_context,
        max_time=max_time,
        delay=delay,
        yes_this_cluster=yes_this_cluster,
        namespace_prefix=namespace_prefix,
        workload_file=workload,
        workload_image=workload_image,
        kind_image=kind_image,
        kind_nodes=kind_nodes,
        kind_config=kind_config,
    )
    if rerun_failed is not None:
        again = rerun.failed(Path(rerun_failed) if rerun_failed else report)
        if not again.scenarios:
            print(f"nothing to run again: all that {again.folder} selected has passed")
            return problems.OK
        options = replace(options, **_unless_given(context, again.options))
    before = outcomes.read(baseline) if baseline else None
    checked = validate.options(options)
    with _out_of_the_way() if as_json else contextlib.nullcontext():
        code = runner.run(checked)
    return outcomes.tell(code, report, before, as_json=as_json)


def _unless_given(context: typer.Context, recorded: dict[str, Any]) -> dict[str, Any]:
    """Those of the recorded options that the command line says nothing about."""
    names = {"requirements": "requirement", "faults": "fault"}
    sources = {name: context.get_parameter_source(names.get(name, name)) for name in recorded}
    typed = {name for name, source in sources.items() if source is not None and source.name != "DEFAULT"}
    return {name: value for name, value in recorded.items() if name not in typed}


@contextlib.contextmanager
def _out_of_the_way() -> Iterator[None]:
    """Leave standard output to the JSON."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
