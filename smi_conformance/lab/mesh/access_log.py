"""What proxies write about each request, and how agents count it.

Envoy writes one line for each request to its standard output, which the agent reads to the end: every line is counted
once. Counts go to the control plane in reports that are numbered and repeated until they are acknowledged.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from smi_conformance.model.metrics.latency import bucket

SERVER, CLIENT = "server", "client"
_LATENCY = "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%"
_TAIL = ("%PROTOCOL%", "%RESPONSE_CODE%", _LATENCY, "%DURATION%")
#: Side; of the client (by its certificate) or of the server (by its address); the address that was dialled, the route
#: and the cluster; protocol, status and latencies.
FORMATS = {
    SERVER: "\t".join((SERVER, "%DOWNSTREAM_PEER_DNS_SAN%", "-", "-", "-", *_TAIL)),
    CLIENT: "\t".join(
        (CLIENT, "%UPSTREAM_HOST%", "%DOWNSTREAM_LOCAL_ADDRESS%", "%ROUTE_NAME%", "%UPSTREAM_CLUSTER_RAW%", *_TAIL)
    ),
}
#: How many seconds of counts wait for a control plane that does not answer; then the oldest are given up.
PATIENCE = 120


class Seen(NamedTuple):
    """What requests have in common that a proxy counts together; `-` for what it does not know."""

    side: str
    peer: str
    dialled: str
    route: str
    cluster: str
    protocol: str


def read_line(line: str) -> tuple[Seen, int, int] | None:
    """What was seen, the status (0: none was sent) and the bucket of the latency; None for any other line."""
    fields = line.rstrip("\n").split("\t")
    if len(fields) != 9 or fields[0] not in FORMATS:
        return None
    *seen, status, microseconds, milliseconds = fields
    # Without an end there is no exact latency, only how long it lasted.
    latency = int(microseconds) if microseconds.isdigit() else 1000 * _number(milliseconds)
    return Seen(*seen), _number(status), bucket(latency)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


class Counts:
    """Requests by second, until the control plane has them. Times are seconds of one clock that does not go back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, dict[Seen, Counter[tuple[int, int]]]] = {}
        self._sent: tuple[int, dict[int, dict[Seen, Counter[tuple[int, int]]]]] | None = None
        self._sequence = 0

    def note(self, line: str, now: float) -> None:
        """Count the request of a line."""
        if found := read_line(line):
            seen, status, latency = found
            with self._lock:
                slices = self._open.setdefault(int(now), {})
                slices.setdefault(seen, Counter())[status, latency] += 1

    def report(self, now: float) -> Any:
        """What the control plane has not acknowledged yet; None if that is nothing. The same again until it has."""
        with self._lock:
            if self._sent is None and self._open:
                self._sequence += 1
                self._sent, self._open = (self._sequence, self._open), {}
            for second in [one for one in self._open if one < now - PATIENCE]:
                del self._open[second]
            if self._sent is None:
                return None
            sequence, slices = self._sent
        flows = [
            [now - second, *seen, [[status, latency, n] for (status, latency), n in counted.items()]]
            for second, found in slices.items()
            for seen, counted in found.items()
        ]
        return {"sequence": sequence, "flows": flows}

    def acknowledged(self) -> None:
        """The control plane has the last report."""
        with self._lock:
            self._sent = None


def count_lines(lines: Iterable[bytes], counts: Counts, clock: Any) -> None:
    """Count until the proxy has ended and all it wrote is read."""
    for line in lines:
        counts.note(line.decode(errors="replace"), clock())
