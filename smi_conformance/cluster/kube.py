"""Everything that speaks the Kubernetes API: the embedded lab, kind, and any kubeconfig."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError
from urllib3.exceptions import HTTPError

from smi_conformance.cluster.accounts import Account, by_token
from smi_conformance.cluster.journal import Journal
from smi_conformance.cluster.port import Answer, ClusterError, Manifest, Pod, Ref
from smi_conformance.cluster.session import Session, _line
from smi_conformance.judge.crowding import Crowd, require_heard
from smi_conformance.judge.observation import Observation, Plan, Reply, ServerLog, Span

AGGREGATED = "/apis/metrics.smi-spec.io"  # where a 5xx is the answer of the mesh, or says that it does not answer
TIMEOUT = 30  # seconds for one API call; a hanging API server must not hang a run
GONE = 20.0  # seconds without an answer after which a cluster is gone: one that is loaded drops a connection at times


class KubeCluster:
    """The cluster port over the official client. Not thread-safe: one per worker.

    With a replaying journal there is no client: every call is answered from the record.
    """

    def __init__(self, api: client.ApiClient | None, journal: Journal) -> None:
        self._api = api
        self._journal = journal
        self._resources: DynamicClient | None = None
        self._sessions: dict[str, Session] = {}
        self._marks: dict[str, dict[str, int]] = {}
        self._accounts: dict[Account, DynamicClient] = {}
        self.crowd = Crowd()

    @property
    def clock(self) -> Journal:
        return self._journal

    def sign(self, requirement: str) -> None:
        """Put the requirement under test into the User-Agent, so that audit logs tell who wrote what."""
        if self._api:
            self._api.user_agent = f"smi-conformance {requirement}"

    def silence(self) -> str:
        """Why the API server does not answer any more, for a while; empty when it does, and in replay. Not recorded."""
        end = time.monotonic() + GONE
        while why := self._unanswered():
            if time.monotonic() >= end:
                return why
            time.sleep(1)
        return ""

    def _unanswered(self) -> str:
        if not self._api:
            return ""
        try:
            client.VersionApi(self._api).get_code(_request_timeout=10)
        except (ApiException, HTTPError, OSError) as error:
            return f"no API server answers at {self._api.configuration.host}: {_line(error)}"
        return ""

    # Objects

    def apply(self, manifest: Manifest) -> None:
        self._journal.call("apply", str(Ref.of(manifest)), lambda: self._apply(manifest))

    def entrust(self, manifest: Manifest) -> None:
        """Apply an object that holds a secret. Nothing of it is recorded, so nothing is done in replay."""
        if self._api:
            self._apply(manifest)

    def delete(self, ref: Ref) -> None:
        self._journal.call("delete", str(ref), lambda: self._delete(ref))

    def get(self, ref: Ref) -> Manifest | None:
        found: Manifest | None = self._journal.call("get", str(ref), lambda: self._get(ref))
        return found

    def api(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        account: Account | None = None,
    ) -> Answer:
        who = f" by {account[1]}/{account[0]}" if account else ""
        live = lambda: self._request(method, path, body, content_type, account).to_json()  # noqa: E731
        return Answer(**self._journal.call("api", f"{method} {path}{who}", live))

    def pods(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        labels = ",".join(f"{k}={v}" for k, v in sorted(selector.items()))
        key = f"{namespace} {labels}"
        return [Pod.from_json(p) for p in self._journal.call("pods", key, lambda: self._pods(namespace, labels))]

    def _apply(self, manifest: Manifest) -> None:
        ref = Ref.of(manifest)
        resource = self._resource(ref)
        with _translated(f"apply {ref}"):
            try:
                resource.create(body=manifest, namespace=ref.namespace, _request_timeout=TIMEOUT)
            except DynamicApiError as error:
                if error.status != 409:
                    raise
                resource.patch(
                    body=manifest, name=ref.name, namespace=ref.namespace,
                    content_type="application/merge-patch+json", _request_timeout=TIMEOUT,
                )  # fmt: skip

    def _delete(self, ref: Ref) -> None:
        with _translated(f"delete {ref}", missing_is_fine=True):
            self._resource(ref).delete(
                name=ref.name, namespace=ref.namespace,
                body={"propagationPolicy": "Background"}, _request_timeout=TIMEOUT,
            )  # fmt: skip

    def _get(self, ref: Ref) -> Manifest | None:
        with _translated(f"get {ref}", missing_is_fine=True):
            got = self._resource(ref).get(name=ref.name, namespace=ref.namespace, _request_timeout=TIMEOUT)
            return dict(got.to_dict())
        return None

    def _request(self, method: str, path: str, body: object, content_type: str, account: Account | None) -> Answer:
        sent = body if content_type.endswith("json") else json.dumps(body)
        with _translated(f"{method} {path}"):
            client_ = self._dynamic_of(account) if account else self._dynamic()
            answer = _answer(client_, method, path, sent, content_type)
        return answer  # noqa: RET504  # outside, since the block may swallow errors

    def _dynamic_of(self, account: Account) -> DynamicClient:
        """A client with a token of a ServiceAccount, and nothing of our own. The token is written nowhere."""
        assert self._api
        if account not in self._accounts:
            self._accounts[account] = by_token(self._api, account, TIMEOUT)
        return self._accounts[account]

    def _pods(self, namespace: str, labels: str) -> list[dict[str, Any]]:
        with _translated(f"list pods of {namespace}"):
            core = client.CoreV1Api(self._api)
            items = core.list_namespaced_pod(namespace, label_selector=labels, _request_timeout=TIMEOUT).items
        return [_pod(p).to_json() for p in sorted(items, key=lambda p: p.metadata.name) if _ready(p)]

    def _resource(self, ref: Ref) -> Any:
        with _translated(f"discovery of {ref.api_version} {ref.kind}"):
            try:
                return self._dynamic().resources.get(api_version=ref.api_version, kind=ref.kind)
            except ResourceNotFoundError as error:
                raise ClusterError(
                    f"the cluster does not serve {ref.kind} {ref.api_version}: install its CRD"
                ) from error

    def _dynamic(self) -> DynamicClient:
        self._resources = self._resources or DynamicClient(self._api)
        return self._resources

    # Traffic

    def observe(self, prefix: str, client: Pod, plan: Plan, servers: Sequence[Pod]) -> Observation:
        seen = self._observation("observe", prefix, client, lambda: self._observe(prefix, client, plan, servers))
        require_heard(seen)
        return seen

    def start_stream(self, stream: str, client: Pod, plan: Plan) -> None:
        frame = {"op": "start", "stream": stream, "steps": plan.to_json()}
        self._journal.call("start", stream, lambda: self._session(client).request(frame)["ok"])

    def window(self, prefix: str, client: Pod, servers: Sequence[Pod]) -> Observation:
        return self._observation("window", prefix, client, lambda: self._window(prefix, client, servers))

    def stop_stream(self, stream: str, client: Pod, plan: Plan) -> Observation:
        return self._observation("stop", stream, client, lambda: self._stop(stream, client, plan))

    def _observation(self, op: str, prefix: str, client: Pod, live: Callable[[], Observation]) -> Observation:
        made: list[Observation] = []

        def told() -> dict[str, Any]:
            made.append(live())
            return made[0].to_json()

        recorded = self._journal.call(op, f"{prefix} {client.name}", told)
        seen = (made[0] if made else Observation.from_json(recorded)).check()
        self.crowd.note(seen)
        return seen

    def _observe(self, prefix: str, client: Pod, plan: Plan, servers: Sequence[Pod]) -> Observation:
        sessions = [self._session(server) for server in servers]  # opened before anything is sent
        budget = 30 + sum(step.timeout * (1 + step.count / step.concurrency) for step in plan.steps)
        sender = self._session(client)
        answer = sender.request({"op": "traffic", "steps": plan.to_json()}, timeout=budget)
        cpu = sender.cpu
        logs = self._logs(sessions, prefix)
        return Observation(client.name, plan, _replies(answer), logs, _crowded({client.name: cpu}, sessions))

    def _logs(
        self, sessions: Sequence[Session], prefix: str, since: Mapping[str, int] | None = None
    ) -> dict[str, ServerLog]:
        """What reached the pods, who are all asked at once: from a number on, by uid, or since they were last asked."""
        try:
            for session in sessions:
                session.ask_for_log(prefix, None if since is None else since.get(session.pod.uid, 0))
            return {session.pod.name: session.told_log() for session in sessions}
        except ClusterError:
            for session in sessions:  # one of them may still have an answer under way, which is no other question's
                self._sessions.pop(session.pod.uid).close()
            raise

    def _stop(self, stream: str, client: Pod, plan: Plan) -> Observation:
        sender = self._session(client)
        answer = sender.request({"op": "stop", "stream": stream})
        return Observation(client.name, plan, _replies(answer), cpu=_crowded({}, [sender]))

    def _window(self, prefix: str, client: Pod, servers: Sequence[Pod]) -> Observation:
        sessions, marks = [self._session(server) for server in servers], self._marks.setdefault(prefix, {})
        logs = self._logs(sessions, prefix, marks)
        marks.update({session.pod.uid: session.cursor for session in sessions})
        return Observation(client.name, Plan(()), (), logs, _crowded({}, sessions))

    def _session(self, pod: Pod) -> Session:
        known = self._sessions.get(pod.uid)
        if known is None:
            self._sessions[pod.uid] = Session(self._api, pod)
        elif known.rested:
            self._sessions[pod.uid] = known.again()
        return self._sessions[pod.uid]

    # Evidence after a failure

    def dump(self, namespaces: Sequence[str]) -> dict[str, Any]:
        if not self._api:
            return {}
        core = client.CoreV1Api(self._api)
        return {namespace: _dump(core, namespace) for namespace in namespaces}

    def close(self) -> None:
        """End the agents; the pods stay."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()


def _answer(dynamic: DynamicClient, method: str, path: str, body: object, content_type: str) -> Answer:
    try:
        answer = dynamic.request(
            method, path, body=body, content_type=content_type, serialize=False, _request_timeout=TIMEOUT
        )
    except DynamicApiError as error:
        if not (_is_answer(error) or path.startswith(AGGREGATED)):
            raise
        return Answer(error.status, _decoded(error.body))
    return Answer(answer.status, _decoded(answer.data))


class _translated:  # noqa: N801  # reads as a word at the call
    """Client and network errors inside become one-line ClusterErrors."""

    def __init__(self, doing: str, *, missing_is_fine: bool = False) -> None:
        self._doing, self._missing_is_fine = doing, missing_is_fine

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, (DynamicApiError, ApiException)):
            if error.status == 404 and self._missing_is_fine:
                return True
            raise ClusterError(f"{self._doing}: {error.status} {error.reason}: {_reason(error)}") from error
        if isinstance(error, (HTTPError, OSError)):
            raise ClusterError(f"{self._doing}: the API server cannot be reached: {_line(error)}") from error
        return False


def _reason(error: Any) -> str:
    text = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["message"])  # a Kubernetes Status
    return " ".join(text.split())[:300]


def _is_answer(error: Any) -> bool:
    """Whether the API server did its part: a failing webhook of the mesh is told as a 5xx, too."""
    return 400 <= error.status < 500 or (error.status >= 500 and "webhook" in _reason(error))


def _decoded(data: bytes | str) -> dict[str, Any] | str:
    text = data.decode(errors="replace") if isinstance(data, bytes) else str(data)
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        return value if isinstance(value, dict) else text
    return text


def _replies(answer: Mapping[str, Any]) -> tuple[tuple[Reply, ...], ...]:
    return tuple(tuple(Reply(*reply) for reply in replies) for replies in answer["replies"])


def _crowded(cpu: dict[str, tuple[Span, ...]], sessions: Sequence[Session]) -> dict[str, tuple[Span, ...]]:
    """What the agents told of a crowded CPU, by pod; nothing where it was not."""
    for session in sessions:
        cpu[session.pod.name] = (*cpu.get(session.pod.name, ()), *session.cpu)
    return {name: spans for name, spans in cpu.items() if spans}


def _pod(pod: Any) -> Pod:
    names = tuple(c.name for c in pod.spec.containers)
    return Pod(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid, pod.status.pod_ip or "", names)


def _ready(pod: Any) -> bool:
    conditions = {c.type: c.status for c in pod.status.conditions or ()}
    return conditions.get("Ready") == "True" and not pod.metadata.deletion_timestamp


def _dump(core: Any, namespace: str) -> dict[str, Any]:
    try:
        pods = core.list_namespaced_pod(namespace, _request_timeout=TIMEOUT).items
        events = core.list_namespaced_event(namespace, _request_timeout=TIMEOUT).items
        return {
            "pods": {p.metadata.name: _states(p) for p in pods},
            "events": [
                f"{e.type} {e.reason} {e.involved_object.kind}/{e.involved_object.name}: {e.message}"
                for e in events[-60:]
            ],
            "logs": {f"{p.metadata.name}/{c.name}": _log(core, p, c.name) for p in pods for c in p.spec.containers},
        }
    except (ApiException, HTTPError, OSError) as error:
        return {"unavailable": _line(error)}


def _states(pod: Any) -> dict[str, Any]:
    statuses = pod.status.container_statuses or ()
    return {
        "phase": pod.status.phase,
        "containers": {s.name: {"ready": s.ready, "restarts": s.restart_count} for s in statuses},
    }


def _log(core: Any, pod: Any, container: str) -> str:
    try:
        return str(core.read_namespaced_pod_log(
            pod.metadata.name, pod.metadata.namespace, container=container, tail_lines=40, _request_timeout=TIMEOUT,
        ))  # fmt: skip
    except ApiException as error:
        return f"(no log: {error.status})"
