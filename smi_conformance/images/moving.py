"""Images from registries into an archive, and from an archive into a cluster: by the tool that is there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from smi_conformance.cluster.mesh_image import BASE, IMAGE
from smi_conformance.cluster.port import ClusterError
from smi_conformance.cluster.programs import LONG, output
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

    Raises ArchiveError, ClusterError, OSError.
    """
    made = IMAGE in references
    fetched = [one for one in references if one != IMAGE]
    found = tool()
    if fetched and not found:
        raise ArchiveError(NO_TOOL.format(", ".join(fetched)))
    with tempfile.TemporaryDirectory(prefix="smi-images-", dir=path.parent) as scratch:
        place = Path(scratch)
        images = _fetched(
            found, [*fetched, *([BASE] if made and found and BASE not in fetched else [])], place, progress
        )
        if made:
            progress(f"making {IMAGE}")
            images.append(_mesh_image(_named(images, BASE), place))
        chosen = [one for one in images if made or BASE in references or BASE not in _short(one.tags)]
        chosen = [one for one in chosen if BASE in fetched or BASE not in _short(one.tags)]
        progress(f"writing {path}")
        archive.write(path, chosen)
    return archive.read(path)


def _fetched(found: str | None, references: Sequence[str], place: Path, progress: Progress) -> list[Image]:
    images: list[Image] = []
    for number, reference in enumerate(references):
        progress(f"fetching {reference}")
        file = place / f"{number}.tar"
        if found == "skopeo":
            output(["skopeo", "copy", f"docker://{reference}", f"docker-archive:{file}:{reference}"], "", LONG)
        else:
            assert found
            _pull(found, reference)
            output([found, "save", "--output", str(file), reference], "", LONG)
        images += archive.read(file)
    return images


def _pull(engine: str, reference: str) -> None:
    """Have an image in the engine: one that is there is taken as it is."""
    try:
        output([engine, "image", "inspect", reference], "")
    except ClusterError:
        output([engine, "pull", reference], "", LONG)


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
        base = Image(
            (), b'{"architecture": "%s", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}' % _machine(), ()
        )
        environment += host_root.ENVIRONMENT
    archive.pack(place / "root", place / "root.tar")
    return base.over(IMAGE, place / "root.tar", environment, PYTHON)


def _machine() -> bytes:
    import platform  # noqa: PLC0415

    return {"x86_64": b"amd64", "aarch64": b"arm64"}.get(platform.machine(), platform.machine().encode())


def load(path: Path, into: str, progress: Progress) -> None:
    """Bring an archive's images to where a cluster finds them; the archive is checked first.

    `into`: `kind` or `kind:NAME`, `docker`, `podman`, or a registry as HOST/PATH. Raises ArchiveError, ClusterError.
    """
    archive.verify(path)
    images = archive.read(path)
    program, _, name = into.partition(":")
    if program == "kind":
        words = ["kind", "load", "image-archive", str(path), *(["--name", name] if name else [])]
        output(words, "kind is not on the PATH: install it, or load into docker or a registry", LONG)
    elif into in ("docker", "podman"):
        output([into, "load", "--input", str(path)], f"{into} is not on the PATH", LONG)
    else:
        for tag in (tag for image in images for tag in image.tags):
            progress(f"copying {tag}")
            _copy(path, tag, into)


def _copy(path: Path, tag: str, registry: str) -> None:
    target = f"docker://{registry.rstrip('/')}/{_short([tag])[0]}"
    words = ["skopeo", "copy", f"docker-archive:{path}:{tag}", target]
    output(words, "skopeo is not on the PATH, which copies into a registry: install it", LONG)
