"""The model's metrics API (metrics.smi-spec.io/v1alpha1): what splits did to the requests on their roots."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from smi_conformance.cluster.model.apiserver import ApiCall
from smi_conformance.cluster.model.clock import VirtualClock
from smi_conformance.cluster.model.mesh import Mesh
from smi_conformance.cluster.model.switchboard import METRICS
from smi_conformance.cluster.model.traffic import EPOCH, Answer
from smi_conformance.lab.api.errors import ApiError
from smi_conformance.model.objects import Split
from smi_conformance.model.oracle import Request, weight_of
from smi_conformance.model.world import Key, Placed, Pod, World

Item = dict[str, Any]
GROUP, VERSION, PLURAL = "metrics.smi-spec.io", "v1alpha1", "trafficsplits"
API_VERSION = f"{GROUP}/{VERSION}"
WINDOW = 30.0  # seconds
REFERENCES = {"kind": "TrafficSplit", "apiVersion": API_VERSION}


@dataclass
class Tally:
    """Answers per backend of one split, by success, of what came through its root and of direct calls; and per pod."""

    through: dict[str, Counter[bool]] = field(default_factory=lambda: defaultdict(Counter))
    direct: dict[str, Counter[bool]] = field(default_factory=lambda: defaultdict(Counter))
    pods: dict[str, Counter[bool]] = field(default_factory=lambda: defaultdict(Counter))


class Note(NamedTuple):
    """One HTTP request of a client in the mesh."""

    now: float
    service: Key
    pod: str
    success: bool


class Metrics:
    """Takes note of requests, and answers for the last half minute of virtual time."""

    def __init__(self, mesh: Mesh, clock: VirtualClock) -> None:
        self._mesh, self._clock = mesh, clock
        self._notes: list[Note] = []

    def note(self, request: Request, answer: Answer, now: float) -> None:
        """A request has been answered. What no server has seen is not counted."""
        if request.protocol != "http" or request.service is None or not request.client.meshed or not answer.server:
            return
        self._notes.append(Note(now, request.service.key, answer.server, (answer.status or 500) < 500))
        if len(self._notes) > 1 << 17:
            del self._notes[: 1 << 16]

    def answer(self, call: ApiCall) -> tuple[int, Any]:
        """A request to the API. Raises ApiError for what it does not serve."""
        parts = call.path.strip("/").split("/")[2:]
        if parts == [VERSION]:
            rows = [{"name": PLURAL, "namespaced": True, "kind": "TrafficMetrics", "verbs": ["get", "list"]}]
            return 200, {"kind": "APIResourceList", "groupVersion": API_VERSION, "resources": rows}
        if call.method != "GET" or len(parts) not in (4, 5) or parts[1] != "namespaces" or parts[3] != PLURAL:
            raise ApiError.not_found(GROUP, call.path)
        return 200, self._list(parts[2], *parts[4:])

    def _list(self, namespace: str, name: str | None = None) -> dict[str, Any]:
        world = self._mesh.world(self._clock.now())
        splits = [s for s in world.splits if s.key.namespace == namespace and name in (None, s.key.name)]
        if name and not splits:
            raise ApiError.not_found(f"{PLURAL}.{GROUP}", name)
        items = [item for split in splits for item in self._items(world, split)]
        resource = {**REFERENCES, "namespace": namespace, **({"name": name} if name else {})}
        return {"kind": "TrafficMetricsList", "apiVersion": API_VERSION, "resource": resource, "items": items}

    def _items(self, world: World, split: Placed[Split]) -> list[Item]:
        tally = self.tally(world, split)
        items = [self.item(split, b.service, int(weight_of(b)), tally.through[b.service]) for b in split.thing.backends]
        changed: list[Item] = self._mesh.switches.value(METRICS, items, tally, split)
        return changed

    def item(self, split: Placed[Split], backend: str, weight: int, counts: Counter[bool]) -> Item:
        """The TrafficMetrics of one backend."""
        now = datetime.fromtimestamp(EPOCH + self._clock.now(), UTC)
        return {
            "kind": "TrafficMetrics",
            "apiVersion": API_VERSION,
            "metadata": {"name": split.key.name, "namespace": split.key.namespace},
            "resource": {"kind": "TrafficSplit", "name": split.key.name, "namespace": split.key.namespace},
            "edge": {"direction": "from", "side": "client", "resource": None},
            "backend": {"apex": split.thing.service, "name": backend, "weight": weight},
            "timestamp": now.isoformat().replace("+00:00", "Z"),
            "window": f"{WINDOW:g}s",
            "metrics": [
                *({"name": f"p{p}_response_latency", "unit": "seconds", "value": "1m"} for p in (99, 90, 50)),
                {"name": "success_count", "value": str(counts[True])},
                {"name": "failure_count", "value": str(counts[False])},
            ],
        }

    def tally(self, world: World, split: Placed[Split]) -> Tally:
        """What is known of a split."""
        tally, root = Tally(), Key(split.key.namespace, split.thing.service)
        homes = {pod.key.name: b.service for b in split.thing.backends for pod in _pods(world, split, b.service)}
        backends, since = set(homes.values()), self._clock.now() - WINDOW
        self._notes = [note for note in self._notes if note.now >= since]
        for note in self._notes:
            if note.service == root:
                if home := homes.get(note.pod):
                    tally.through[home][note.success] += 1
            elif note.service.name in backends and note.service.namespace == root.namespace:
                tally.direct[note.service.name][note.success] += 1
            if note.pod in homes:
                tally.pods[note.pod][note.success] += 1
        return tally


def _pods(world: World, split: Placed[Split], name: str) -> list[Pod]:
    service = world.services.get(Key(split.key.namespace, name))
    return world.pods_of(service) if service else []
