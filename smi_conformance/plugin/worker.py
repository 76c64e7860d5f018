"""What each worker holds: its journal, its cluster, and the scene of the scenario it runs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smi_conformance.cluster.backends import connect
from smi_conformance.cluster.journal import Recording, Replay, Unrecorded
from smi_conformance.cluster.kube import KubeCluster
from smi_conformance.plugin.judging import Versions
from smi_conformance.plugin.settings import RunOptions


class Worker:
    """One process that runs scenarios, with a cluster of its own to talk to.

    Without `record` nothing of its calls is kept: for what goes on for long and keeps its own evidence.
    """

    def __init__(self, options: RunOptions, coordinates: Mapping[str, Any], name: str, *, record: bool = True) -> None:
        self.options = options
        self.run: str = coordinates["run"]
        self.served: Versions = coordinates.get("served", {})
        self.name = name
        self.follows: bool | None = None  # whether the mesh followed changes before anything that may break it
        self.wedged = ""  # the requirement whose scenario left the mesh stuck
        self.lost = ""  # why nothing can be judged any more: the cluster is gone
        self.meanwhile: list[Callable[[], None]] = []  # called between two scenarios: what goes on beside them
        self.journal: Recording | Replay | Unrecorded
        path = options.report / "observations" / f"{name}.jsonl"
        if options.replay:
            self.journal = Replay(options.replay)
            self.cluster = KubeCluster(None, self.journal)
        elif model := coordinates.get("model"):
            self.journal = Recording(path, name, model.clock) if record else Unrecorded(model.clock)
            self.cluster = model.cluster(self.journal)
        else:
            kubeconfig = Path(coordinates["kubeconfig"]) if coordinates["kubeconfig"] else None
            self.journal = Recording(path, name) if record else Unrecorded()
            self.cluster = KubeCluster(connect(kubeconfig, coordinates["context"]), self.journal)

    def owner(self, nodeid: str) -> str:
        """The worker whose pods a scenario uses: this one, or in replay the one that recorded it."""
        return self.journal.workers.get(nodeid, self.name) if isinstance(self.journal, Replay) else self.name

    def close(self) -> None:
        self.cluster.close()
        if isinstance(self.journal, Recording):
            self.journal.close()


@dataclass
class Scene:
    """What a running scenario shares with its fixtures: cluster, options, and the evidence it gathers.

    `versions` are the API versions it is judged at; `light` asks for a light check, where full evidence is
    gathered at another version that means the same. `numbers`: it judges nothing but numbers of traffic metrics.
    `adapter`: where these come from, if not from a metrics API of the mesh; whatever is judged so never passes.
    """

    worker: Worker
    nodeid: str
    ids: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    light: bool = False
    evidence: list[dict[str, Any]] = field(default_factory=list)
    propagation: list[dict[str, Any]] = field(default_factory=list)
    numbers: bool = False
    adapter: str = ""
    _count: int = 0

    @property
    def cluster(self) -> KubeCluster:
        return self.worker.cluster

    @property
    def options(self) -> RunOptions:
        return self.worker.options

    @property
    def rigor(self) -> str:
        """How many attempts a denial takes, and which deviation of a share is seen."""
        return "quick" if self.light else self.options.rigor

    @property
    def group(self) -> str:
        """The API group that is judged; empty where the scenario stands for no requirement."""
        known = {entry.id: entry.group for entry in self.options.register.requirements}
        return known.get(self.ids[0], "") if self.ids else ""

    def apart(self, nodeid: str) -> Scene:
        """The same surroundings under another name, for what is no part of the scenario: its names, its evidence."""
        return replace(self, nodeid=nodeid, evidence=[], propagation=[], _count=0)

    def fresh(self, word: str) -> str:
        """A name that no other object of the run has; the same in replay. At most word + 9 characters."""
        self._count += 1
        return f"{word}-{zlib.crc32(self.nodeid.encode()) & 0xFFFFF:05x}-{self._count}"
