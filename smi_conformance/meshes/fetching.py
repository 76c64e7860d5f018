"""What installing a mesh needs, fetched and held against its SHA-256. Nothing without a checksum is used."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import requests
import yaml

from smi_conformance.cluster.port import ClusterError
from smi_conformance.meshes.profile import Profile
from smi_conformance.meshes.recipe import Source

TIMEOUT = 120  # seconds for one source
MOST = 64 * 2**20  # bytes of a file; charts and manifests have a thousandth of it
CHECKSUM = re.compile("(?:([^=]+)=)?sha256:([0-9a-f]{64})")


class InstallError(Exception):
    """The mesh cannot be installed as things are; one line says what to give or to do."""


def sources_of(profile: Profile) -> Mapping[str, Source]:
    """What the installation of a mesh needs, by name; nothing for a mesh that the suite installs by itself."""
    return profile.installation.sources if profile.installation else {}


def given_checksums(profile: Profile, words: Iterable[str]) -> dict[str, str]:
    """Source to SHA-256, from `--checksum [NAME=]sha256:...`; without a name that of the one source that lacks it.

    Raises InstallError.
    """
    lacking = [name for name, source in sources_of(profile).items() if not source.sha256]
    made = {}
    for word in words:
        found = CHECKSUM.fullmatch(word)
        if not found:
            raise InstallError(f"--checksum takes [NAME=]sha256: and 64 hexadecimal digits, not '{word}'")
        name = found[1] or (lacking[0] if len(lacking) == 1 else "")
        if name not in sources_of(profile):
            known = ", ".join(sources_of(profile)) or "it has none"
            raise InstallError(f"--checksum NAME=sha256:...: of which source of {profile.name} is '{word}'? {known}")
        made[name] = found[2]
    return made


def read_lock(profile: Profile, path: Path) -> dict[str, str]:
    """Source to SHA-256, from a file that `mesh lock` made. Raises InstallError."""
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
        mesh, sources = read["mesh"], read["sources"]
        words = [f"{name}={checksum}" for name, checksum in sources.items()]
    except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError, UnicodeDecodeError) as error:
        raise InstallError(f"{path} is no lock file of a mesh: make one by `mesh lock {profile.name}`") from error
    if mesh != profile.name:
        raise InstallError(f"{path} is the lock file of {mesh}, not of {profile.name}")
    return given_checksums(profile, words)


def checksums(profile: Profile, given: Mapping[str, str]) -> dict[str, str]:
    """The checksum of each source: the profile's, else the given one. Raises InstallError where one is missing."""
    made = {}
    for name, source in sources_of(profile).items():
        if source.sha256 and given.get(name, source.sha256) != source.sha256:
            raise InstallError(f"{profile.name}: the profile has another checksum of {name}: sha256:{source.sha256}")
        found = source.sha256 or given.get(name)
        if not found:
            raise InstallError(
                f"mesh {profile.name} is not installed: nobody has said the checksum of {name} ({source}): give "
                f"--checksum {name}=sha256:..., or --lock FILE made by `smi-conformance mesh lock {profile.name}`"
            )
        made[name] = found
    return made


def fetch(profile: Profile, folder: Path, wanted: Mapping[str, str] | None) -> dict[str, tuple[Path, str]]:
    """Source to where it is, and its SHA-256, which `wanted` has to agree with. Raises InstallError, ClusterError."""
    made = {}
    for name, source in sources_of(profile).items():
        path = _fetched(source, folder / name)
        found = sha256(path)
        if wanted is not None and found != wanted[name]:
            raise InstallError(f"{name} ({source}) has sha256:{found}, want sha256:{wanted[name]}: it is not used")
        made[name] = (path, found)
    return made


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetched(source: Source, folder: Path) -> Path:
    folder.mkdir(parents=True)
    if source.command:
        return Path(tool(source.command))
    return _chart(source, folder) if source.chart else _file(str(source.url), folder)


def tool(name: str) -> str:
    """The path of a command. Raises InstallError where there is none."""
    found = shutil.which(name)
    if not found:
        raise InstallError(f"the command {name} is not on the PATH: install it first")
    return found


def _chart(source: Source, folder: Path) -> Path:
    argv = [tool("helm"), "pull", str(source.chart), "--repo", str(source.repo), "--version", str(source.version)]
    try:
        done = subprocess.run(
            [*argv, "--destination", str(folder)], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{source} did not come within {TIMEOUT} s") from error
    files = list(folder.iterdir())
    if done.returncode or len(files) != 1:
        raise ClusterError(f"{source} cannot be had: {_last(done.stderr)}")
    return files[0]


def _file(url: str, folder: Path) -> Path:
    path = folder / (url.rsplit("/", 1)[-1] or "file")
    try:
        with requests.get(url, timeout=TIMEOUT, stream=True) as answer:
            answer.raise_for_status()
            with path.open("wb") as file:
                for chunk in answer.iter_content(2**16):
                    if file.write(chunk) and file.tell() > MOST:
                        raise ClusterError(f"file {url} is larger than {MOST >> 20} MiB: it is not used")
    except requests.RequestException as error:
        raise ClusterError(f"file {url} cannot be had: {_last(str(error))}") from error
    return path


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no reason told"])[-1][:300]
