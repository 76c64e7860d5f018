"""The suite as a Job in the cluster that it judges: its objects, the way of its report out of the pod, and its end."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from urllib3.exceptions import HTTPError
from websocket import WebSocketException

from smi_conformance.cluster.journal import Unrecorded
from smi_conformance.cluster.kube import KubeCluster
from smi_conformance.cluster.port import ClusterError, Manifest, Ref
from smi_conformance.judge.convergence import DeadlineExpired, until
from smi_conformance.locations import MANIFESTS

NAMESPACE, APP, CONTAINER = "smi-conformance", "app=smi-conformance", "suite"
RESULT, TARBALL, FETCHED = "/out/result.json", "/out/report.tar.gz", "/out/fetched"
START = 300.0  # seconds until the pod runs: its image has to be pulled
END = 300.0  # seconds that its deletion may take: its pod has three minutes to remove what the run made
SILENCE = 900.0  # seconds in which a run says nothing at all
TROUBLE = (ApiException, HTTPError, OSError, WebSocketException)


@dataclass(frozen=True)
class Result:
    """What the Job says of its run, and the tarball of its report."""

    exit: int
    size: int
    sha256: str


def manifests(image: str, words: Sequence[str], files: Sequence[Path] = ()) -> list[Manifest]:
    """The objects of `manifests/`, with an image, the options of the run, and files for it. Raises OSError."""
    texts = [(MANIFESTS / name).read_text(encoding="utf-8") for name in ("rights.yaml", "in-cluster.yaml")]
    made: list[Manifest] = [document for text in texts for document in yaml.safe_load_all(text)]
    job = made.pop()
    (container,) = job["spec"]["template"]["spec"]["containers"]
    container["image"] = image
    container["args"] = ["in-cluster", "job", "--", *words]
    return [*made, *([_secret(files)] if files else []), job]


def _secret(files: Sequence[Path]) -> Manifest:
    """A Secret, since settings of the workload may go with the credentials of a registry."""
    data = {path.name: base64.b64encode(path.read_bytes()).decode("ascii") for path in files}
    meta = {"name": "files", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}


class InCluster:
    """The Job on one cluster. Every method raises ClusterError."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self._cluster = KubeCluster(api, Unrecorded())
        self._core = client.CoreV1Api(api)

    def start(self, objects: Sequence[Manifest]) -> None:
        """Apply the objects. A Job of an earlier run is no ground to stand on."""
        if self._cluster.get(Ref("batch/v1", "Job", "suite", NAMESPACE)):
            raise ClusterError(
                "there is a Job of an earlier run: smi-conformance in-cluster fetch, or in-cluster remove"
            )
        for manifest in objects:
            self._cluster.apply(manifest)

    def follow(self, say: Callable[[str], None]) -> None:
        """Tell what the run prints until its report is there."""
        pod = self._pod(running=True)
        with _told("the log of the suite's pod"):
            log = self._core.read_namespaced_pod_log(
                pod, NAMESPACE, container=CONTAINER, follow=True, _preload_content=False, _request_timeout=(30, SILENCE)
            )
            for line in _lines(log):
                if line.startswith(READY):
                    return
                say(line)

    def fetch(self, target: Path, patience: float) -> Result:
        """Wait for the report, write its tarball, and let the Job end. The file is checked against its SHA-256."""
        pod = self._pod(running=True, report=True, patience=patience)
        told = json.loads(self._output(pod, "cat", RESULT))
        result = Result(told["exit"], told["size"], told["sha256"])
        content = self._output(pod, "cat", TARBALL)
        if (len(content), hashlib.sha256(content).hexdigest()) != (result.size, result.sha256):
            raise ClusterError(f"the report came incomplete: {len(content)} of {result.size} bytes; fetch it again")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self._output(pod, "touch", FETCHED)
        return result

    def remove(self, objects: Sequence[Manifest]) -> None:
        """Delete the objects; a run that goes on removes its namespaces first, for which it needs its rights."""
        *others, job = objects
        self._cluster.delete(Ref.of(job))
        self._gone(lambda: not self._pods(), "the suite's pod")
        for manifest in reversed(others):
            self._cluster.delete(Ref.of(manifest))
        place = Ref("v1", "Namespace", NAMESPACE)
        self._gone(lambda: self._cluster.get(place) is None, f"namespace {NAMESPACE}")

    def _gone(self, check: Callable[[], bool], what: str) -> None:
        try:
            until(check, deadline=END, what=f"the end of {what}", clock=self._cluster.clock)
        except DeadlineExpired as error:
            raise ClusterError(f"{what} is still there after {END:.0f} s: smi-conformance in-cluster remove") from error

    def _pods(self) -> list[Any]:
        with _told("pods of the suite"):
            return list(self._core.list_namespaced_pod(NAMESPACE, label_selector=APP, _request_timeout=30).items)
        return []

    def _pod(self, *, running: bool, report: bool = False, patience: float = START) -> str:
        """The Job's pod, once it runs, or once its report is there."""
        seen: list[str] = []

        def found() -> str | None:
            pods = self._pods()
            seen[:] = [_state(pod) for pod in pods]
            if ended := [state for pod, state in zip(pods, seen, strict=True) if pod.status.phase == "Failed"]:
                raise ClusterError(f"the suite's pod has ended: {ended[0]}; kubectl -n {NAMESPACE} logs -l {APP}")
            fit = [pod for pod in pods if pod.status.phase == "Running" and (not report or _ready(pod))]
            return str(fit[0].metadata.name) if fit else None

        try:
            what = "the report" if report else "the suite's pod"
            value = until(found, deadline=patience, holds=lambda name: name is not None, what=what,
                          clock=self._cluster.clock).value  # fmt: skip
        except DeadlineExpired as error:
            why = seen[0] if seen else "there is no pod"
            raise ClusterError(f"waited {patience:.0f} s in vain for {what}: {why}") from error
        return str(value)

    def _output(self, pod: str, *command: str) -> bytes:
        """Standard output of a program in the pod."""
        core = client.CoreV1Api(client.ApiClient(self._api.configuration))
        with _told(f"{command[0]} in pod {pod}"):
            answer = stream(
                core.connect_get_namespaced_pod_exec, pod, NAMESPACE, container=CONTAINER, command=list(command),
                stdin=False, stdout=True, stderr=True, tty=False, binary=True, _preload_content=False,
                _request_timeout=60,
            )  # fmt: skip
            return _drained(answer)


READY = "in-cluster: the report is ready"


def _drained(answer: Any) -> bytes:
    found, quiet = b"", time.monotonic()
    while answer.is_open():
        answer.update(timeout=1)
        if answer.peek_stdout():
            found, quiet = found + answer.read_stdout(), time.monotonic()
        elif time.monotonic() - quiet > 60:
            raise OSError("nothing came for 60 s")
    with contextlib.suppress(WebSocketException, OSError):
        answer.close()
    return found + (answer.read_stdout(timeout=0) or b"")


def _lines(log: Any) -> Iterator[str]:
    left = b""
    for chunk in log.stream(1 << 12):
        *lines, left = (left + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)


def _state(pod: Any) -> str:
    waiting = [s.state.waiting for s in pod.status.container_statuses or () if s.state and s.state.waiting]
    return f"{pod.status.phase}" + "".join(f" ({one.reason}: {one.message or ''})"[:200] for one in waiting)


def _ready(pod: Any) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes a ClusterError in one line."""
    try:
        yield
    except TROUBLE as error:
        why = f"{error.status} {error.reason}" if isinstance(error, ApiException) else " ".join(str(error).split())
        raise ClusterError(f"{what}: {why[:300]}") from error
