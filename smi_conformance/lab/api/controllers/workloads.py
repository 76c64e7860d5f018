"""The other kinds that own pods: ReplicationControllers, DaemonSets, StatefulSets and Jobs.

As far as pods with the right owners, names and labels are concerned: templates that change do not replace pods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from smi_conformance.lab.api.controllers.base import Controller, Key, controlled_by, controller_of, is_dying, key_of
from smi_conformance.lab.api.controllers.recorder import record
from smi_conformance.lab.api.controllers.replicasets import is_ready
from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.store import now
from smi_conformance.lab.api.watch import Event

_COPIED = ("labels", "annotations", "finalizers")
POD_NAME = "statefulset.kubernetes.io/pod-name"


def has_ended(pod: Object) -> bool:
    """Whether all its containers have, for good."""
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def from_template(owner: Object, name: str, labels: Object | None = None) -> Object:
    """A pod of an owner's template; a name that ends in `-` is completed by the server."""
    template = owner["spec"]["template"]
    meta = {k: v for k, v in template["metadata"].items() if k in _COPIED}
    named = {"generateName": name} if name.endswith("-") else {"name": name}
    owned = {"ownerReferences": [controlled_by(owner)], "labels": {**meta.get("labels", {}), **(labels or {})}}
    return {"metadata": {**meta, **named, **owned}, "spec": template["spec"]}


class PodOwner(Controller):
    """Subclasses say which pods are missing, which are too many, and what the status is."""

    resource: ClassVar[str]
    kind: ClassVar[str]

    def wanted(self, owner: Object, pods: list[Object]) -> list[Object]:
        """The pods to create now."""
        raise NotImplementedError

    def surplus(self, owner: Object, pods: list[Object]) -> list[Object]:
        """The pods to delete now."""
        return []

    def status(self, owner: Object, pods: list[Object]) -> Object:
        """Counts of pods."""
        raise NotImplementedError

    def concerns(self, event: Event) -> None:
        """An owner itself, or a pod of one."""
        if event.resource == self.resource:
            self.look(key_of(event.object))
        elif event.resource == "pods":
            owner = controller_of(event.object)
            if owner is not None and owner["kind"] == self.kind:
                self.look((event.object["metadata"]["namespace"], owner["name"]))

    async def reconcile(self, key: Key) -> None:
        """Create and delete pods, and count them."""
        owner = self.store.find(self.resource, key[1], key[0])
        if owner is None:
            return
        problem = None if is_dying(owner) else await self._resize(owner, self._pods(owner))
        owner = self.store.find(self.resource, key[1], key[0])
        if owner is not None:
            known = owner.get("status") or {}
            status = {**known, **self.status(owner, self._pods(owner))}
            if status != known:
                self.store.update(self.resource, {**owner, "status": status}, subresource="status")
        if problem is not None:
            raise problem

    def _pods(self, owner: Object) -> list[Object]:
        uid, namespace = owner["metadata"]["uid"], owner["metadata"]["namespace"]
        pods = self.store.walk("pods", namespace)
        return [pod for pod in pods if (controller_of(pod) or {}).get("uid") == uid]

    async def _resize(self, owner: Object, pods: list[Object]) -> ApiError | None:
        for pod in self.surplus(owner, pods):
            if not is_dying(pod):
                self.store.delete("pods", pod["metadata"]["name"], pod["metadata"]["namespace"])
                record(self.store, owner, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        outcomes = await asyncio.gather(*(self._create(owner, pod) for pod in self.wanted(owner, pods)))
        return next((outcome for outcome in outcomes if outcome is not None), None)

    async def _create(self, owner: Object, pod: Object) -> ApiError | None:
        row = self.store.resources.named("pods")
        assert row is not None
        try:
            created = await self.registry.create(row, pod, owner["metadata"]["namespace"])
        except ApiError as error:
            record(self.store, owner, "FailedCreate", f"Error creating: {error}", warning=True)
            return error
        record(self.store, owner, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return None


def active(pods: Iterable[Object]) -> list[Object]:
    """Those that neither ended nor are to go."""
    return [pod for pod in pods if not is_dying(pod) and not has_ended(pod)]


def _missing(owner: Object, pods: list[Object], count: int, labels: Object | None = None) -> list[Object]:
    return [from_template(owner, f"{owner['metadata']['name']}-", labels) for _ in range(count - len(active(pods)))]


def _generation(owner: Object) -> Object:
    return {"observedGeneration": owner["metadata"].get("generation", 1)}


class ReplicationControllers(PodOwner):
    """As many pods as asked for."""

    resource, kind = "replicationcontrollers", "ReplicationController"

    def wanted(self, owner: Object, pods: list[Object]) -> list[Object]:
        """What is missing."""
        return _missing(owner, pods, owner["spec"]["replicas"])

    def surplus(self, owner: Object, pods: list[Object]) -> list[Object]:
        """The newest first."""
        return active(pods)[owner["spec"]["replicas"] :]

    def status(self, owner: Object, pods: list[Object]) -> Object:
        """As of a ReplicaSet."""
        running = active(pods)
        ready = sum(map(is_ready, running))
        counts = {"replicas": len(running), "fullyLabeledReplicas": len(running)}
        return {**counts, "readyReplicas": ready, "availableReplicas": ready, **_generation(owner)}


class DaemonSets(PodOwner):
    """One pod on the only node."""

    resource, kind = "daemonsets.apps", "DaemonSet"

    def wanted(self, owner: Object, pods: list[Object]) -> list[Object]:
        """What is missing."""
        return _missing(owner, pods, 1)

    def status(self, owner: Object, pods: list[Object]) -> Object:
        """Counts of nodes."""
        running = active(pods)
        ready = sum(map(is_ready, running))
        counts = dict.fromkeys(("currentNumberScheduled", "updatedNumberScheduled"), len(running))
        fixed = {"desiredNumberScheduled": 1, "numberMisscheduled": 0, "numberAvailable": ready}
        return {**counts, **fixed, "numberReady": ready, **_generation(owner)}


class StatefulSets(PodOwner):
    """Pods with ordinals for names, one after another unless they may come at once."""

    resource, kind = "statefulsets.apps", "StatefulSet"

    def wanted(self, owner: Object, pods: list[Object]) -> list[Object]:
        """The first that is missing, once those before it are ready; all of them where the policy is Parallel."""
        there = {pod["metadata"]["name"]: pod for pod in pods}
        parallel = owner["spec"].get("podManagementPolicy") == "Parallel"
        made: list[Object] = []
        for name in _names(owner):
            if name not in there:
                made.append(_stateful(owner, name))
            if not parallel and (name not in there or not is_ready(there[name])):
                break
        return made

    def surplus(self, owner: Object, pods: list[Object]) -> list[Object]:
        """Those beyond the number that is asked for, and those that ended, whose names are needed again."""
        names = set(_names(owner))
        return [pod for pod in pods if pod["metadata"]["name"] not in names or has_ended(pod)]

    def status(self, owner: Object, pods: list[Object]) -> Object:
        """All pods are of the current revision: templates that change do not replace any."""
        running = active(pods)
        counts = dict.fromkeys(("replicas", "currentReplicas", "updatedReplicas"), len(running))
        return {**counts, "readyReplicas": sum(map(is_ready, running)), **_generation(owner)}


def _names(owner: Object) -> list[str]:
    return [f"{owner['metadata']['name']}-{number}" for number in range(owner["spec"]["replicas"])]


def _stateful(owner: Object, name: str) -> Object:
    pod = from_template(owner, name, {POD_NAME: name})
    place = {"hostname": name, "subdomain": owner["spec"].get("serviceName", "")}
    return {**pod, "spec": {**pod["spec"], **place}}


class Jobs(PodOwner):
    """Pods that run until enough of them have succeeded; those that fail are replaced, up to `backoffLimit`."""

    resource, kind = "jobs.batch", "Job"

    def wanted(self, owner: Object, pods: list[Object]) -> list[Object]:
        """As many as may run at once and are still needed."""
        spec, failed = owner["spec"], _phases(pods, "Failed")
        left = spec["completions"] - _phases(pods, "Succeeded")
        if failed > spec["backoffLimit"]:
            return []
        meta = owner["metadata"]
        labels = {"controller-uid": meta["uid"], "job-name": meta["name"]}
        return _missing(owner, pods, min(spec["parallelism"], left), labels)

    def status(self, owner: Object, pods: list[Object]) -> Object:
        """Counts, and how it ended."""
        known, spec = owner.get("status") or {}, owner["spec"]
        ended = {"succeeded": _phases(pods, "Succeeded"), "failed": _phases(pods, "Failed")}
        counts: Object = {"active": len(active(pods)), **ended, "startTime": known.get("startTime") or now()}
        if known.get("conditions"):
            return counts
        if counts["succeeded"] >= spec["completions"]:
            return {**counts, "completionTime": now(), "conditions": [_ended("Complete")]}
        return {**counts, "conditions": [_ended("Failed")]} if counts["failed"] > spec["backoffLimit"] else counts


def _phases(pods: list[Object], phase: str) -> int:
    return sum(pod.get("status", {}).get("phase") == phase for pod in pods)


def _ended(how: str) -> Object:
    reason = {"reason": "BackoffLimitExceeded"} if how == "Failed" else {}
    return {"type": how, "status": "True", "lastTransitionTime": now(), **reason}
