"""One exec per pod, kept open: the control channel to the traffic agent.

Frames in both directions are a decimal length, a newline and that many bytes of JSON. Control never goes
through the mesh: it is the API server's exec, so a mesh cannot break or fake it.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from websocket import WebSocketException

from smi_conformance.cluster.port import ClusterError, Pod
from smi_conformance.judge.observation import Arrival, ServerLog, Span

AGENT = ["python3", "-S", "-E", "/workload/workload.py", "agent"]
CONTAINER = "workload"
REST = 300.0  # seconds after which an exec is opened anew: the agent ends by itself when nobody asks it for 600


class Session:
    """The agent of one pod. `boot` changes when the workload restarts; `cursor` is the next arrival's number."""

    def __init__(self, api: client.ApiClient, pod: Pod) -> None:
        self.pod = pod
        self._api = api
        self._buffer = b""
        self._used = time.monotonic()
        core = client.CoreV1Api(client.ApiClient(api.configuration))
        try:
            self._socket = stream(
                core.connect_get_namespaced_pod_exec, pod.name, pod.namespace, container=CONTAINER, command=AGENT,
                stdin=True, stdout=True, stderr=True, tty=False, binary=True,
                _preload_content=False, _request_timeout=30,
            )  # fmt: skip
        except (ApiException, WebSocketException, OSError) as error:
            if isinstance(error.__context__, (KeyboardInterrupt, SystemExit)):  # the client takes them for a failure
                raise error.__context__ from None
            raise ClusterError(f"exec into pod {pod.namespace}/{pod.name} failed: {_line(error)}") from error
        self.cursor = self._begin = 0
        self.cpu: tuple[Span, ...] = ()  # how crowded it was before the last answer
        try:
            self.boot: str = self.request({"op": "hello"})["boot"]
        except ClusterError:
            self.close()
            raise

    @property
    def rested(self) -> bool:
        """Whether the agent has had nothing to do for so long that it may have ended."""
        return time.monotonic() - self._used > REST

    def again(self) -> Session:
        """A new exec into the pod that goes on where this one ends."""
        self.close()
        made = Session(self._api, self.pod)
        made.cursor = self.cursor if made.boot == self.boot else 0
        return made

    def request(self, frame: dict[str, Any], timeout: float = 30) -> dict[str, Any]:
        """The agent's answer; ClusterError when it says no, dies, or stays silent for `timeout` seconds."""
        self._send(frame)
        return self._answer(timeout)

    def _send(self, frame: dict[str, Any]) -> None:
        payload, self._used = json.dumps(frame).encode(), time.monotonic()
        try:
            self._socket.write_stdin(b"%d\n%s" % (len(payload), payload))
        except (WebSocketException, OSError) as error:
            raise ClusterError(f"agent of pod {self.pod.name}: {_line(error)}") from error

    def _answer(self, timeout: float = 30) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(self._frame(time.monotonic() + timeout))
        except (WebSocketException, OSError, ValueError) as error:
            raise ClusterError(f"agent of pod {self.pod.name}: {_line(error)}") from error
        if not answer.get("ok"):
            raise ClusterError(f"agent of pod {self.pod.name}: {answer.get('error')}")
        self.cpu = tuple(Span(*row) for row in answer.get("cpu", ()))
        return answer

    def _frame(self, deadline: float) -> bytes:
        head, _, rest = self._buffer.partition(b"\n")
        while not (b"\n" in self._buffer and len(rest) >= int(head)):
            self._read_more(deadline)
            head, _, rest = self._buffer.partition(b"\n")
        self._buffer = rest[int(head) :]
        return rest[: int(head)]

    def _read_more(self, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise ClusterError(f"agent of pod {self.pod.name} does not answer")
        self._socket.update(timeout=remaining)
        chunk = self._socket.read_stdout(timeout=0) if self._socket.is_open() or self._socket.peek_stdout() else b""
        if not chunk and not self._socket.is_open():
            complaint = self._socket.read_stderr(timeout=0)[-300:].decode(errors="replace")
            raise ClusterError(f"agent of pod {self.pod.name} ended: {complaint.strip() or 'no word'}")
        self._buffer += chunk

    def log(self, prefix: str, since: int | None = None) -> ServerLog:
        """What reached this pod under `prefix` from number `since` on (by default: since the last log)."""
        self.ask_for_log(prefix, since)
        return self.told_log()

    def ask_for_log(self, prefix: str, since: int | None = None) -> None:
        """The first half of `log`, so that many pods can be asked before the first one is heard."""
        self._begin = self.cursor if since is None else since
        self._send({"op": "arrivals", "since": self._begin, "prefix": prefix})

    def told_log(self) -> ServerLog:
        """The second half of `log`."""
        begin, answer = self._begin, self._answer()
        self.cursor = answer["next"]
        arrivals = tuple(Arrival(*row) for row in answer["arrivals"])
        return ServerLog((self.boot, answer["boot"]), begin, answer["next"], arrivals)

    def close(self) -> None:
        """End the agent; a connection that is broken already is fine."""
        with contextlib.suppress(WebSocketException, OSError):
            self._socket.close()


def _line(error: Exception) -> str:
    if isinstance(error, ApiException):
        return f"{error.status} {error.reason}"
    return " ".join(str(error).split())[:300] or type(error).__name__
