"""The metrics API of any cluster, read for people: totals of objects, and edges between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from smi_conformance.cluster.backends import connect
from smi_conformance.cluster.journal import Unrecorded
from smi_conformance.cluster.kube import KubeCluster
from smi_conformance.cluster.port import Answer, ClusterError
from smi_conformance.judge import metrics
from smi_conformance.judge.metrics import PERCENTILES, Item, Reference, Unreadable
from smi_conformance.model.metrics.kinds import API_VERSION, KINDS

BASE = f"/apis/{API_VERSION}"
SIDES = ("client", "server")


@dataclass(frozen=True)
class Total:
    """What one item tells: counts in its window (seconds), latencies in seconds, None where it tells none."""

    name: str
    namespace: str
    direction: str
    success: float
    failure: float
    window: float
    latencies: Mapping[int, float | None]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return (self.success + self.failure) / self.window

    def to_json(self) -> dict[str, Any]:
        """As `top --output json` has it; latencies in seconds."""
        about = {"namespace": self.namespace, "name": self.name, "direction": self.direction}
        counts = {"success": self.success, "failure": self.failure, "window": self.window, "rate": round(self.rate, 3)}
        return {**about, **counts, **{f"p{percent}": value for percent, value in self.latencies.items()}}


@dataclass(frozen=True)
class Edge:
    """Traffic from one object to another, by namespace and name."""

    source: tuple[str, str]
    target: tuple[str, str]
    total: Total


@dataclass(frozen=True)
class MetricsReader:
    """Reads the metrics API. Raises ClusterError when it does not answer, or what it answers cannot be read."""

    get: Callable[[str], Answer]

    @classmethod
    def of(cls, kubeconfig: Path | None, context: str | None) -> MetricsReader:
        """Of the cluster of a kubeconfig."""
        cluster = KubeCluster(connect(kubeconfig, context), Unrecorded())
        return cls(lambda path: cluster.api("GET", path))

    def totals(self, plural: str, namespace: str = "", selector: str = "") -> list[Total]:
        """The objects of a kind that had traffic, the busiest first."""
        query = f"?labelSelector={quote(selector)}" if selector else ""
        found = [_total(item, item.resource) for item in self._items(_path(plural, namespace) + query)]
        return sorted(found, key=lambda one: (-one.rate, one.namespace, one.name, one.direction))

    def edges(self, plural: str, namespace: str = "") -> list[Edge]:
        """Who sends to whom among the objects of a kind, each pair once: as its client tells it, where that does."""
        places = dict.fromkeys(item.resource.place for item in self._items(_path(plural, namespace)))
        found: dict[tuple[tuple[str, str], tuple[str, str]], tuple[bool, Edge]] = {}
        for space, name in places:
            for item in self._items(f"{_path(plural, space)}/{quote(name)}/edges"):
                if item.peer:
                    self._keep(found, item, item.peer)
        return sorted((edge for _, edge in found.values()), key=lambda one: (one.source, one.target))

    @staticmethod
    def _keep(found: dict[Any, tuple[bool, Edge]], item: Item, peer: Reference) -> None:
        ends = item.resource.place, peer.place
        source, target = ends if item.direction == "to" else ends[::-1]
        by_client = item.side == SIDES[0]
        if (source, target) not in found or (by_client and not found[source, target][0]):
            found[source, target] = by_client, Edge(source, target, _total(item, item.resource))

    def _items(self, path: str) -> list[Item]:
        answer = self.get(path)
        try:
            found = metrics.items(answer.status, answer.body)
            for item in found:
                _total(item, item.resource)
        except Unreadable as error:
            raise ClusterError(f"GET {path}: {error}{_advice(answer.status)}") from error
        return found


def _advice(status: int) -> str:
    known = {404: "no metrics API is served here", 403: "these credentials may not read it", 503: "its server is down"}
    return f"; {known[status]}" if status in known else ""


def _path(plural: str, namespace: str) -> str:
    return (
        f"{BASE}/namespaces/{quote(namespace)}/{plural}"
        if namespace and KINDS[plural].namespaced
        else f"{BASE}/{plural}"
    )


def _total(item: Item, about: Reference) -> Total:
    """Raises Unreadable."""
    success, failure = item.counts
    latencies = {percent: _latency(item, percent) for percent in PERCENTILES}
    numbers = float(success), float(failure), item.window
    return Total(about.name, about.namespace, item.direction, *numbers, latencies)


def _latency(item: Item, percent: int) -> float | None:
    """None where an item without requests has no latency."""
    try:
        return item.latency(percent)
    except Unreadable:
        if any(item.counts):
            raise
        return None
