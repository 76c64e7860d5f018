"""Images from registries into an archive, and from an archive into a cluster: by the tool that is there."""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from smi_conformance.cluster.mesh_image import BASE, IMAGE
from smi_conformance.cluster.programs import LONG, ProgramError, output
from smi_conformance.images import archive, host_root
from smi_conformance.images.archive import ArchiveError, Image

TOOLS = ("docker", "podman", "skopeo")
SITE = "PYTHONPATH=/usr/local/lib/python3.11/dist-packages"
PYTHON = ("python3",)
NO_TOOL = (
    f"none of {', '.join(TOOLS)} is on the PATH, and nothing else can fetch {{}}: install one of them, or run this "
    "where one is and carry the archive"
)

Progress = Callable[[str], None]


def tool(among: Iterable[str] = TOOLS) -> str | None:
    """The first of the tools that is installed."""
    return next((name for name in among if shutil.which(name)), None)


def save(path: Path, references: Sequence[str], progress: Progress) -> list[Image]:
    """Write the images into one archive. The reference mesh's, which no registry has, is made.

    Raises ArchiveError, OSError.
    """
    made = IMAGE in references
    fetched = [one for one in references if one != IMAGE]
    found = tool()
    if fetched and not found:
        raise ArchiveError(NO_TOOL.format(", ".join(fetched)))
    below = [BASE] if made and found and BASE not in fetched else []  # what the mesh's image is made upon
    with tempfile.TemporaryDirectory(prefix="smi-images-", dir=path.parent) as scratch:
        images = _fetched(found, [*fetched, *below], Path(scratch), progress)
        if made:
            progress(f"making {IMAGE}")
            images.append(_mesh_image(_named(images, BASE), Path(scratch)))
        progress(f"writing {path}")
        archive.write(path, [one for one in images if not (below and BASE in _short(one.tags))])
    return archive.read(path)


def _fetched(found: str | None, references: Sequence[str], place: Path, progress: Progress) -> list[Image]:
    images: list[Image] = []
    for number, reference in enumerate(references):
        progress(f"fetching {reference}")
        file = place / f"{number}.tar"
        if found == "skopeo":
            _run(["skopeo", "copy", f"docker://{reference}", f"docker-archive:{file}:{reference}"])
        else:
            assert found
            _pull(found, reference)
            _run([found, "save", "--output", str(file), reference])
        images += archive.read(file)
    return images


def _pull(engine: str, reference: str) -> None:
    """Have an image in the engine: one that is there is taken as it is."""
    try:
        output([engine, "image", "inspect", reference])
    except ProgramError:
        _run([engine, "pull", reference])


def _run(words: Sequence[str], hint: str = "") -> None:
    """Let another program do its part. Raises ArchiveError."""
    try:
        output(words, LONG)
    except ProgramError as error:
        raise ArchiveError(f"{error}{hint}") from error


def _named(images: Iterable[Image], reference: str) -> Image | None:
    return next((one for one in images if reference in _short(one.tags)), None)


def _short(tags: Iterable[str]) -> list[str]:
    """Names without the registry that is meant when none is said."""
    return [tag.removeprefix("docker.io/").removeprefix("library/") for tag in tags]


def _mesh_image(base: Image | None, place: Path) -> Image:
    """The image of the reference mesh, upon a base or upon what this machine runs."""
    from smi_conformance.lab.mesh import image  # noqa: PLC0415  # stands on the optional extra

    image.write(place / "root")
    environment = [SITE]
    if base is None:
        host_root.write(place / "root")
        told = {"architecture": _machine(), "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
        base = Image((), json.dumps(told).encode(), ())
        environment += host_root.ENVIRONMENT
    archive.pack(place / "root", place / "root.tar")
    return base.over(IMAGE, place / "root.tar", environment, PYTHON)


def _machine() -> str:
    """The processor, as images name it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def load(path: Path, into: str, progress: Progress) -> None:
    """Bring an archive's images to where a cluster finds them; the archive is checked first.

    `into`: `kind` or `kind:NAME`, `docker`, `podman`, or a registry as HOST/PATH. Raises ArchiveError.
    """
    archive.verify(path)
    images = archive.read(path)
    program, _, name = into.partition(":")
    if program == "kind":
        named = ["--name", name] if name else []
        _run(["kind", "load", "image-archive", str(path), *named], ": install it, or load into an engine or a registry")
    elif into in ("docker", "podman"):
        _run([into, "load", "--input", str(path)], ": install it, or load into kind or a registry")
    else:
        for tag in (tag for image in images for tag in image.tags):
            progress(f"copying {tag}")
            target = f"docker://{into.rstrip('/')}/{_short([tag])[0]}"
            _run(["skopeo", "copy", f"docker-archive:{path}:{tag}", target], ": it is what copies into a registry")
