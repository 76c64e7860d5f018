"""`--cluster kind`: what is created is deleted, what was there stays, and whatever fails is told in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from selftest.unit.cluster import fake_kind
from smi_conformance.cluster import kind
from smi_conformance.cluster.backends import Asked, Backend, open_backend
from smi_conformance.cluster.port import ClusterError

NEW = Asked("kind", run="abcde", images=("python:3-slim", "mesh:dev"))
MINE = Asked("kind:mine", run="abcde")


@dataclass
class World:
    """The fake engine, and what a run said."""

    folder: Path
    said: list[str]

    def open(self, asked: Asked) -> Backend:
        return open_backend(asked, self.said.append)

    def feels(self, *mood: str) -> None:
        (self.folder / "mood").write_text(" ".join(mood))

    @property
    def clusters(self) -> set[str]:
        return {path.name for path in (self.folder / "clusters").iterdir()}

    def asked(self, program: str) -> list[list[str]]:
        lines = (self.folder / "asked").read_text().splitlines()
        return [words[1:] for words in map(json.loads, lines) if words[0] == program]

    @property
    def private(self) -> list[Path]:
        return list((self.folder / "tmp").iterdir())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    fake_kind.install(tmp_path, monkeypatch)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    return World(tmp_path, [])


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server of a cluster that is there already answers."""
    monkeypatch.setattr(kind, "reachable", lambda _: None)


def test_what_a_run_creates_it_deletes(world: World) -> None:
    """With a kubeconfig of its own that nobody else can read, and the images that are here."""
    world.feels("python:3-slim")
    backend = world.open(NEW)
    assert (backend.name, backend.title, backend.owned, world.clusters) == ("kind", "smi-abcde", True, {"smi-abcde"})
    assert backend.kubeconfig
    assert backend.kubeconfig.parent.stat().st_mode & 0o077 == 0
    loads = [words for words in world.asked("kind") if words[0] == "load"]
    assert loads == [["load", "docker-image", "--name", "smi-abcde", "python:3-slim"]]
    assert "not in docker, so the nodes pull it: mesh:dev" in world.said
    backend.close()
    assert (world.clusters, world.private) == (set(), [])


def test_two_runs_have_clusters_of_their_own(world: World) -> None:
    """The end of one is not the end of the other."""
    first, second = world.open(NEW), world.open(replace(NEW, run="fghij"))
    first.close()
    assert world.clusters == {"smi-fghij"}
    second.close()


def test_a_cluster_that_was_there_stays(world: World, answering: None) -> None:
    """It is asked for by its name."""
    (world.folder / "clusters" / "mine").touch()
    backend = world.open(MINE)
    assert (backend.owned, backend.ours) == (False, True)
    backend.close()
    assert (world.clusters, world.private) == ({"mine"}, [])
    assert not [words for words in world.asked("kind") if words[0] in ("create", "delete")]


def test_a_mesh_that_a_run_does_not_install(world: World, answering: None) -> None:
    """No cluster is made for it; in one that is there its owner has installed it."""
    with pytest.raises(ClusterError, match="a run does not install this one"):
        world.open(replace(MINE, equip=False))
    assert not [words for words in world.asked("kind") if words[0] == "create"]
    (world.folder / "clusters" / "mine").touch()
    backend = world.open(replace(MINE, equip=False))
    assert not backend.ours
    backend.close()


def test_a_named_cluster_that_was_not_there_goes(world: World) -> None:
    """Unless it is to be kept, which is told with the way to it."""
    world.open(MINE).close()
    assert world.clusters == set()
    world.open(replace(MINE, keep=True)).close()
    assert (world.clusters, world.private) == ({"mine"}, [])
    assert "kind delete cluster --name mine" in world.said[-1]


def test_nodes_and_image_of_a_new_cluster(world: World, tmp_path: Path) -> None:
    """As kind wants them said."""
    world.open(replace(NEW, kind_image="node:v1", kind_nodes=3)).close()
    words = next(words for words in world.asked("kind") if words[0] == "create")
    assert words[words.index("--image") + 1] == "node:v1"
    assert "--config" in words
    assert yaml.safe_load(yaml.safe_dump(kind.cluster_of(3)))["nodes"] == [
        {"role": "control-plane"}, {"role": "worker"}, {"role": "worker"},
    ]  # fmt: skip
    world.open(replace(NEW, kind_config=tmp_path / "own.yaml")).close()
    words = [words for words in world.asked("kind") if words[0] == "create"][-1]
    assert words[words.index("--config") + 1] == str(tmp_path / "own.yaml")


@pytest.mark.parametrize(
    ("mood", "told"),
    [
        ("docker-down", r"Is the docker daemon running\?: start it, or set DOCKER_HOST"),
        ("create-fails", "kind cluster smi-abcde could not be created: ERROR: .*failed to pull image$"),
        ("load-fails python:3-slim", "load docker-image: ERROR: command .*docker save.* failed$"),
    ],
)
def test_whatever_fails_is_told_and_nothing_stays(world: World, mood: str, told: str) -> None:
    """The cause in one line."""
    world.feels(*mood.split())
    with pytest.raises(ClusterError, match=told) as raised:
        world.open(NEW)
    assert "\n" not in str(raised.value)
    assert (world.clusters, world.private) == (set(), [])


def test_a_name_that_somebody_else_has_taken(world: World) -> None:
    """Between the look and the creation: the cluster of the other is not deleted."""
    world.feels("taken")
    with pytest.raises(ClusterError, match="already exist"):
        world.open(MINE)
    assert not [words for words in world.asked("kind") if words[0] == "delete"]
    assert world.private == []


def test_a_cluster_that_cannot_be_used(world: World) -> None:
    """It exists, and its API server does not answer: it is left alone."""
    (world.folder / "clusters" / "mine").touch()
    with pytest.raises(ClusterError, match="kind cluster mine exists and cannot be used"):
        world.open(MINE)
    assert (world.clusters, world.private) == ({"mine"}, [])


def test_a_cluster_that_exists_takes_no_options(world: World) -> None:
    """They would be ignored."""
    (world.folder / "clusters" / "mine").touch()
    with pytest.raises(ClusterError, match="mine exists: leave out --kind-image"):
        world.open(replace(MINE, kind_image="node:v1"))


def test_a_cluster_that_cannot_be_deleted_is_told(world: World) -> None:
    """With the command that does it by hand."""
    backend = world.open(NEW)
    world.feels("delete-fails")
    with pytest.raises(ClusterError, match=r"daemon is not running\): kind delete cluster --name smi-abcde"):
        backend.close()


@pytest.mark.parametrize(
    ("program", "told"), [(None, "kind is not on PATH: install kind"), ("/no/kind", "SMI_KIND=/no/kind is no program")]
)
def test_no_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str | None, told: str) -> None:
    """What to do is said."""
    monkeypatch.setenv("PATH", str(tmp_path))
    if program:
        monkeypatch.setenv("SMI_KIND", program)
    with pytest.raises(ClusterError, match=told):
        open_backend(NEW, print)


def test_no_docker(world: World) -> None:
    """kind alone is not enough."""
    (world.folder / "bin" / "docker").unlink()
    with pytest.raises(ClusterError, match="docker is not on PATH: start it, or set DOCKER_HOST"):
        world.open(NEW)


@pytest.mark.parametrize("mood", ["create-hangs", ""])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_dies_leaves_no_cluster(world: World, mood: str, number: signal.Signals) -> None:
    """While the cluster is created, or later: its keeper deletes it, and ends."""
    world.feels(mood)
    run = _run(world)
    _until(lambda: bool(world.clusters) and (bool(mood) or "opened" in _said(run)))
    run.send_signal(number)
    run.communicate(timeout=20)
    _until(lambda: not world.clusters and not world.private and not _processes(world.folder))


def _run(world: World) -> subprocess.Popen[str]:
    """A run in a process of its own, with a cluster; as a terminal would start it."""
    program = (
        "import sys, time\n"
        "from smi_conformance.cluster.backends import Asked, open_backend\n"
        "backend = open_backend(Asked('kind', run='abcde'), lambda _: None)\n"
        "try:\n    print('opened', flush=True)\n    time.sleep(60)\nfinally:\n    backend.close()\n"
    )
    argv = ["/usr/bin/env", "--default-signal=INT", sys.executable, "-c", program]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ})


def _said(run: subprocess.Popen[str]) -> str:
    assert run.stdout
    return run.stdout.readline()


def _processes(folder: Path) -> list[str]:
    """Command lines of what still runs with the fake's folder in its arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_text()
            except OSError:
                continue
            if str(folder) in words:
                found.append(words)
    return found


def _until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
