"""Who a request is counted for: the pods at its ends, with all that contains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from smi_conformance.cluster.model.exchange import Answer
from smi_conformance.lab.api.store import Store
from smi_conformance.model.metrics.kinds import SPLITS
from smi_conformance.model.metrics.traffic import Flow, Member, Ref
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Key, Pod, World

Manifest = Mapping[str, Any]
OWNERS = {
    "ReplicaSet": "replicasets",
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Job": "jobs",
    "ReplicationController": "replicationcontrollers",
}


class Members:
    """Works out what pods are part of, once for each pod and each change of the world."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Member] = {}
        self._world: World | None = None
        self._by_name: dict[str, Pod] = {}
        self._through: dict[Key, dict[str, tuple[Ref, str]]] = {}
        self._flows: dict[tuple[Any, ...], tuple[Flow, ...]] = {}

    def flows(self, world: World, request: Request, answer: Answer) -> tuple[Flow, ...]:
        """What both proxies count a request as; those outside the mesh have none."""
        if self._world is not world:
            self._world, self._by_name = world, {pod.key.name: pod for pod in world.pods}
            self._through, self._flows = {}, {}
        assert request.service
        key = (request.client.uid, request.service.key, answer.server, request.http)
        if key not in self._flows:
            self._flows[key] = tuple(self._counted(world, request, answer.server or ""))
        return self._flows[key]

    def _counted(self, world: World, request: Request, server: str) -> Iterator[Flow]:
        assert request.service
        at = self._by_name.get(server)
        source = self.member(world, request.client) if request.client.meshed else None
        target = self.member(world, at) if at else None
        split, backend = self._split(world, request.service.key).get(server, (None, ""))
        if source:
            service = Ref("services", *request.service.key)
            yield Flow("client", source, target, service, split, backend, request.http)
        if target and at and at.meshed:
            yield Flow("server", source, target, protocol=request.http)

    def _split(self, world: World, root: Key) -> dict[str, tuple[Ref, str]]:
        """The backends of the split on a Service, by the names of their pods."""
        if root not in self._through:
            found: dict[str, tuple[Ref, str]] = {}
            for split in world.splits:
                if (split.key.namespace, split.thing.service) == root:
                    for backend in split.thing.backends:
                        service = world.services.get(Key(root.namespace, backend.service))
                        pods = world.pods_of(service) if service else ()
                        found |= {pod.key.name: (Ref(SPLITS, *split.key), backend.service) for pod in pods}
            self._through[root] = found
        return self._through[root]

    def member(self, world: World, pod: Pod) -> Member:
        """A pod with its namespace, its node, its owners and the Services that select it."""
        if pod.uid not in self._known:
            manifest = self._store.find("pods", pod.key.name, pod.key.namespace) or {"metadata": {}, "spec": {}}
            parts = {Ref("namespaces", "", pod.key.namespace), *self._owners(manifest, pod.key.namespace)}
            if node := manifest["spec"].get("nodeName"):
                parts.add(Ref("nodes", "", node))
            self._known[pod.uid] = Member(Ref("pods", *pod.key), frozenset(parts))
        own = self._known[pod.uid]
        services = {Ref("services", *s.key) for s in world.services.values() if s.selects(pod)}
        return Member(own.pod, own.parts | services)

    def _owners(self, manifest: Manifest, namespace: str) -> Iterator[Ref]:
        references = manifest["metadata"].get("ownerReferences") or ()
        owner = next((one for one in references if one.get("controller") and one["kind"] in OWNERS), None)
        if owner:
            plural = OWNERS[owner["kind"]]
            yield Ref(plural, namespace, owner["name"])
            above = self._store.find(f"{plural}.apps", owner["name"], namespace) if plural == "replicasets" else None
            yield from self._owners(above, namespace) if above else ()
