"""`--cluster kind` and `--cluster kind:NAME`: a cluster of the run's own made by kind, or one that is there already."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from smi_conformance.cluster import kind_keeper, mesh_image
from smi_conformance.cluster.backends import Asked, Backend, connect, reachable
from smi_conformance.cluster.engine import Engine, ask
from smi_conformance.cluster.kind_keeper import DELETED, DELETION, KEPT
from smi_conformance.cluster.kind_keeper import READY as CREATED
from smi_conformance.cluster.port import ClusterError
from smi_conformance.cluster.programs import LONG, SHORT

PROGRAM = "SMI_KIND"  # environment variable: the kind to use instead of the one on PATH
READY = "180s"  # for kind: how long the nodes may take until they are ready

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Kind:
    """The program kind, and the engine whose containers are its nodes."""

    program: str
    engine: Engine

    @classmethod
    def found(cls) -> Kind:
        """Both, known to work. Raises ClusterError with what to do about the one that is missing."""
        named = os.environ.get(PROGRAM)
        program = shutil.which(named or "kind")
        if not program:
            where = f"{PROGRAM}={named} is no program" if named else "kind is not on PATH"
            raise ClusterError(
                f"{where}: install kind (https://kind.sigs.k8s.io) or set {PROGRAM}; --cluster embedded needs neither"
            )
        return cls(program, Engine.found())

    def ask(self, *words: str, timeout: float = SHORT) -> str:
        """What kind answers. Raises ClusterError."""
        return ask([self.program, *words], timeout)

    def clusters(self) -> list[str]:
        """Names of the clusters that there are, also of those that do not run."""
        return self.ask("get", "clusters").split()


def open_kind(asked: Asked, progress: Progress) -> Backend:
    """A kind cluster with the images that are here. Raises ClusterError; nothing of it stays then."""
    kind = Kind.found()
    there = asked.name in kind.clusters()
    if not (there or asked.equip):
        raise ClusterError(
            "a new kind cluster would have no mesh, and a run does not install this one: "
            "kind create cluster --name NAME, install the mesh, then --cluster kind:NAME"
        )
    if mesh_image.IMAGE in asked.images:
        mesh_image.ensure(kind.engine, progress)
    backend = (_existing if there else _created)(kind, asked, progress)
    try:
        side_load(kind, backend.title, asked.images, progress)
    except BaseException:
        backend.close()
        raise
    return backend


def side_load(kind: Kind, name: str, images: Sequence[str], progress: Progress) -> None:
    """Load those of the images that are here; the nodes pull the others. Raises ClusterError."""
    here = [image for image in dict.fromkeys(images) if kind.engine.has(image)]
    if elsewhere := [image for image in dict.fromkeys(images) if image not in here]:
        progress(f"not in {kind.engine.name}, so the nodes pull it: {', '.join(elsewhere)}")
    if here:
        progress(f"loading {', '.join(here)} into the nodes")
        kind.ask("load", "docker-image", "--name", name, *here, timeout=LONG)


def _existing(kind: Kind, asked: Asked, progress: Progress) -> Backend:
    name = str(asked.name)
    if given := [option for option, value in asked.of_new_clusters.items() if value]:
        raise ClusterError(f"kind cluster {name} exists: leave out {', '.join(given)}, or take another name")
    progress(f"kind cluster {name} exists, and stays")
    folder = _private_folder()
    try:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.touch(0o600)
        kubeconfig.write_text(kind.ask("get", "kubeconfig", "--name", name))
        reachable(connect(kubeconfig, None))
    except ClusterError as error:
        shutil.rmtree(folder)
        raise ClusterError(f"kind cluster {name} exists and cannot be used ({error}): start or delete it") from error
    return Backend(
        "kind", kubeconfig, None, partial(shutil.rmtree, folder, ignore_errors=True), False, name, folder, asked.equip
    )


def _created(kind: Kind, asked: Asked, progress: Progress) -> Backend:
    name = asked.name or f"smi-{asked.run}"
    folder = _private_folder()
    progress(f"creating kind cluster {name}")
    keeper = Keeper(kind.program, name, folder, _creation(asked, folder))
    try:
        keeper.created()
    except BaseException:
        keeper.delete()
        raise
    kubeconfig = folder / "kubeconfig"
    return Backend("kind", kubeconfig, None, partial(_end, keeper, asked, progress), True, name, folder)


def _creation(asked: Asked, folder: Path) -> list[str]:
    words = ["--kubeconfig", str(folder / "kubeconfig"), "--wait", READY]
    words += ["--image", asked.kind_image] if asked.kind_image else []
    if asked.kind_nodes > 1:
        config = folder / "kind.yaml"
        config.write_text(yaml.safe_dump(cluster_of(asked.kind_nodes)))
        return [*words, "--config", str(config)]
    return [*words, *(["--config", str(asked.kind_config)] if asked.kind_config else [])]


def cluster_of(nodes: int) -> dict[str, Any]:
    """kind's configuration of a cluster with so many nodes, one of them the control plane."""
    roles = ["control-plane"] + ["worker"] * (nodes - 1)
    return {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [{"role": role} for role in roles]}


def _end(keeper: Keeper, asked: Asked, progress: Progress) -> None:
    if asked.keep:
        keeper.keep()
        shutil.rmtree(keeper.folder, ignore_errors=True)
        progress(f"kept: kind export kubeconfig --name {keeper.name}; kind delete cluster --name {keeper.name}")
        return
    progress(f"deleting kind cluster {keeper.name}")
    keeper.delete()


class Keeper:
    """The cluster's keeper (`kind_keeper`), seen from the run, and the private folder that holds the kubeconfig."""

    def __init__(self, kind: str, name: str, folder: Path, create: Sequence[str]) -> None:
        self.name, self.folder = name, folder
        argv = [sys.executable, "-m", kind_keeper.__name__, kind, name, str(folder), *create]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def created(self) -> None:
        """Wait until the cluster is there. Raises ClusterError with kind's reason."""
        assert self._process.stdout
        told = self._process.stdout.readline().strip()
        if told != CREATED:
            raise ClusterError(f"kind cluster {self.name} could not be created: {told or 'its keeper has ended'}")

    def keep(self) -> None:
        """Leave the cluster where it is."""
        self._end("keep\n", KEPT)

    def delete(self) -> None:
        """Delete the cluster. Raises ClusterError, which says how to do it by hand, when that fails."""
        self._end("", DELETED)

    def _end(self, word: str, wanted: str) -> None:
        try:
            told, _ = self._process.communicate(word, timeout=DELETION + 30)
        except subprocess.TimeoutExpired as error:
            raise ClusterError(_by_hand(self.name, "it takes too long")) from error
        last = (told.strip().splitlines() or [""])[-1]
        if last != wanted and self._process.returncode:
            raise ClusterError(_by_hand(self.name, last or "its keeper has ended"))


def _by_hand(name: str, why: str) -> str:
    return f"kind cluster {name} could not be deleted ({why}): kind delete cluster --name {name}"


def _private_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="smi-kind-"))  # readable by its owner alone
