"""ReplicaSets: as many pods as asked for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from smi_conformance.lab.api.controllers.base import (
    Controller,
    Key,
    controlled_by,
    controller_of,
    is_dying,
    key_of,
)
from smi_conformance.lab.api.controllers.recorder import record
from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.selectors import label_selector
from smi_conformance.lab.api.store import now
from smi_conformance.lab.api.watch import Event

REPLICA_SETS = "replicasets.apps"


def pod_condition(pod: Object, kind: str) -> Object | None:
    conditions = pod.get("status", {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind), None)


def is_ready(pod: Object) -> bool:
    return (pod_condition(pod, "Ready") or {}).get("status") == "True"


def _is_active(pod: Object) -> bool:
    return not is_dying(pod) and pod.get("status", {}).get("phase") not in ("Failed", "Succeeded")


def _ready_for(pod: Object) -> float:
    """Seconds since the pod became ready."""
    since = (pod_condition(pod, "Ready") or {}).get("lastTransitionTime")
    if not since:
        return float("inf")
    return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()


def _dispensable(pod: Object) -> tuple[Any, ...]:
    """Sort key: pods that would be missed least come first."""
    bound = bool(pod["spec"].get("nodeName"))
    running = pod.get("status", {}).get("phase") == "Running"
    return bound, running, is_ready(pod), -int(pod["metadata"]["resourceVersion"])


class ReplicaSets(Controller):
    """Creates and deletes pods, and counts them."""

    def concerns(self, event: Event) -> None:
        if event.resource == REPLICA_SETS:
            self.look(key_of(event.object))
        elif event.resource == "pods":
            self._pod_changed(event)

    def _pod_changed(self, event: Event) -> None:
        namespace = event.object["metadata"]["namespace"]
        owner = controller_of(event.object)
        if owner is not None and owner["kind"] == "ReplicaSet":
            self.look((namespace, owner["name"]))
        elif owner is None:
            labels = event.object["metadata"].get("labels") or {}
            for replica_set in self.store.walk(REPLICA_SETS, namespace):
                if label_selector(replica_set["spec"]["selector"])(labels):
                    self.look(key_of(replica_set))

    async def reconcile(self, key: Key) -> None:
        replica_set = self.store.find(REPLICA_SETS, key[1], key[0])
        if replica_set is None:
            return
        pods = [p for p in self._pods(replica_set) if _is_active(p)]
        problem: ApiError | None = None
        if not is_dying(replica_set):
            problem = await self._resize(replica_set, pods)
        self._count(key, problem)
        if problem is not None:
            raise problem

    def _pods(self, replica_set: Object) -> list[Object]:
        """Its pods, and those that match and belong to nobody, which are adopted."""
        uid, namespace = replica_set["metadata"]["uid"], replica_set["metadata"]["namespace"]
        selects = label_selector(replica_set["spec"]["selector"])
        found = []
        for pod in list(self.store.walk("pods", namespace)):
            if not selects(pod["metadata"].get("labels") or {}):
                continue
            owner = controller_of(pod)
            if owner is None and _is_active(pod) and not is_dying(replica_set):
                references = [*(pod["metadata"].get("ownerReferences") or ()), controlled_by(replica_set)]
                patch = {"metadata": {"ownerReferences": references}}
                found.append(self.store.merge("pods", pod["metadata"]["name"], patch, namespace))
            elif owner is not None and owner["uid"] == uid:
                found.append(pod)
        return found

    async def _resize(self, replica_set: Object, pods: list[Object]) -> ApiError | None:
        missing = replica_set["spec"]["replicas"] - len(pods)
        for pod in sorted(pods, key=_dispensable)[: max(-missing, 0)]:
            self.store.delete("pods", pod["metadata"]["name"], pod["metadata"]["namespace"])
            record(self.store, replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        outcomes = await asyncio.gather(*(self._create_pod(replica_set) for _ in range(missing)))
        return next((o for o in outcomes if o is not None), None)

    async def _create_pod(self, replica_set: Object) -> ApiError | None:
        meta, template = replica_set["metadata"], replica_set["spec"]["template"]
        pod = {
            "metadata": {
                **{k: v for k, v in template["metadata"].items() if k in ("labels", "annotations", "finalizers")},
                "generateName": f"{meta['name']}-",
                "ownerReferences": [controlled_by(replica_set)],
            },
            "spec": template["spec"],
        }
        row = self.store.resources.named("pods")
        assert row is not None
        try:
            created = await self.registry.create(row, pod, meta["namespace"])
        except ApiError as error:
            record(self.store, replica_set, "FailedCreate", f"Error creating: {error}", warning=True)
            return error
        record(self.store, replica_set, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return None

    def _count(self, key: Key, problem: ApiError | None) -> None:
        replica_set = self.store.find(REPLICA_SETS, key[1], key[0])
        if replica_set is None:
            return
        pods = [p for p in self._pods(replica_set) if _is_active(p)]
        ready = [p for p in pods if is_ready(p)]
        status: Object = {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods),
            "readyReplicas": len(ready),
            "availableReplicas": self._available(key, replica_set, ready),
            "observedGeneration": replica_set["metadata"].get("generation", 1),
        }
        status = {k: v for k, v in status.items() if v or k == "replicas"}
        if problem is not None:
            status["conditions"] = [_failure(replica_set, problem)]
        self.store.update(REPLICA_SETS, {**replica_set, "status": status}, subresource="status")

    def _available(self, key: Key, replica_set: Object, ready: list[Object]) -> int:
        needed = replica_set["spec"].get("minReadySeconds", 0)
        if not needed:
            return len(ready)
        waiting = [needed - _ready_for(p) for p in ready if _ready_for(p) < needed]
        if waiting:
            asyncio.get_running_loop().call_later(min(waiting), self.look, key)
        return len(ready) - len(waiting)


def _failure(replica_set: Object, problem: ApiError) -> Object:
    """The condition, with the time of its first occurrence."""
    known = (replica_set.get("status", {}).get("conditions") or [{}])[0]
    since = known.get("lastTransitionTime", now())
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": problem.message,
        "lastTransitionTime": since,
    }
