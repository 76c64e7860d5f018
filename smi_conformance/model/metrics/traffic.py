"""What is counted: requests by who sent them to whom, and the window of time for which they count."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Side = Literal["client", "server"]


class Ref(NamedTuple):
    """An object: the plural of its kind, its namespace (empty for nodes and namespaces) and its name."""

    plural: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Member:
    """A pod, and all objects that contain it: its namespace, its node, its owners, the Services that select it.

    It is noted with the request: a pod that is gone still counts for its Deployment.
    """

    pod: Ref
    parts: frozenset[Ref] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()
    """The labels of the pod; nothing sound counts by them."""

    def of(self, plural: str) -> list[Ref]:
        """The objects of one kind that the pod is part of; for pods itself."""
        return [self.pod] if plural == "pods" else sorted(ref for ref in self.parts if ref.plural == plural)

    def within(self, ref: Ref) -> bool:
        """Whether the pod is that object or part of it."""
        return ref == self.pod or ref in self.parts


class Flow(NamedTuple):
    """What requests have in common that are counted together. A request is counted once by each proxy it passes.

    `side` is the proxy that counted. `source` is None for clients outside the mesh, `destination` when no server was
    reached. Only the client's proxy knows the `service` that was called, and the `split` and `backend` (the name of a
    Service) that it chose the server by.
    """

    side: Side
    source: Member | None
    destination: Member | None
    service: Ref | None = None
    split: Ref | None = None
    backend: str = ""
    protocol: str = "HTTP/1.1"


@dataclass
class Tally:
    """How many requests succeeded and failed, and how many took how long (by `latency.bucket`)."""

    success: int = 0
    failure: int = 0
    latencies: Counter[int] = field(default_factory=Counter)

    def note(self, *, success: bool, bucket: int, count: int = 1) -> None:
        """Count requests."""
        if success:
            self.success += count
        else:
            self.failure += count
        self.latencies[bucket] += count

    def add(self, other: Tally) -> None:
        """Count what the other has counted."""
        self.success += other.success
        self.failure += other.failure
        self.latencies.update(other.latencies)


def succeeded(status: int) -> bool:
    """Whether an HTTP status is a success: all but server errors are, and no answer (0) is none."""
    return 0 < status < 500


Flows = Mapping[Flow, Tally]


def total(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    sums = Tally()
    for tally in tallies:
        sums.add(tally)
    return sums


class Window:
    """Counts of the last while, in slices of time. Times are seconds of one clock.

    A reading covers whole slices, as many as the window has, so nothing is in it twice or by a part. What is older
    than a window and the time that reports may take (`late` seconds) is forgotten.
    """

    def __init__(self, seconds: float = 30.0, *, slice_seconds: float = 1.0, late: float = 60.0) -> None:
        self.seconds = seconds
        self._slice = slice_seconds
        self._kept = math.ceil((seconds + late) / slice_seconds)
        self._slices: deque[tuple[int, dict[Flow, Tally]]] = deque()

    def add(self, moment: float, flow: Flow, tally: Tally) -> None:
        """Requests that ended at a moment. The past may be added to as long as it is kept."""
        self._at(math.floor(moment / self._slice)).setdefault(flow, Tally()).add(tally)

    def _at(self, number: int) -> dict[Flow, Tally]:
        place = len(self._slices)
        while place and self._slices[place - 1][0] > number:
            place -= 1
        if place and self._slices[place - 1][0] == number:
            return self._slices[place - 1][1]
        fresh: dict[Flow, Tally] = {}
        self._slices.insert(place, (number, fresh))
        return fresh

    def forget(self, now: float) -> None:
        """Drop what no reading from now on can ask for."""
        oldest = math.floor(now / self._slice) - self._kept
        while self._slices and self._slices[0][0] < oldest:
            self._slices.popleft()

    def end(self, moment: float) -> float:
        """When the last slice ended that is over at that moment."""
        return math.floor(moment / self._slice) * self._slice

    def read(self, moment: float) -> dict[Flow, Tally]:
        """The sums over the window that ended at `end(moment)`."""
        last = math.floor(moment / self._slice)
        first = last - round(self.seconds / self._slice)
        sums: dict[Flow, Tally] = {}
        for number, flows in self._slices:
            if first <= number < last:
                for flow, tally in flows.items():
                    sums.setdefault(flow, Tally()).add(tally)
        return sums
