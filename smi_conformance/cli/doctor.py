"""`doctor`: whether a run can work here, and what mends what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from smi_conformance.cli import complete, problems
from smi_conformance.cli.running import HOW, WHAT, WHERE, Context, Kubeconfig, Mesh

if TYPE_CHECKING:
    from smi_conformance.cluster.doctor import Finding

EXAMPLES = """
[bold]Examples[/bold]

Whether the embedded lab can run here: [cyan]smi-conformance doctor[/cyan]

Your mesh on your cluster: [cyan]smi-conformance doctor --cluster current --mesh ./my-mesh.yaml[/cyan]

Without making anything there: [cyan]smi-conformance doctor --cluster current --no-canary[/cyan]
"""
CODES = """
[bold]Exit codes[/bold]

[bold]0[/bold] nothing would spoil a run; [bold]1[/bold] something would; [bold]2[/bold] the command cannot be used;
[bold]3[/bold] there is no cluster; [bold]130[/bold] interrupted
"""


def doctor(
    *,
    mesh: Mesh = "reference",
    posture: Annotated[
        str,
        typer.Option(
            help="What the run is going to ask for.",
            metavar="deny|permissive|both",
            rich_help_panel=WHAT,
            autocompletion=complete.postures,
        ),
    ] = "deny",
    cluster: Annotated[
        str, typer.Option(help="Backend to check.", metavar="embedded|current|model", rich_help_panel=WHERE)
    ] = "embedded",
    kubeconfig: Kubeconfig = None,
    kube_context: Context = None,
    canary: Annotated[
        bool,
        typer.Option(
            "--canary/--no-canary",
            help="Make one pod, ask it, and remove it again. Without it image, sidecar, DNS and the clock of the nodes "
            "are not looked at.",
            rich_help_panel=HOW,
        ),
    ] = True,
    output: Annotated[
        str, typer.Option(help="text, or one JSON object.", metavar="text|json", rich_help_panel=HOW)
    ] = "text",
) -> int:
    """Check whether a run can work here; each problem comes with the command that mends it."""
    from smi_conformance.cli import validate  # noqa: PLC0415
    from smi_conformance.cluster.doctor import Question, checks  # noqa: PLC0415
    from smi_conformance.meshes.profile import load  # noqa: PLC0415

    validate.one_of("cluster", cluster, ("embedded", "current", "model"))
    validate.one_of("output", output, ("text", "json"))
    validate.one_of("posture", posture, ("deny", "permissive", "both"))
    validate.mesh(mesh)
    validate.kubeconfig(cluster, kubeconfig, kube_context)
    postures = ("deny", "permissive") if posture == "both" else (posture,)
    question = Question(cluster, load(mesh), postures, kubeconfig, kube_context, canary)
    return _as_json(checks(question)) if output == "json" else _as_text(checks(question))


def _as_text(findings: Iterable[Finding]) -> int:
    seen = []
    for one in findings:
        seen.append(one)
        print(f"{one.severity:8} {one.check}: {one.found}", flush=True)
        if one.severity != "ok":
            print(f"{'':8} to mend it: {one.remedy}", flush=True)
    count = sum(one.severity in ("problem", "fatal") for one in seen)
    warned = sum(one.severity == "warning" for one in seen)
    told = f"{count} problem{'s' if count != 1 else ''} found" if count else "ready for a run"
    print(told + (f", {warned} warning{'s' if warned != 1 else ''}" if warned else ""))
    return _code(seen)


def _as_json(findings: Iterable[Finding]) -> int:
    seen = list(findings)
    rows = [{key: value for key, value in asdict(one).items() if key != "judged"} for one in seen]
    print(json.dumps({"exit": _code(seen), "findings": rows}, indent=1, ensure_ascii=False))
    return _code(seen)


def _code(findings: Iterable[Finding]) -> int:
    seen = {one.severity for one in findings}
    if "fatal" in seen:
        return problems.HARNESS
    return problems.NOT_CONFORMANT if "problem" in seen else problems.OK
