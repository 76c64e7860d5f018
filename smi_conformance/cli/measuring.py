"""`top` and `topology`: what the metrics API of a cluster tells, for people who look at it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from smi_conformance.cli.problems import OK, Problem, near
from smi_conformance.cli.running import WHERE

TOP, TOPOLOGY = ("table", "json"), ("terminal", "dot", "svg")
CODES = """
[bold]Exit codes[/bold]

[bold]0[/bold] told; [bold]2[/bold] the command cannot be used; [bold]3[/bold] the cluster does not answer, or has no
metrics API that can be read; [bold]130[/bold] interrupted
"""
TOP_EXAMPLES = """
Pods of all namespaces, the busiest first: [cyan]smi-conformance top[/cyan]

Deployments with a label, as JSON: [cyan]smi-conformance top deployments -n shop -l team=x --output json[/cyan]
"""
TOPOLOGY_EXAMPLES = """
Who calls whom: [cyan]smi-conformance topology deployments -n shop[/cyan]

A picture: [cyan]smi-conformance topology --output svg > shop.svg[/cyan]
"""
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Only this namespace.", metavar="NAME")]
Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Of the cluster; else $KUBECONFIG.", metavar="FILE", rich_help_panel=WHERE),
]
Context = Annotated[
    str | None,
    typer.Option("--context", help="Context in the kubeconfig.", metavar="NAME", rich_help_panel=WHERE),
]


def top(
    kind: Annotated[str, typer.Argument(help="What to list, such as pods or deployments.", metavar="KIND")] = "pods",
    *,
    namespace: Namespace = "",
    selector: Annotated[
        str, typer.Option("--selector", "-l", help="Only objects with these labels.", metavar="LABELS")
    ] = "",
    output: Annotated[str, typer.Option(help="How to tell it.", metavar="table|json")] = "table",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> int:
    """Show requests, failures and latencies of objects, as the metrics API of a cluster tells them."""
    _one_of("output", output, TOP)
    _check_kind(kind)
    from smi_conformance.cli import traffic_view  # noqa: PLC0415
    from smi_conformance.cluster.traffic_metrics import MetricsReader  # noqa: PLC0415

    rows = MetricsReader.of(kubeconfig, context).totals(kind, namespace, selector)
    if output == "json":
        print(json.dumps([row.to_json() for row in rows], indent=1))
    else:
        traffic_view.table(rows, sys.stdout)
    return OK


def topology(
    kind: Annotated[str, typer.Argument(help="What to draw, such as pods or deployments.", metavar="KIND")] = (
        "deployments"
    ),
    *,
    namespace: Namespace = "",
    output: Annotated[str, typer.Option(help="How to draw it.", metavar="terminal|dot|svg")] = "terminal",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> int:
    """Draw who exchanges traffic with whom, as the metrics API of a cluster tells it."""
    _one_of("output", output, TOPOLOGY)
    _check_kind(kind)
    from smi_conformance.cli import traffic_view  # noqa: PLC0415
    from smi_conformance.cluster.traffic_metrics import MetricsReader  # noqa: PLC0415

    edges = MetricsReader.of(kubeconfig, context).edges(kind, namespace)
    draw: dict[str, Any] = {"terminal": traffic_view.tree, "dot": traffic_view.dot, "svg": traffic_view.svg}
    print(draw[output](edges))
    return OK


def _one_of(option: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise Problem(f"--{option} takes {', '.join(known)}, not '{given}'")


def _check_kind(kind: str) -> None:
    from smi_conformance.model.metrics.kinds import KINDS, SPLITS  # noqa: PLC0415

    known = KINDS.keys() - {SPLITS}
    if kind not in known:
        raise Problem(near("kind", kind, sorted(known)))
