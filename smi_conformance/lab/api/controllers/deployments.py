"""Deployments: a ReplicaSet for each pod template, and the way from one to the next."""

from __future__ import annotations

from smi_conformance.lab.api.controllers.base import (
    Controller,
    Key,
    controlled_by,
    controller_of,
    is_dying,
    key_of,
)
from smi_conformance.lab.api.controllers.recorder import record
from smi_conformance.lab.api.controllers.replicasets import REPLICA_SETS
from smi_conformance.lab.api.controllers.rollout import (
    HASH_LABEL,
    bounds,
    new_size,
    old_sizes,
    template_hash,
    without_hash,
)
from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.store import now
from smi_conformance.lab.api.watch import Event

DEPLOYMENTS = "deployments.apps"
REVISION = "deployment.kubernetes.io/revision"
_COPIED = ("deployment.kubernetes.io/", "kubectl.kubernetes.io/last-applied-configuration")


def _revision(obj: Object) -> int:
    return int((obj["metadata"].get("annotations") or {}).get(REVISION, 0))


def _count(replica_sets: list[Object], field: str) -> int:
    return sum(r.get("status", {}).get(field, 0) for r in replica_sets)


class Deployments(Controller):
    """Makes and resizes ReplicaSets."""

    def concerns(self, event: Event) -> None:
        if event.resource == DEPLOYMENTS:
            self.look(key_of(event.object))
        elif event.resource in (REPLICA_SETS, "pods"):
            owner = controller_of(event.object)
            if owner is not None and owner["kind"] == "Deployment":
                self.look((event.object["metadata"]["namespace"], owner["name"]))
            elif owner is not None and event.resource == "pods" and event.type == "DELETED":
                self._pod_gone(event.object["metadata"]["namespace"], owner["name"])

    def _pod_gone(self, namespace: str, replica_set: str) -> None:
        """A Recreate strategy waits until the last old pod is really gone."""
        found = self.store.find(REPLICA_SETS, replica_set, namespace)
        owner = controller_of(found) if found is not None else None
        if owner is not None:
            self.look((namespace, owner["name"]))

    async def reconcile(self, key: Key) -> None:
        deployment = self.store.find(DEPLOYMENTS, key[1], key[0])
        if deployment is None or is_dying(deployment):
            return
        owned = self._owned(deployment)
        new = next((r for r in owned if _same_template(r, deployment)), None)
        old = [r for r in owned if r is not new]
        if not deployment["spec"].get("paused"):
            new = await self._current(deployment, new, old)
            self._roll(deployment, new, old)
        elif new is not None and not any(r["spec"]["replicas"] for r in old):
            self._scale(new, deployment["spec"]["replicas"])
        self._tidy(deployment, old)
        self._tell(key)

    def _owned(self, deployment: Object) -> list[Object]:
        meta = deployment["metadata"]
        owned = [
            r
            for r in self.store.walk(REPLICA_SETS, meta["namespace"])
            if (owner := controller_of(r)) is not None and owner["uid"] == meta["uid"]
        ]
        return sorted(owned, key=_revision)

    async def _current(self, deployment: Object, new: Object | None, old: list[Object]) -> Object:
        """The ReplicaSet of the template as it is, with the highest revision of all."""
        revision = max([_revision(r) for r in old], default=0) + 1
        if new is None:
            new = await self._create(deployment, revision, old)
        elif _revision(new) < revision:
            new = self._annotate(REPLICA_SETS, new, revision)
        self._annotate(DEPLOYMENTS, deployment, _revision(new))
        return new

    def _annotate(self, resource: str, obj: Object, revision: int) -> Object:
        patch = {"metadata": {"annotations": {REVISION: str(revision)}}}
        return self.store.merge(resource, obj["metadata"]["name"], patch, obj["metadata"]["namespace"])

    async def _create(self, deployment: Object, revision: int, old: list[Object]) -> Object:
        meta, spec = deployment["metadata"], deployment["spec"]
        template = spec["template"]
        digest = template_hash(template)
        labels = {**(template["metadata"].get("labels") or {}), HASH_LABEL: digest}
        selector = spec["selector"]
        kept = {k: v for k, v in (meta.get("annotations") or {}).items() if not k.startswith(_COPIED)}
        replica_set = {
            "metadata": {
                "name": f"{meta['name']}-{digest}",
                "labels": labels,
                "annotations": {**kept, REVISION: str(revision)},
                "ownerReferences": [controlled_by(deployment)],
            },
            "spec": {
                "replicas": self._first_size(deployment, old),
                "minReadySeconds": spec.get("minReadySeconds", 0),
                "selector": {
                    **selector,
                    "matchLabels": {**selector.get("matchLabels", {}), HASH_LABEL: digest},
                },
                "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
            },
        }
        row = self.store.resources.named(REPLICA_SETS)
        assert row is not None
        created = await self.registry.create(row, replica_set, meta["namespace"])
        self._record_scaling(deployment, created, "up")
        return created

    def _first_size(self, deployment: Object, old: list[Object]) -> int:
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            return 0 if self._old_pods(old) else int(deployment["spec"]["replicas"])
        return new_size(deployment, {"spec": {"replicas": 0}}, old)

    def _roll(self, deployment: Object, new: Object, old: list[Object]) -> None:
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            for replica_set in old:
                self._scale(replica_set, 0)
            if not self._old_pods(old):
                self._scale(new, deployment["spec"]["replicas"])
            return
        new = self._scale(new, new_size(deployment, new, old))
        for replica_set, size in zip(old, old_sizes(deployment, new, old), strict=True):
            self._scale(replica_set, size)

    def _old_pods(self, old: list[Object]) -> bool:
        uids = {r["metadata"]["uid"] for r in old}
        spaces = {r["metadata"]["namespace"] for r in old}
        pods = [p for space in spaces for p in self.store.walk("pods", space)]
        return any((controller_of(p) or {}).get("uid") in uids for p in pods)

    def _scale(self, replica_set: Object, size: int) -> Object:
        if replica_set["spec"]["replicas"] == size:
            return replica_set
        meta = replica_set["metadata"]
        scaled = self.store.merge(REPLICA_SETS, meta["name"], {"spec": {"replicas": size}}, meta["namespace"])
        direction = "up" if size > replica_set["spec"]["replicas"] else "down"
        owner = controller_of(replica_set)
        deployment = owner and self.store.find(DEPLOYMENTS, owner["name"], meta["namespace"])
        if deployment:
            self._record_scaling(deployment, scaled, direction)
        return scaled

    def _record_scaling(self, deployment: Object, replica_set: Object, direction: str) -> None:
        name, size = replica_set["metadata"]["name"], replica_set["spec"]["replicas"]
        record(self.store, deployment, "ScalingReplicaSet", f"Scaled {direction} replica set {name} to {size}")

    def _tidy(self, deployment: Object, old: list[Object]) -> None:
        """Forget revisions beyond the limit."""
        idle = [r for r in old if not r["spec"]["replicas"] and not r.get("status", {}).get("replicas")]
        for replica_set in idle[: max(len(idle) - deployment["spec"]["revisionHistoryLimit"], 0)]:
            meta = replica_set["metadata"]
            self.store.delete(REPLICA_SETS, meta["name"], meta["namespace"])

    def _tell(self, key: Key) -> None:
        deployment = self.store.find(DEPLOYMENTS, key[1], key[0])
        if deployment is None:
            return
        owned = self._owned(deployment)
        new = [r for r in owned if _same_template(r, deployment)]
        wanted, available = deployment["spec"]["replicas"], _count(owned, "availableReplicas")
        counts = {
            "replicas": _count(owned, "replicas"),
            "updatedReplicas": _count(new, "replicas"),
            "readyReplicas": _count(owned, "readyReplicas"),
            "availableReplicas": available,
            "unavailableReplicas": max(max(wanted, sum(r["spec"]["replicas"] for r in owned)) - available, 0),
        }
        enough = available >= wanted - bounds(deployment)[1]
        done = counts["updatedReplicas"] == counts["replicas"] == available == wanted
        status = {
            "observedGeneration": deployment["metadata"].get("generation", 1),
            **{k: v for k, v in counts.items() if v},
            "conditions": [
                _condition(deployment, "Available", enough, "MinimumReplicas", ("Available", "Unavailable")),
                _condition(deployment, "Progressing", True, "", (_progress(done), "")),
            ],
        }
        self.store.update(DEPLOYMENTS, {**deployment, "status": status}, subresource="status")


def _same_template(replica_set: Object, deployment: Object) -> bool:
    return without_hash(replica_set["spec"]["template"]) == without_hash(deployment["spec"]["template"])


def _progress(done: bool) -> str:
    return "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"


def _condition(deployment: Object, kind: str, holds: bool, prefix: str, reasons: tuple[str, str]) -> Object:
    """A condition that keeps its times while it stays the same."""
    state, reason = str(holds), prefix + reasons[0 if holds else 1]
    known = deployment.get("status", {}).get("conditions") or ()
    before: Object = next((c for c in known if c["type"] == kind), {})
    if (before.get("status"), before.get("reason")) == (state, reason):
        return before
    since = before.get("lastTransitionTime") if before.get("status") == state else None
    times = {"lastTransitionTime": since or now(), "lastUpdateTime": now()}
    return {"type": kind, "status": state, "reason": reason, "message": reason, **times}
