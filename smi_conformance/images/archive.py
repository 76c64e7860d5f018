"""Archives of images as `docker save` writes them: read with distrust, written alike for the same content.

Nothing of an archive is ever unpacked to the disk: its members are looked at, and copied as they are.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

LARGEST_JSON = 4 << 20  # bytes: a manifest or a configuration is a few kilobytes
MEMBERS = 10_000
TAG = re.compile(r"[\w.\-:/]{1,255}@?[\w.\-:]*")


class ArchiveError(Exception):
    """The archive cannot be used: unreadable, unsafe, incomplete, or not what its checksum says."""


@dataclass(frozen=True)
class Blob:
    """A layer: a member of an archive, or without a member a file of its own."""

    file: Path
    member: str | None = None


@dataclass(frozen=True)
class Image:
    """One image: its names, its configuration as it stands, and its layers, the lowest first."""

    tags: tuple[str, ...]
    config: bytes
    layers: tuple[Blob, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration, which is the image's id."""
        return hashlib.sha256(self.config).hexdigest()

    def over(self, tag: str, layer: Path, environment: Sequence[str], command: Sequence[str]) -> Image:
        """A new image: this one with a layer upon it, as a tar file. Raises ArchiveError."""
        try:
            told = json.loads(self.config)
            told["rootfs"]["diff_ids"].append(f"sha256:{sha256(layer)}")
            settings = told.setdefault("config", {}) or {}
            settings["Env"] = [*(settings.get("Env") or ()), *environment]
            settings["Cmd"], settings["Entrypoint"] = list(command), None
            told["config"], told["history"] = (
                settings,
                [*(told.get("history") or ()), {"created_by": "smi-conformance"}],
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArchiveError(f"the configuration of {', '.join(self.tags)} is not one of an image") from error
        config = json.dumps(told, sort_keys=True).encode()
        return replace(self, tags=(tag,), config=config, layers=(*self.layers, Blob(layer)))


def sha256(path: Path) -> str:
    """Of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> list[Image]:
    """The images of an archive. Raises ArchiveError, with one line, for whatever is not as it has to be."""
    try:
        with tarfile.open(path, "r:") as tar:
            members = dict(_members(tar))
            manifest = _json(tar, members, "manifest.json")
            return [_image(path, tar, members, one) for one in manifest]
    except (tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path} is no archive of images: {error}") from error
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(f"{path}: its manifest.json is not one of `docker save`") from error


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    for count, member in enumerate(tar):
        name = PurePosixPath(member.name)
        if count >= MEMBERS:
            raise ArchiveError(f"{_named(tar)} has more than {MEMBERS} members: no archive of images")
        if name.is_absolute() or ".." in name.parts:
            raise ArchiveError(f"{_named(tar)} holds {member.name!r}, which leads out of it")
        if not (member.isfile() or member.isdir() or member.issym()):
            raise ArchiveError(f"{_named(tar)} holds {member.name!r}, which is neither a file nor a folder")
        if member.isfile() or member.issym():
            yield str(name), member


def _named(tar: tarfile.TarFile) -> str:
    return os.fsdecode(tar.name or b"the archive")


def _resolved(members: dict[str, tarfile.TarInfo], name: str) -> tarfile.TarInfo:
    """A member, through one link: older engines write a layer that two images share as a link."""
    member = members.get(name)
    if member is not None and member.issym():
        parts: list[str] = []
        for part in (PurePosixPath(name).parent / member.linkname).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        member = members.get("/".join(parts))
    if member is None or not member.isfile():
        raise ArchiveError(f"the archive names {name} and does not hold it")
    return member


def _content(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str) -> bytes:
    member = _resolved(members, name)
    if member.size > LARGEST_JSON:
        raise ArchiveError(f"{name} has {member.size} bytes: too many for what it should be")
    file = tar.extractfile(member)
    assert file
    return file.read()


def _json(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str) -> Any:
    try:
        return json.loads(_content(tar, members, name))
    except ValueError as error:
        raise ArchiveError(f"{_named(tar)}: {name} is no JSON") from error


def _image(path: Path, tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], told: dict[str, Any]) -> Image:
    tags = tuple(str(tag) for tag in told.get("RepoTags") or ())
    for tag in tags:
        if not TAG.fullmatch(tag):
            raise ArchiveError(f"{path}: {tag!r} is no name of an image")
    layers = tuple(Blob(path, _resolved(members, str(name)).name) for name in told["Layers"])
    return Image(tags, _content(tar, members, str(told["Config"])), layers)


def write(path: Path, images: Sequence[Image]) -> None:
    """One archive of several images, and its checksum beside it. The same images give the same bytes.

    Raises OSError, ArchiveError.
    """
    part = path.with_name(f"{path.name}.part")
    with tarfile.open(part, "w") as tar:
        manifest = [_put(tar, image) for image in images]
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    part.replace(path)
    checksum(path).write_text(f"{sha256(path)}  {path.name}\n")


def checksum(path: Path) -> Path:
    """The file beside an archive, in the form of `sha256sum`."""
    return path.with_name(f"{path.name}.sha256")


def verify(path: Path) -> None:
    """Compare an archive with the checksum beside it. Raises ArchiveError, also when there is none."""
    try:
        wanted = checksum(path).read_text(encoding="ascii").split()[0]
        found = sha256(path)
    except (OSError, UnicodeDecodeError, IndexError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no checksum"
        raise ArchiveError(f"{path} or {checksum(path).name} cannot be read: {why}") from error
    if wanted != found:
        raise ArchiveError(f"{path} is not what {checksum(path).name} says: got {found}, want {wanted}")


def _put(tar: tarfile.TarFile, image: Image) -> dict[str, Any]:
    """Write an image's parts, those that are not there yet; its entry of the manifest."""
    there = set(tar.getnames())
    names = []
    for blob in image.layers:
        digest, size = _measured(blob)
        names.append(f"{digest}.tar")
        if names[-1] not in there:
            there.add(names[-1])
            with opened(blob) as file:
                tar.addfile(_info(names[-1], size), file)
    if f"{image.digest}.json" not in there:
        _add(tar, f"{image.digest}.json", image.config)
    return {"Config": f"{image.digest}.json", "RepoTags": list(image.tags), "Layers": names}


def _measured(blob: Blob) -> tuple[str, int]:
    """SHA-256 and size of a layer."""
    found, size = hashlib.sha256(), 0
    with opened(blob) as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
            size += len(chunk)
    return found.hexdigest(), size


@contextmanager
def opened(blob: Blob) -> Iterator[IO[bytes]]:
    """The content of a layer."""
    if blob.member is None:
        with blob.file.open("rb") as file:
            yield file
        return
    with tarfile.open(blob.file, "r:") as tar:
        member = tar.extractfile(blob.member)
        assert member
        yield member


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    return info


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_info(name, len(content)), io.BytesIO(content))


def pack(folder: Path, path: Path) -> None:
    """A folder as a layer: owned by root, without times, so that the same content gives the same layer."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        return info

    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry in sorted(folder.iterdir()):
            tar.add(entry, entry.name, filter=plain)
