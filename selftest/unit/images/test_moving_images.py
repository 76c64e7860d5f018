"""Other people's tools, of which a recording one stands in the PATH."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from pathlib import Path

import pytest

from selftest.unit.images.test_archives import GOOD, manifest, tar_with
from smi_conformance.images import archive, moving
from smi_conformance.images.archive import ArchiveError

TOOL = """#!{python}
import json, shutil, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
name, words = {name!r}, sys.argv[1:]
if words[:2] == ["image", "inspect"]:
    sys.exit("no such image")
if words[0] == "save":
    shutil.copy({image!r}, words[words.index("--output") + 1])
if words[0] == "copy" and words[2].startswith("docker-archive:"):
    shutil.copy({image!r}, words[2].split(":")[1])
if words[-1].endswith("refused"):
    sys.exit("ERROR: refused")
"""


class Tools:
    """A PATH with only these tools; what was asked of them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.log = folder / "bin", folder / "log"
        self.folder.mkdir()
        self.image = tar_with(folder / "fetched.tar", *GOOD, manifest())
        monkeypatch.setenv("PATH", str(self.folder))

    def add(self, name: str) -> None:
        file = self.folder / name
        file.write_text(TOOL.format(python=sys.executable, log=str(self.log), image=str(self.image), name=name))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    @property
    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    return Tools(tmp_path, monkeypatch)


def nothing(_: str) -> None:
    """No progress."""


def test_without_a_tool(tools: Tools, tmp_path: Path) -> None:
    """One line, with what can be done."""
    with pytest.raises(ArchiveError, match=r"none of docker, podman, skopeo is on the PATH.*app:1: install one"):
        moving.save(tmp_path / "a.tar", ["app:1"], nothing)
    assert not (tmp_path / "a.tar").exists()


def test_an_engine_pulls_what_it_lacks(tools: Tools, tmp_path: Path) -> None:
    """And saves it; nothing of the work stays."""
    tools.add("podman")
    (image,) = moving.save(tmp_path / "a.tar", ["app:1"], nothing)
    assert image.tags == ("app:1",)
    assert [words[:2] for words in tools.asked] == [["image", "inspect"], ["pull", "app:1"], ["save", "--output"]]
    assert {one.name for one in tmp_path.iterdir()} == {"bin", "log", "fetched.tar", "a.tar", "a.tar.sha256"}


def test_skopeo_needs_no_engine(tools: Tools, tmp_path: Path) -> None:
    """It copies from the registry."""
    tools.add("skopeo")
    moving.save(tmp_path / "a.tar", ["app:1"], nothing)
    ((verb, source, target),) = tools.asked
    assert (verb, source, target.endswith(".tar:app:1")) == ("copy", "docker://app:1", True)


@pytest.mark.parametrize(
    ("into", "tool", "words"),
    [
        ("kind", "kind", ["load", "image-archive", "FILE"]),
        ("kind:mine", "kind", ["load", "image-archive", "FILE", "--name", "mine"]),
        ("docker", "docker", ["load", "--input", "FILE"]),
        ("registry.local/smi", "skopeo", ["copy", "docker-archive:FILE:app:1", "docker://registry.local/smi/app:1"]),
    ],
)
def test_loading(tools: Tools, tmp_path: Path, into: str, tool: str, words: list[str]) -> None:
    """By the tool of each place, after a look at the archive."""
    archive.write(tmp_path / "a.tar", archive.read(tools.image))
    with pytest.raises(ArchiveError, match=f"{tool} is not on PATH: "):
        moving.load(tmp_path / "a.tar", into, nothing)
    tools.add(tool)
    moving.load(tmp_path / "a.tar", into, nothing)
    assert tools.asked == [[word.replace("FILE", str(tmp_path / "a.tar")) for word in words]]


def test_a_changed_archive_is_not_loaded(tools: Tools, tmp_path: Path) -> None:
    """The checksum comes first."""
    tools.add("docker")
    archive.write(tmp_path / "a.tar", archive.read(tools.image))
    shutil.copy(tools.image, tmp_path / "a.tar")
    with pytest.raises(ArchiveError, match=r"is not what a.tar.sha256 says"):
        moving.load(tmp_path / "a.tar", "docker", nothing)
    assert tools.asked == []


def test_a_tool_that_fails(tools: Tools, tmp_path: Path) -> None:
    """In its own words."""
    tools.add("skopeo")
    with pytest.raises(ArchiveError, match=r"skopeo copy .*ERROR: refused"):
        moving.save(tmp_path / "b.tar", ["app:refused"], nothing)
