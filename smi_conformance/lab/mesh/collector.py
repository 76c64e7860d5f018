"""The counts of all proxies: each report is taken once, and kept for the window of the metrics API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from smi_conformance.lab.mesh.access_log import SERVER, Seen
from smi_conformance.lab.mesh.census import Census
from smi_conformance.lab.mesh.model import Json, Name
from smi_conformance.model.metrics.answers import Ask, Changes, answer
from smi_conformance.model.metrics.items import Reading
from smi_conformance.model.metrics.kinds import SPLITS
from smi_conformance.model.metrics.traffic import Flow, Member, Ref, Tally, Window, succeeded

#: What a reading waits for beyond the interval of reports: lines that Envoy holds back, and reports on their way.
MARGIN_SECONDS = 1.0


class Defects(Changes, Protocol):
    """What a fault may change here."""

    def noted(self, flow: Flow, tally: Tally) -> None:
        """Sees all that is counted."""


class Collector:
    """Takes reports and answers the metrics API.

    A reading covers a window that ended so long ago that all reports about it have come: the interval of reports and
    a margin. `clock` counts seconds since 1970.
    """

    def __init__(self, census: Census, clock: Callable[[], float] = time.time) -> None:
        self._census, self._clock = census, clock
        self._last: dict[Name, tuple[str, int]] = {}
        self._interval = 1.0
        self._window = Window()

    def resize(self, window: float, interval: float) -> None:
        """Another window, which begins empty, and another interval of reports."""
        self._interval = interval
        if window != self._window.seconds:
            self._window = Window(window)

    def take(self, pod: Name, report: Json, defects: Defects) -> Json:
        """Count a report of a pod's proxy, unless it was counted before; the answer to the agent."""
        this = report["boot"], report["sequence"]
        boot, sequence = self._last.get(pod, ("", 0))
        if boot != this[0] or sequence < this[1]:
            self._last[pod] = this
            self._count(pod, report["flows"], defects)
        return {"interval": self._interval}

    def forget(self, pods: set[Name]) -> None:
        """Drop what no reading asks for any more, and what is known of proxies but these and those of late."""
        self._window.forget(self._clock())
        self._last = {pod: last for pod, last in self._last.items() if pod in pods or self._census.pod(pod)}

    def _count(self, pod: Name, flows: list[Any], defects: Defects) -> None:
        now, own = self._clock(), self._census.pod(pod)
        for age, *seen, counted in flows:
            flow = self._flow(own, Seen(*seen))
            tally = Tally()
            for status, latency, count in counted:
                tally.note(success=succeeded(status), bucket=latency, count=count)
            defects.noted(flow, tally)
            self._window.add(now - age, flow, tally)

    def _flow(self, own: Member | None, seen: Seen) -> Flow:
        if seen.side == SERVER:
            return Flow("server", self._census.identified(seen.peer), own, protocol=seen.protocol)
        namespace, _, split = seen.route.partition("/")
        return Flow(
            "client",
            own,
            self._census.at(seen.peer),
            self._census.service_at(seen.dialled),
            Ref(SPLITS, namespace, split) if split else None,
            seen.cluster.partition("/")[2].partition(":")[0],
            seen.protocol,
        )

    def answer(self, ask: Ask, defects: Defects) -> tuple[int, Any]:
        """HTTP code and body for a GET of the metrics API."""
        moment = self._clock() - self._interval - MARGIN_SECONDS
        reading = Reading(self._window.read(moment), self._window.end(moment), self._window.seconds)
        return answer(ask, self._census, reading, defects)
