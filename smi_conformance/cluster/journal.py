"""The journal: every call on the cluster with its outcome and time, in order.

A recording journal writes one JSON line per call into `observations/WORKER.jsonl` of the report folder. A
replaying one hands the outcomes out again, so the same scenarios reach their verdicts from the evidence
alone. Calls are grouped by scope (a scenario's node id, or the cast it stands on).
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from smi_conformance.cluster.port import ClusterError
from smi_conformance.judge.convergence import Clock, SystemClock

Json = Any
CLEANUP = "delete"
_compact = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Journal(Protocol):
    """Where calls are recorded or looked up; also the clock of a scenario."""

    def call(self, op: str, key: str, live: Callable[[], Json]) -> Json:
        """The outcome of one call: of `live` when recording, the recorded one in replay."""

    def scope(self, name: str) -> Any:
        """Context manager: calls inside belong to `name`."""

    def now(self) -> float:
        """Seconds since the journal began, as of the last call; the same in replay."""

    def sleep(self, seconds: float) -> None:
        """Pass time (none in replay)."""


class _Scoped:
    """Keeps the stack of scopes; the innermost is where a call belongs."""

    def __init__(self) -> None:
        self._scopes = ["session"]

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()


class Recording(_Scoped):
    """A journal that makes the calls and writes them down. Times are those of `clock`, by default the machine's."""

    def __init__(self, path: Path, worker: str, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._worker = worker
        self._began = self._clock.now()
        self._now = 0.0

    def call(self, op: str, key: str, live: Callable[[], Json]) -> Json:
        try:
            result = live()
        except ClusterError as error:
            self._write({"op": op, "key": key, "error": str(error)})
            raise
        self._write({"op": op, "key": key, "result": result})
        return result

    def _write(self, line: dict[str, Json]) -> None:
        self._now = self._clock.now() - self._began
        head = {"scope": self._scopes[-1], "worker": self._worker, "t": round(self._now, 4)}
        self._now = head["t"]  # type: ignore[assignment]  # what is judged is what is written
        self._file.write(_compact({**head, **line}) + "\n")

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        self._now += seconds

    def close(self) -> None:
        self._file.close()


class Replay(_Scoped):
    """A journal that answers from a recorded run; any departure from it is a ClusterError.

    Time is what it was: when a scope is entered or left, that of the call recorded before its next one. So the time
    of scenarios that are left out does not count.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._calls: dict[str, deque[dict[str, Json]]] = defaultdict(deque)
        self.order: list[str] = []
        self.workers: dict[str, str] = {}
        for line in _lines(folder):
            if line["op"] == CLEANUP:
                continue
            scope = line["scope"]
            if scope not in self._calls:
                self.order.append(scope)
                self.workers[scope] = line["worker"]
            self._calls[scope].append(line)
        self._now = 0.0

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        with super().scope(name):
            self._turn_the_clock()
            yield
        self._turn_the_clock()

    def _turn_the_clock(self) -> None:
        if left := self._calls.get(self._scopes[-1]):
            self._now = left[0]["before"]

    def call(self, op: str, key: str, live: Callable[[], Json]) -> Json:
        scope = self._scopes[-1]
        if op == CLEANUP:  # where a verdict comes earlier than it did, cleaning up does too
            return None
        if not self._calls[scope]:
            raise ClusterError(f"replay: nothing more was recorded for {scope}, wanted {op} {key}")
        line = self._calls[scope].popleft()
        if (line["op"], line["key"]) != (op, key):
            raise ClusterError(f"replay: recorded {line['op']} {line['key']} for {scope}, wanted {op} {key}")
        self._now = line["t"]
        if "error" in line:
            raise ClusterError(line["error"])
        return line["result"]

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


def _lines(folder: Path) -> Iterator[dict[str, Json]]:
    files = sorted((folder / "observations").glob("*.jsonl"))
    if not files:
        raise ClusterError(f"{folder} holds no observations: give the --report folder of a finished run")
    for file in files:
        before = 0.0
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                line = json.loads(text)
            except ValueError as error:
                raise ClusterError(f"{file.name} line {number} is damaged: {error}") from error
            yield line | {"before": before}
            before = line["t"]


class Unrecorded:
    """Makes the calls and keeps nothing. Times are those of `clock`, by default the machine's."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def call(self, op: str, key: str, live: Callable[[], Json]) -> Json:
        return live()

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        yield

    def now(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
