"""What the mesh tells, as Events, about objects that make no sense."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from smi_conformance.lab.api.store import Store, now
from smi_conformance.model.objects import Split
from smi_conformance.model.oracle import Oracle
from smi_conformance.model.world import Key, Placed, World


@dataclass(frozen=True)
class Notice:
    """A Warning about one object. `object` is the involvedObject of the Event."""

    kind: str
    key: Key
    reason: str
    text: str
    uid: str = ""
    api_version: str = ""


def notices(world: World, oracle: Oracle) -> list[Notice]:
    """All that is wrong now."""
    found = [notice for split in world.splits for notice in _of_split(world, oracle, split)]
    for target in world.targets:
        about = ("TrafficTarget", target.key)
        version = f"access.smi-spec.io/{target.version}"
        texts = (f"{what} does not exist and grants nothing" for what in oracle.dangling(world, target))
        found += [Notice(*about, "RouteNotFound", text, target.uid, version) for text in texts]
    return found


def _of_split(world: World, oracle: Oracle, split: Placed[Split]) -> Iterator[Notice]:
    about = ("TrafficSplit", split.key)
    origin = (split.uid, f"split.smi-spec.io/{split.version}")
    root = world.services.get(oracle.root_of(split))
    for backend in split.thing.backends:
        service = world.services.get(Key(split.key.namespace, backend.service))
        if service is None:
            text = f"backend {backend.service} does not exist and is left out"
            yield Notice(*about, "BackendNotFound", text, *origin)
            continue
        ports = [port for port in (root.ports if root else ()) if not service.port(port.number, port.transport)]
        if ports:
            numbers = ", ".join(str(port.number) for port in ports)
            text = f"backend {backend.service} has no port {numbers} and is left out there"
            yield Notice(*about, "BackendWithoutPort", text, *origin)


class Teller:
    """Writes each notice once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: set[Notice] = set()

    def tell(self, found: list[Notice]) -> None:
        """Write the new ones into the namespace of their object."""
        for notice in found:
            if notice not in self._told and self._store.find("namespaces", notice.key.namespace):
                self._told.add(notice)
                self._store.create("events", _event(notice, len(self._told)))


def _event(notice: Notice, number: int) -> dict[str, Any]:
    moment, (namespace, name) = now(), notice.key
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{number:016x}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": notice.api_version,
            "kind": notice.kind,
            "namespace": namespace,
            "name": name,
            "uid": notice.uid,
        },
        "reason": notice.reason,
        "message": notice.text,
        "type": "Warning",
        "count": 1,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "source": {"component": "model"},
    }
