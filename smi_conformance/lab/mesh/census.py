"""What exists in the cluster, as far as metrics tell of it: objects and their labels, and what pods are part of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from smi_conformance.lab.mesh.model import Json, Name, State, pod_identity
from smi_conformance.lab.mesh.splits import roots_of
from smi_conformance.model.metrics.answers import SplitInForce
from smi_conformance.model.metrics.kinds import SPLITS
from smi_conformance.model.metrics.traffic import Member, Ref

#: Beside those that the mesh watches anyway.
WATCHED = {
    "namespaces": "/api/v1/namespaces",
    "nodes": "/api/v1/nodes",
    "replicationcontrollers": "/api/v1/replicationcontrollers",
    "daemonsets": "/apis/apps/v1/daemonsets",
    "deployments": "/apis/apps/v1/deployments",
    "replicasets": "/apis/apps/v1/replicasets",
    "statefulsets": "/apis/apps/v1/statefulsets",
    "jobs": "/apis/batch/v1/jobs",
}
OWNERS = {
    "DaemonSet": "daemonsets",
    "Job": "jobs",
    "ReplicaSet": "replicasets",
    "ReplicationController": "replicationcontrollers",
    "StatefulSet": "statefulsets",
}
#: Reports may speak of pods that went since.
REMEMBERED_SECONDS = 120.0
Objects = Mapping[str, Sequence[Json]]


@dataclass
class Known:
    """A pod, and when it was last there."""

    member: Member
    ip: str
    last: float


class Census:
    """Kept up to date by `take`. Pods that are gone are remembered for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._objects: Objects = {}
        self._state = State()
        self._pods: dict[Name, Known] = {}
        self._by_identity: dict[str, Known] = {}
        self._by_ip: dict[str, Known] = {}
        self._by_vip: dict[str, Name] = {}

    def take(self, objects: Objects, state: State) -> None:
        """Objects by the plural of their kind, and what the mesh makes of them."""
        self._objects, self._state, now = objects, state, self._clock()
        deployments = dict(_owners_of(objects.get("replicasets", ())))
        for pod in objects.get("pods", ()):
            member = _member(pod, state, deployments)
            self._pods[_name(pod)] = Known(member, pod.get("status", {}).get("podIP", ""), now)
        self._pods = {name: known for name, known in self._pods.items() if now - known.last < REMEMBERED_SECONDS}
        # Those that are there come last, and stand for their address.
        known = sorted(self._pods.items(), key=lambda pair: pair[1].last)
        self._by_identity = {pod_identity(name): one for name, one in known}
        self._by_ip = {one.ip: one for _, one in known if one.ip}
        self._by_vip = {service.vip: service.name for service in state.services.values() if service.vip}

    def pod(self, name: Name) -> Member | None:
        """A pod by its name."""
        return _member_of(self._pods.get(name))

    def identified(self, identity: str) -> Member | None:
        """A pod by the DNS name in its certificate."""
        return _member_of(self._by_identity.get(identity))

    def at(self, address: str) -> Member | None:
        """A pod by its address, with or without a port."""
        return _member_of(self._by_ip.get(address.partition(":")[0]))

    def service_at(self, address: str) -> Ref | None:
        """A Service by its cluster IP, with or without a port."""
        found = self._by_vip.get(address.partition(":")[0])
        return Ref("services", *found) if found else None

    def objects(self, plural: str) -> dict[Ref, Mapping[str, str]]:
        """The labels of all objects of a kind."""
        items = self._objects.get(plural, ())
        return {_ref(plural, item): item["metadata"].get("labels") or {} for item in items}

    def splits(self) -> Iterable[SplitInForce]:
        """Those that act: one for each root."""
        for split in roots_of(self._state).values():
            backends = tuple((backend.service, backend.weight) for backend in split.backends)
            yield SplitInForce(Ref(SPLITS, *split.name), split.root.name, backends)


def _member_of(known: Known | None) -> Member | None:
    return known.member if known else None


def _name(item: Json) -> Name:
    return Name(item["metadata"].get("namespace", ""), item["metadata"]["name"])


def _ref(plural: str, item: Json) -> Ref:
    return Ref(plural, *_name(item))


def _controller(item: Json) -> Json:
    owners = item["metadata"].get("ownerReferences") or ()
    found: Json = next((owner for owner in owners if owner.get("controller")), {})
    return found


def _owners_of(replica_sets: Iterable[Json]) -> Iterator[tuple[str, str]]:
    """The Deployments of ReplicaSets, by the ReplicaSet's uid."""
    for item in replica_sets:
        owner = _controller(item)
        if owner.get("kind") == "Deployment":
            yield item["metadata"]["uid"], owner["name"]


def _member(pod: Json, state: State, deployments: Mapping[str, str]) -> Member:
    name = _name(pod)
    labels = frozenset((pod["metadata"].get("labels") or {}).items())
    return Member(Ref("pods", *name), frozenset(_parts(pod, name, state, deployments)), labels)


def _parts(pod: Json, name: Name, state: State, deployments: Mapping[str, str]) -> Iterator[Ref]:
    yield Ref("namespaces", "", name.namespace)
    if node := pod["spec"].get("nodeName"):
        yield Ref("nodes", "", node)
    labels = pod["metadata"].get("labels") or {}
    for service in state.services.values():
        same = service.name.namespace == name.namespace
        if same and service.selector and service.selector.items() <= labels.items():
            yield Ref("services", *service.name)
    owner = _controller(pod)
    if owner.get("kind") in OWNERS:
        yield Ref(OWNERS[owner["kind"]], name.namespace, owner["name"])
    if owner.get("kind") == "ReplicaSet" and (deployment := _deployment(owner, labels, deployments)):
        yield Ref("deployments", name.namespace, deployment)


def _deployment(owner: Json, labels: Mapping[str, str], deployments: Mapping[str, str]) -> str:
    """A ReplicaSet that is not known yet tells its Deployment by its name, if it has the hash of a template."""
    suffix = f"-{labels.get('pod-template-hash', '')}"
    guessed = owner["name"].removesuffix(suffix) if len(suffix) > 1 and owner["name"].endswith(suffix) else ""
    return deployments.get(owner["uid"], guessed)
