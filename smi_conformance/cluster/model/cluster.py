"""The cluster port of the model: objects go to the in-process API server, traffic to the in-process mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from smi_conformance.cluster.accounts import Account
from smi_conformance.cluster.journal import Journal
from smi_conformance.cluster.kube import KubeCluster
from smi_conformance.cluster.model.apiserver import ApiServer, parsed
from smi_conformance.cluster.model.clock import VirtualClock
from smi_conformance.cluster.model.traffic import TOOK, Lanes, Traffic
from smi_conformance.cluster.port import Answer, ClusterError, Manifest, Pod, Ref, api_root
from smi_conformance.judge.observation import Observation, Plan, Reply, Step

BRIEFLY = 0.005  # seconds of virtual time for one call to the API server
LOOK = 0.05  # and for one exchange with an agent, beside the requests themselves


@dataclass
class Stream:
    """A plan that is carried out in the background, request by request as its time comes."""

    client: Pod
    step: Step
    began: float
    lanes: Lanes
    replies: list[Reply] = field(default_factory=list)

    def due(self, now: float) -> int:
        """How many requests have to be sent by now."""
        rate = self.step.rate or 1 / TOOK
        return min(self.step.count, int((now - self.began) * rate) + 1)


class ModelCluster(KubeCluster):
    """Everything that KubeCluster does, answered at once by the model. Time is virtual."""

    def __init__(self, server: ApiServer, traffic: Traffic, clock: VirtualClock, journal: Journal) -> None:
        super().__init__(None, journal)
        self._server, self._traffic, self._time = server, traffic, clock
        self._streams: dict[str, list[Stream]] = {}
        self._cursors: dict[str, int] = {}

    # Objects

    def _apply(self, manifest: Manifest) -> None:
        ref = Ref.of(manifest)
        collection, place = self._path(ref)
        answer = self._call("POST", collection, manifest)
        if answer.status == 409:
            answer = self._call("PATCH", place, manifest, "application/merge-patch+json")
        _require(f"apply {ref}", answer)

    def _delete(self, ref: Ref) -> None:
        answer = self._call("DELETE", self._path(ref)[1], {"propagationPolicy": "Background"})
        if answer.status != 404:
            _require(f"delete {ref}", answer)

    def _get(self, ref: Ref) -> Manifest | None:
        answer = self._call("GET", self._path(ref)[1])
        if answer.status == 404:
            return None
        _require(f"get {ref}", answer)
        assert isinstance(answer.body, dict)
        return answer.body

    def _request(self, method: str, path: str, body: object, content_type: str, account: Account | None) -> Answer:
        return self._call(method, path, body, content_type, account)

    def _pods(self, namespace: str, labels: str) -> list[dict[str, Any]]:
        wanted = dict(pair.split("=", 1) for pair in labels.split(",") if pair)
        found = self._server.store.walk("pods", namespace)
        return [_pod(p).to_json() for p in found if wanted.items() <= _labels(p).items() and _ready(p)]

    def _path(self, ref: Ref) -> tuple[str, str]:
        """The paths of an object's collection and of the object. Raises ClusterError for what is not served."""
        group, _, version = ref.api_version.rpartition("/")
        rows = [row for row in self._server.store.resources if row.kind == ref.kind and row.group == group]
        row = next((row for row in rows if row.version == version), None)
        if row is None:
            raise ClusterError(f"the cluster does not serve {ref.kind} {ref.api_version}: install its CRD")
        space = f"/namespaces/{ref.namespace or 'default'}" if row.namespaced else ""
        collection = f"{api_root(ref.api_version)}{space}/{row.plural}"
        return collection, f"{collection}/{ref.name}"

    def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = "application/json",
        account: Account | None = None,
    ) -> Answer:
        self._pump()
        self._time.sleep(BRIEFLY)
        if "/events" in path:  # nobody reads them otherwise
            self._traffic.mesh.tell(self._time.now())
        call = parsed(method, path, body, {"content-type": content_type})
        status, answer = self._server.call(call if account is None else replace(call, account=account))
        if method != "GET":
            self._traffic.mesh.notice(self._time.now())
        return Answer(status, answer)

    # Traffic

    def start_stream(self, stream: str, client: Pod, plan: Plan) -> None:
        self._journal.call("start", stream, lambda: self._start(stream, client, plan))

    def _start(self, stream: str, client: Pod, plan: Plan) -> bool:
        now = self._time.now()
        self._streams[stream] = [Stream(client, step, now, self._traffic.lanes(client, step)) for step in plan.steps]
        return True

    def _observe(self, prefix: str, client: Pod, plan: Plan, servers: Sequence[Pod]) -> Observation:
        self._pump()
        for server in servers:
            self._alive(server)
        since = {pod.uid: self._traffic.servers.count(pod) for pod in servers}
        replies = tuple(self._carried_out(client, step) for step in plan.steps)
        self._time.sleep(LOOK)
        logs = {pod.name: self._traffic.servers.log(pod, prefix, since[pod.uid]) for pod in servers}
        return Observation(client.name, plan, replies, logs)

    def _carried_out(self, client: Pod, step: Step) -> tuple[Reply, ...]:
        replies = tuple(self._traffic.run(client, step, self._time.now()))
        slow = sum(reply.milliseconds for reply in replies) / 1000 / step.concurrency
        self._time.sleep(max(slow, len(replies) / step.rate if step.rate else 0.0))
        return replies

    def _window(self, prefix: str, client: Pod, servers: Sequence[Pod]) -> Observation:
        self._pump()
        logs, marks = {}, self._marks.setdefault(prefix, {})
        for server in servers:
            self._alive(server)
            log = self._traffic.servers.log(server, prefix, marks.get(server.uid, 0))
            logs[server.name], marks[server.uid] = log, log.until
        self._time.sleep(BRIEFLY)
        return Observation(client.name, Plan(()), (), logs)

    def _stop(self, stream: str, client: Pod, plan: Plan) -> Observation:
        self._pump()
        if stream not in self._streams:
            raise ClusterError(f"agent of pod {client.name}: no stream {stream!r}")
        runs = self._streams.pop(stream)
        return Observation(client.name, plan, tuple(tuple(run.replies) for run in runs))

    def _pump(self) -> None:
        """Let streams send what is due by now, in the world as it was until now."""
        now = self._time.now()
        for run in [run for runs in self._streams.values() for run in runs]:
            for index in range(len(run.replies), run.due(now)):
                when = run.began + index / (run.step.rate or 1 / TOOK)
                run.replies.append(self._traffic.at(run.client, run.step, index, run.lanes, when))

    def _alive(self, pod: Pod) -> None:
        found = self._server.store.find("pods", pod.name, pod.namespace)
        if found is None or found["metadata"]["uid"] != pod.uid:
            raise ClusterError(f"exec into pod {pod.namespace}/{pod.name} failed: 404 Not Found")

    # Evidence after a failure

    def dump(self, namespaces: Sequence[str]) -> dict[str, Any]:
        return {namespace: self._state(namespace) for namespace in namespaces}

    def _state(self, namespace: str) -> dict[str, Any]:
        store = self._server.store
        events = [
            f"{e['type']} {e['reason']} {e['involvedObject']['kind']}/{e['involvedObject']['name']}: {e['message']}"
            for e in store.walk("events", namespace)
        ]
        pods = {
            p["metadata"]["name"]: {"phase": p.get("status", {}).get("phase")} for p in store.walk("pods", namespace)
        }
        smi = [name for name in store.all_resources() if name.endswith(".smi-spec.io")]
        objects = [found for name in smi for found in store.walk(name, namespace)]
        return {"pods": pods, "events": events[-60:], "objects": objects, "logs": {}}

    def close(self) -> None:
        """Nothing is held open."""


def _require(doing: str, answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        raise ClusterError(f"{doing}: {answer.status}: {answer.message}")


def _labels(pod: Mapping[str, Any]) -> dict[str, str]:
    return dict(pod["metadata"].get("labels") or {})


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions") or ()}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def _pod(pod: Mapping[str, Any]) -> Pod:
    meta = pod["metadata"]
    names = tuple(container["name"] for container in pod["spec"]["containers"])
    return Pod(meta["namespace"], meta["name"], meta["uid"], pod["status"].get("podIP", ""), names)
