"""Archives of images: what is refused, and what is written."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smi_conformance.images import archive
from smi_conformance.images.archive import ArchiveError, Blob, Image

CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["A=1"]},
    "rootfs": {"type": "layers", "diff_ids": []},
}
Change = Callable[[tarfile.TarFile], None]


def tar_with(path: Path, *members: tuple[str, bytes], change: Change | None = None) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if change:
            change(tar)
    return path


def manifest(**changed: Any) -> tuple[str, bytes]:
    told = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["l.tar"], **changed}
    return "manifest.json", json.dumps([told]).encode()


GOOD = (("c.json", json.dumps(CONFIG).encode()), ("l.tar", b"layer"))


def linked(target: str) -> Change:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo("l.tar")
        info.type, info.linkname = tarfile.SYMTYPE, target
        tar.addfile(info)

    return add


def device(tar: tarfile.TarFile) -> None:
    info = tarfile.TarInfo("zero")
    info.type = tarfile.CHRTYPE
    tar.addfile(info)


def test_a_good_one(tmp_path: Path) -> None:
    """Names, configuration and layers."""
    (image,) = archive.read(tar_with(tmp_path / "a.tar", *GOOD, manifest()))
    assert (image.tags, json.loads(image.config), len(image.layers)) == (("app:1",), CONFIG, 1)


def test_a_layer_that_is_a_link(tmp_path: Path) -> None:
    """As older engines write one that two images share."""
    path = tar_with(tmp_path / "a.tar", GOOD[0], ("x/l.tar", b"layer"), manifest(), change=linked("x/l.tar"))
    (image,) = archive.read(path)
    assert image.layers == (Blob(path, "x/l.tar"),)


@pytest.mark.parametrize(
    ("members", "change", "told"),
    [
        ((("../evil", b""), *GOOD, manifest()), None, "leads out of it"),
        ((("/etc/passwd", b""), *GOOD, manifest()), None, "leads out of it"),
        ((*GOOD, manifest()), device, "neither a file nor a folder"),
        ((GOOD[0], manifest()), linked("../../etc/passwd"), "does not hold it"),
        ((GOOD[0], manifest()), linked("l.tar"), "does not hold it"),
        ((GOOD[0], manifest()), None, "names l.tar and does not hold it"),
        ((*GOOD, manifest(RepoTags=["x; rm -rf /"])), None, "no name of an image"),
        ((*GOOD, manifest(Layers=None)), None, "not one of `docker save`"),
        ((*GOOD, ("manifest.json", b"{")), None, "manifest.json is no JSON"),
        ((*GOOD, ("manifest.json", b" " * (archive.LARGEST_JSON + 1))), None, "too many"),
        (GOOD, None, "names manifest.json and does not hold it"),
    ],
)
def test_what_is_refused(tmp_path: Path, members: Any, change: Change | None, told: str) -> None:
    """In one line; nothing is written."""
    path = tar_with(tmp_path / "a.tar", *members, change=change)
    with pytest.raises(ArchiveError, match=told) as caught:
        archive.read(path)
    assert len(str(caught.value).splitlines()) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["a.tar"]


def test_what_is_no_archive(tmp_path: Path) -> None:
    """Also one that is compressed, which nothing here would write."""
    (tmp_path / "a.tar").write_bytes(b"\x1f\x8b nonsense" * 100)
    with pytest.raises(ArchiveError, match=r"no archive of images"):
        archive.read(tmp_path / "a.tar")
    with pytest.raises(ArchiveError, match=r"cannot be read: No such file"):
        archive.read(tmp_path / "absent.tar")


def test_written_and_read_again(tmp_path: Path) -> None:
    """Two images that share a layer; the same bytes each time; a checksum beside."""
    source = tar_with(tmp_path / "a.tar", *GOOD, manifest())
    (one,) = archive.read(source)
    (tmp_path / "root" / "d").mkdir(parents=True)
    (tmp_path / "root" / "d" / "f").write_text("x")
    archive.pack(tmp_path / "root", tmp_path / "layer.tar")
    two = one.over("made:1", tmp_path / "layer.tar", ["B=2"], ["run"])
    for name in ("x.tar", "y.tar"):
        archive.write(tmp_path / name, [one, two])
        archive.verify(tmp_path / name)
    assert (tmp_path / "x.tar").read_bytes() == (tmp_path / "y.tar").read_bytes()
    first, second = archive.read(tmp_path / "x.tar")
    assert (first.tags, second.tags) == (("app:1",), ("made:1",))
    told = json.loads(second.config)
    assert told["config"] == {"Env": ["A=1", "B=2"], "Cmd": ["run"], "Entrypoint": None}
    assert told["rootfs"]["diff_ids"] == [f"sha256:{archive.sha256(tmp_path / 'layer.tar')}"]
    assert first.layers[0].member == second.layers[0].member
    with tarfile.open(tmp_path / "layer.tar") as layer:
        assert {(m.name, m.uid, m.mtime) for m in layer} == {("d", 0, 0), ("d/f", 0, 0)}


def test_a_configuration_that_is_none(tmp_path: Path) -> None:
    """Of a base that is no image."""
    (tmp_path / "l").write_bytes(b"")
    with pytest.raises(ArchiveError, match=r"is not one of an image"):
        Image(("x",), b"[]", ()).over("y", tmp_path / "l", [], [])


def test_checksums(tmp_path: Path) -> None:
    """Another content, no checksum, or something else in its place."""
    path = tar_with(tmp_path / "a.tar", *GOOD, manifest())
    with pytest.raises(ArchiveError, match=r"a.tar.sha256 cannot be read: No such file"):
        archive.verify(path)
    archive.checksum(path).write_text("")
    with pytest.raises(ArchiveError, match=r"it is no checksum"):
        archive.verify(path)
    archive.checksum(path).write_text("0" * 64 + "  a.tar\n")
    with pytest.raises(ArchiveError, match=r"got .*, want 0000"):
        archive.verify(path)
