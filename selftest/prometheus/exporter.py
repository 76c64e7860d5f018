"""A mesh's counters as Open Service Mesh exports them: whatever is sent is counted, and told to whoever scrapes."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

BUCKETS = (
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    float("inf"),
)  # milliseconds, as Envoy has them


class End(NamedTuple):
    """A pod at one end of a request."""

    namespace: str
    name: str
    pod: str

    def labels(self, end: str) -> str:
        """As they are written: proxy-wasm has no dashes."""
        pairs = (f'{end}_{key}="{value.replace("-", "_")}"' for key, value in self._asdict().items())
        return ",".join(pairs)


@dataclass
class Exporter:
    """What was sent so far; `factor` counts each request so many times."""

    factor: int = 1
    requests: Counter[tuple[End, End, int]] = field(default_factory=Counter)
    buckets: Counter[tuple[End, End, int]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sent(self, source: End, to: End, count: int, *, code: int = 200, took: float = 2.0) -> None:
        """Count requests that took so many milliseconds."""
        with self.lock:
            self.requests[source, to, code] += count * self.factor
            self.buckets[source, to, bisect_left(BUCKETS, took)] += count * self.factor

    def page(self) -> str:
        """All counters, for a scrape."""
        with self.lock:
            return "".join(f"{line}\n" for line in [*self._counts(), *self._histograms()])

    def _counts(self) -> Iterator[str]:
        for (source, to, code), count in self.requests.items():
            yield f'osm_request_total{{response_code="{code}",{_labels(source, to)}}} {count}'

    def _histograms(self) -> Iterator[str]:
        for source, to in dict.fromkeys((source, to) for source, to, _ in self.buckets):
            upto = 0
            for place, edge in enumerate(BUCKETS):
                upto += self.buckets[source, to, place]
                le = "+Inf" if edge == float("inf") else f"{edge:g}"
                yield f'osm_request_duration_ms_bucket{{le="{le}",{_labels(source, to)}}} {upto}'

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Answer on a port of the loopback until the end."""
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name is given
                body = exporter.page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nobody reads it."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            yield int(server.server_address[1])
            server.shutdown()
            thread.join()


def _labels(source: End, to: End) -> str:
    return f"{source.labels('source')},{to.labels('destination')}"
