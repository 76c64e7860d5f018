"""`lab`: an embedded cluster that stays, for kubectl and for --cluster current."""

from __future__ import annotations

import typer

from smi_conformance.cli.problems import NOT_CONFORMANT, OK

app = typer.Typer(help="Keep an embedded cluster running on this machine.", no_args_is_help=True)


@app.command()
def up() -> None:
    """Start the lab and leave it running."""
    from smi_conformance.lab import cluster  # noqa: PLC0415

    path = cluster.up(progress=print)
    print(f"export KUBECONFIG={path}")


@app.command()
def down() -> None:
    """Stop the lab."""
    from smi_conformance.lab import cluster  # noqa: PLC0415

    print("the lab is stopped" if cluster.down() else "no lab was running")


@app.command()
def status() -> int:
    """Say whether the lab runs; exit 1 when not."""
    from smi_conformance.lab import cluster  # noqa: PLC0415

    found = cluster.status()
    pods = ", ".join(f"{count} {phase.lower()}" for phase, count in sorted(found.pods.items())) or "none"
    print(f"lab:    {found.condition}")
    if found.condition != "running":
        return NOT_CONFORMANT
    print(f"pods:   {pods}\nmemory: {found.memory / 2**20:.0f} MiB\nfiles:  {found.state}")
    return OK


@app.command()
def kubeconfig() -> None:
    """Print the path of the lab's kubeconfig."""
    from smi_conformance.lab import cluster  # noqa: PLC0415

    print(cluster.kubeconfig())
