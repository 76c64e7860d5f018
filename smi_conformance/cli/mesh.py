"""`mesh`: the profiles of the meshes, and putting a mesh on a cluster, looking whether it runs, and taking it off."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smi_conformance.cli import complete
from smi_conformance.cli.problems import NOT_CONFORMANT, OK, Problem

if TYPE_CHECKING:
    from smi_conformance.cluster.port import Cluster, Ref
    from smi_conformance.meshes.profile import Profile

app = typer.Typer(help="Show the profiles of meshes; install, verify or uninstall a mesh.", no_args_is_help=True)
Name = Annotated[
    str, typer.Argument(metavar="NAME|FILE", help="A built-in profile, or a file.", autocompletion=complete.meshes)
]
Kubeconfig = Annotated[Path | None, typer.Option("--kubeconfig", metavar="FILE", help="Kubeconfig of the cluster.")]
Context = Annotated[str | None, typer.Option("--context", metavar="NAME", help="Context in the kubeconfig.")]
Checksums = Annotated[
    list[str] | None,
    typer.Option(
        "--checksum", metavar="[NAME=]sha256:HEX", help="Of a source that the profile has none for; repeatable."
    ),
]
Lock = Annotated[Path | None, typer.Option("--lock", metavar="FILE", help="Checksums that `mesh lock` wrote.")]
DryRun = Annotated[
    str | None,
    typer.Option(
        "--dry-run",
        metavar="[client|server]",
        help="Change nothing: print the commands; or let the API server look at all that is written with the profile.",
    ),
]
DRY_RUN = "--dry-run"
DRY_RUNS = ("client", "server")


def spelled_out(argv: Sequence[str]) -> list[str]:
    """The arguments of `mesh`, with the word that `--dry-run` means when it stands alone."""
    pairs = zip(argv, [*argv[1:], "-"], strict=False)
    return [f"{word}=client" if word == DRY_RUN and after not in DRY_RUNS else word for word, after in pairs]


@app.command("list")
def list_profiles(
    as_markdown: Annotated[
        bool, typer.Option("--markdown", metavar="", help="As the table of docs/meshes.md.")
    ] = False,
) -> None:
    """List the profiles: what each mesh claims, and how far the profile was tried."""
    from smi_conformance.cli import profiles  # noqa: PLC0415

    if as_markdown:
        print(profiles.markdown(), end="")
    else:
        profiles.table()


@app.command()
def show(name: Name) -> None:
    """Show all that a profile says, and what is known of it."""
    from smi_conformance.cli import profiles  # noqa: PLC0415

    profiles.show(_profile(name))


@app.command()
def install(
    name: Name,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    posture: Annotated[str, typer.Option(metavar="deny|permissive", help="Where installing decides it.")] = "deny",
    checksum: Checksums = None,
    lock: Lock = None,
    dry_run: DryRun = None,
) -> int:
    """Install a mesh and wait until it runs. Nothing is used but what has a known checksum."""
    from smi_conformance.cli import validate  # noqa: PLC0415
    from smi_conformance.meshes import setup  # noqa: PLC0415

    profile = _profile(name)
    validate.one_of("posture", posture, ("deny", "permissive"))
    if dry_run:
        validate.one_of("--dry-run", dry_run, DRY_RUNS)
    if dry_run == "server":
        return _tried(_cluster(kubeconfig, context), profile)
    if dry_run:
        print("\n".join(setup.commands(profile, posture)))
        return OK
    given = setup.known_checksums(profile, checksum or (), lock)
    setup.install(_cluster(kubeconfig, context), profile, posture, given, (kubeconfig, context), _say)
    print(f"{profile.title} is installed")
    return OK


@app.command()
def uninstall(
    name: Name,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")] = False,
    keep_crds: Annotated[bool, typer.Option("--keep-crds", metavar="", help="Leave the SMI resources.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Print what there is, and remove nothing.")
    ] = False,
) -> int:
    """Remove a mesh and all that is its own; everything that goes is listed first."""
    from smi_conformance.meshes import removal, setup  # noqa: PLC0415

    profile, cluster = _profile(name), _cluster(kubeconfig, context)
    setup.require_installable(profile)
    found = removal.leftovers(cluster, profile, definitions=not keep_crds)
    print("\n".join([f"{profile.title}: {len(found)} objects", *(f"  {_shown(ref)}" for ref in found)]))
    if any(ref.kind == "CustomResourceDefinition" for ref in found):
        print("With a CustomResourceDefinition all objects of its kind go, whoever made them (--keep-crds).")
    if dry_run or not found:
        return OK
    if not yes:
        _ask(f"remove {profile.title} and these {len(found)} objects?")
    setup.uninstall(cluster, profile, (kubeconfig, context), found, _say, definitions=not keep_crds)
    print(f"{profile.title} is removed")
    return OK


@app.command()
def verify(name: Name, kubeconfig: Kubeconfig = None, context: Context = None) -> int:
    """Look whether a mesh runs: its resources and their versions, its workloads, and a pod that it has to take in."""
    from smi_conformance.cluster.reaper import Reaper, new_run  # noqa: PLC0415
    from smi_conformance.meshes import verification  # noqa: PLC0415

    profile, cluster, run = _profile(name), _cluster(kubeconfig, context), new_run()
    reaper, failed = Reaper(kubeconfig, context, run), 0
    for check in verification.checks(cluster, profile, run):
        print(f"{'ok' if check.ok else 'problem':8} {check.name}: {check.found}", flush=True)
        failed += not check.ok
    reaper.dismiss()
    print(
        f"{profile.title} is running" if not failed else f"{profile.title}: {failed} problem{'s' * (failed > 1)} found"
    )
    return NOT_CONFORMANT if failed else OK


@app.command()
def lock(
    name: Name,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Default: NAME.lock.yaml")] = None,
) -> int:
    """Fetch what a mesh is installed from and write down the checksums: what came this time is trusted from then on."""
    from smi_conformance.meshes import setup  # noqa: PLC0415

    profile = _profile(name)
    path = output or Path(f"{profile.name}.lock.yaml")
    for line in setup.lock(profile, path):
        print(line)
    print(f"{path} holds these checksums: `smi-conformance mesh install {name} --lock {path}`")
    return OK


def _tried(cluster: Cluster, profile: Profile) -> int:
    from smi_conformance.meshes import samples  # noqa: PLC0415

    seen = []
    for one in samples.tried(cluster, profile):
        seen.append(one.state)
        print(f"{one.state:9} {one.what}{': ' if one.told else ''}{one.told}", flush=True)
    print(f"{seen.count('accepted')} accepted, {seen.count('refused')} refused, {seen.count('not tried')} not tried")
    return NOT_CONFORMANT if set(seen) - {"accepted"} else OK


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise Problem("nobody can be asked here: give --yes")
    if not typer.confirm(question):
        raise Problem("nothing was removed")


def _shown(ref: Ref) -> str:
    return f"{ref.kind} {ref.namespace}/{ref.name}" if ref.namespace else f"{ref.kind} {ref.name}"


def _say(text: str) -> None:
    print(text, flush=True)


def _profile(name: str) -> Profile:
    from smi_conformance.cli import validate  # noqa: PLC0415
    from smi_conformance.meshes.profile import load  # noqa: PLC0415

    validate.mesh(name)
    return load(name)


def _cluster(kubeconfig: Path | None, context: str | None) -> Cluster:
    from smi_conformance.cluster.backends import connect, reachable  # noqa: PLC0415
    from smi_conformance.cluster.journal import Unrecorded  # noqa: PLC0415
    from smi_conformance.cluster.kube import KubeCluster  # noqa: PLC0415

    api = connect(kubeconfig, context)
    reachable(api)
    return KubeCluster(api, Unrecorded())
