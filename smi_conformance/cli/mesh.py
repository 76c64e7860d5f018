"""`mesh`: put the reference mesh on a cluster, take it off, and see whether it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smi_conformance.cli.problems import Problem, near

if TYPE_CHECKING:
    from smi_conformance.cluster.port import Cluster
    from smi_conformance.meshes.profile import Profile

app = typer.Typer(help="Install, uninstall or check a mesh that the suite can install.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="reference", help="Name of the mesh.")]
Kubeconfig = Annotated[Path | None, typer.Option("--kubeconfig", metavar="FILE", help="Kubeconfig of the cluster.")]
Context = Annotated[str | None, typer.Option("--context", metavar="NAME", help="Context in the kubeconfig.")]


@app.command()
def install(name: Name, kubeconfig: Kubeconfig = None, context: Context = None) -> None:
    """Install a mesh and wait until it runs."""
    from smi_conformance.meshes import install as installer  # noqa: PLC0415

    profile = _installable(name)
    installer.install(_cluster(kubeconfig, context), profile, print)
    print(f"{profile.title} is installed")


@app.command()
def uninstall(name: Name, kubeconfig: Kubeconfig = None, context: Context = None) -> None:
    """Remove a mesh; the SMI resources stay."""
    from smi_conformance.meshes import install as installer  # noqa: PLC0415

    profile = _installable(name)
    installer.uninstall(_cluster(kubeconfig, context), profile)
    print(f"{profile.title} is removed; the SMI resources are left")


@app.command()
def verify(name: Name, kubeconfig: Kubeconfig = None, context: Context = None) -> None:
    """Wait until the deployments of a mesh are available."""
    from smi_conformance.meshes import install as installer  # noqa: PLC0415

    profile = _installable(name)
    installer.wait_ready(_cluster(kubeconfig, context), profile)
    print(f"{profile.title} is running")


def _installable(name: str) -> Profile:
    from smi_conformance.meshes.profile import available  # noqa: PLC0415

    known = {profile.name: profile for profile in available() if profile.installer == "reference"}
    if name not in known:
        raise Problem(near("mesh that can be installed", name, known))
    return known[name]


def _cluster(kubeconfig: Path | None, context: str | None) -> Cluster:
    from smi_conformance.cluster.backends import connect, reachable  # noqa: PLC0415
    from smi_conformance.cluster.journal import Unrecorded  # noqa: PLC0415
    from smi_conformance.cluster.kube import KubeCluster  # noqa: PLC0415

    api = connect(kubeconfig, context)
    reachable(api)
    return KubeCluster(api, Unrecorded())
