"""`images`: what a run pulls, as an archive, and into a cluster that has no way to a registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smi_conformance.cli import complete
from smi_conformance.cli.problems import Problem, near

if TYPE_CHECKING:
    from smi_conformance.meshes.profile import Profile

app = typer.Typer(help="List, save or load the images of a run, for clusters without a registry.", no_args_is_help=True)
PARTS = ("suite", "mesh", "cluster")
Mesh = Annotated[
    str,
    typer.Option(
        "--mesh",
        metavar="NAME|none|FILE.yaml",
        help="Built-in profile, or the path of one.",
        autocompletion=complete.meshes,
    ),
]
Parts = Annotated[
    list[str] | None,
    typer.Option("--part", metavar="suite|mesh|cluster", help="Only these. Repeatable.", show_default="all"),
]
Node = Annotated[
    str | None,
    typer.Option("--kind-image", metavar="IMAGE", help="Node image of a kind cluster, such as kindest/node:v1.33.1."),
]
Image = Annotated[
    str | None, typer.Option("--workload-image", metavar="IMAGE", help="The workload's image, if not the default.")
]
Archive = Annotated[Path, typer.Argument(metavar="FILE.tar", help="The archive; its checksum is FILE.tar.sha256.")]


@app.command("list")
def show(mesh: Mesh = "reference", part: Parts = None, kind_image: Node = None, image: Image = None) -> None:
    """Print the references, one per line, with what needs them."""
    for name, reference in _needed(mesh, part, kind_image, image):
        print(f"{reference}\t{name}")


@app.command()
def save(
    file: Archive, mesh: Mesh = "reference", part: Parts = None, kind_image: Node = None, image: Image = None
) -> None:
    """Write the images into one archive, with docker, podman or skopeo; the reference mesh's is made."""
    from smi_conformance.images import archive, moving  # noqa: PLC0415

    references = list(dict.fromkeys(reference for _, reference in _needed(mesh, part, kind_image, image)))
    if not references:
        raise Problem("there is no image to save: see `smi-conformance images list`")
    if not file.resolve().parent.is_dir():
        raise Problem(f"{file}: there is no such folder")
    for one in moving.save(file.resolve(), references, print):
        print(f"{', '.join(one.tags)}  sha256:{one.digest}")
    print(f"{file} and {archive.checksum(file).name}")


@app.command()
def load(
    file: Archive,
    into: Annotated[
        str,
        typer.Option(help="Where the cluster looks for images.", metavar="kind[:NAME]|docker|podman|REGISTRY/PATH"),
    ],
) -> None:
    """Check an archive and bring its images into a cluster of kind, an engine or a registry."""
    from smi_conformance.images import moving  # noqa: PLC0415

    if into not in ("kind", "docker", "podman") and not into.startswith("kind:") and "/" not in into:
        raise Problem(near("target", into, ("kind", "kind:NAME", "docker", "podman", "REGISTRY/PATH")))
    moving.load(file, into, print)
    print(f"{file} is loaded into {into}")


def _needed(mesh: str, parts: list[str] | None, kind_image: str | None, image: str | None) -> list[tuple[str, str]]:
    """Part and reference."""
    from smi_conformance.cli import validate  # noqa: PLC0415
    from smi_conformance.cluster.workload import IMAGE  # noqa: PLC0415
    from smi_conformance.meshes.profile import load as profile_of  # noqa: PLC0415

    for part in parts or ():
        validate.one_of("part", part, PARTS)
    validate.mesh(mesh)
    found = [("suite", image or IMAGE), *(("mesh", one) for one in _of_mesh(profile_of(mesh)))]
    found += [("cluster", kind_image)] if kind_image else []
    return [(part, reference) for part, reference in found if not parts or part in parts]


def _of_mesh(profile: Profile) -> list[str]:
    """What the profile names; of a mesh that names none nothing can be said."""
    return list(dict.fromkeys(profile.images))
