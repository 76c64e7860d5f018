"""A root with Python for an image, made of what this machine runs: for where no base image can be had.

It holds the interpreter, its standard library and the shared libraries that they and the given programs load; no shell
and no tools. It fits the processor and the C library of this machine, and no other.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from smi_conformance.images.archive import ArchiveError

LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "ensurepip"
)
LIBRARY = re.compile(r"(?:\S+ => )?(/\S+) \(0x")
ENVIRONMENT = ("PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONHOME=/usr/local", "LD_LIBRARY_PATH=/usr/local/lib/host")


def write(folder: Path) -> None:
    """Add the root to a folder that may already hold packages and programs. Raises ArchiveError, OSError."""
    if not sys.platform.startswith("linux"):
        raise ArchiveError("an image can be made without an engine on Linux only: install docker, podman or skopeo")
    interpreter = Path(sys.executable).resolve()
    standard = Path(sysconfig.get_path("stdlib"))
    place = folder / "usr/local"
    shutil.copytree(standard, place / "lib" / standard.name, ignore=LEFT_OUT, dirs_exist_ok=True)
    (place / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy2(interpreter, place / "bin" / "python3")
    _libraries(folder, [interpreter, *_compiled(folder)])
    _system(folder)


def _compiled(folder: Path) -> Iterator[Path]:
    """What has to be linked at run time: extension modules and programs."""
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink() and (".so" in file.name or file.parent.name == "bin"):
            yield file


def _libraries(folder: Path, files: Iterable[Path]) -> None:
    """Copy what the files load: the loader to its own place, the others together."""
    place = folder / "usr/local/lib/host"
    place.mkdir(parents=True, exist_ok=True)
    for library in sorted({library for file in files for library in _needed(file)}):
        target = folder / library.relative_to("/") if library.name.startswith("ld-") else place / library.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() and not library.is_relative_to(folder):
            shutil.copyfile(library.resolve(), target)
            target.chmod(0o755)


def _needed(file: Path) -> list[Path]:
    """What the loader finds for a file; nothing for a file that is not linked."""
    try:
        done = subprocess.run(["ldd", str(file)], capture_output=True, text=True, timeout=30, check=False)  # noqa: S607
    except OSError as error:
        raise ArchiveError("an image cannot be made without an engine here: there is no ldd") from error
    return [Path(found[1]) for line in done.stdout.splitlines() if (found := LIBRARY.match(line.strip()))]


def _system(folder: Path) -> None:
    """What programs expect of any system."""
    for name, mode in (("tmp", 0o1777), ("etc", 0o755), ("proc", 0o755), ("dev", 0o755), ("run", 0o755)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(mode)
    (folder / "etc/passwd").write_text("root:x:0:0:root:/:\nnobody:x:65534:65534:nobody:/:\n")
    (folder / "etc/nsswitch.conf").write_text("hosts: files dns\n")
