"""The image of the reference mesh: no registry has it, so it is made in the engine that runs the nodes of kind."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from smi_conformance.cluster.engine import Engine
from smi_conformance.cluster.port import ClusterError
from smi_conformance.cluster.programs import LONG

IMAGE = "smi-reference-mesh:dev"
BASE = "python:3.11-slim"
LABEL = "smi-conformance.sources"
CONTAINERFILE = """FROM {base}
LABEL {label}={sources}
ENV PYTHONPATH=/usr/local/lib/python3.11/dist-packages
COPY root/ /
"""


def ensure(engine: Engine, progress: Callable[[str], None]) -> None:
    """Make the image unless one of the present sources is there, or one that somebody else has made.

    Nothing is downloaded: the base has to be there. Raises ClusterError.
    """
    found, sources = engine.label(IMAGE, LABEL), _sources()
    if found in (sources, ""):
        return
    if not engine.has(BASE):
        if found is None:
            raise ClusterError(
                f"{engine.name} has neither {IMAGE} nor what it is made of: {engine.name} pull {BASE}, and run again"
            )
        progress(f"{IMAGE} was made of other sources, and there is no {BASE} to make it anew")
        return
    progress(f"making {IMAGE} upon {BASE}")
    _make(engine, sources)


def _sources() -> str:
    """SHA-256 of the mesh's program."""
    found = hashlib.sha256()
    package = resources.files("smi_conformance.lab.mesh")
    for file in sorted((one for one in package.iterdir() if one.name.endswith(".py")), key=lambda one: one.name):
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def _make(engine: Engine, sources: str) -> None:
    if sys.version_info[:2] != (3, 11):
        raise ClusterError(f"{IMAGE} takes packages of Python 3.11 from here: run the suite with Python 3.11")
    try:
        from smi_conformance.lab.mesh.image import write  # noqa: PLC0415  # stands on the optional extra
    except ImportError as error:
        raise ClusterError(f"{IMAGE} needs the extra 'lab' ({error}): pip install 'smi-conformance[lab]'") from error
    with tempfile.TemporaryDirectory(prefix="smi-image-") as folder:
        place = Path(folder)
        write(place / "root")
        text = CONTAINERFILE.format(base=BASE, label=LABEL, sources=sources)
        (place / "Containerfile").write_text(text)
        engine.ask("build", "--tag", IMAGE, "--file", str(place / "Containerfile"), folder, timeout=LONG)
