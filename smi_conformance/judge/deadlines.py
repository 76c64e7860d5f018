"""Deadlines: how long a mesh may take, as one value object."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Deadlines:
    """Seconds, each counted from the act that it follows. A raised one is printed in the report."""

    ready: float = 120  # a pod, created until ready
    policy: float = 30  # a TrafficTarget or a route, applied until it has effect at every client
    stale: float = 5  # what a change takes away, since what the same change brings has effect
    split: float = 30  # a TrafficSplit, applied until it has effect at every client
    endpoints: float = 30  # a change of pods or Services, until clients are routed by it
    metrics: float = 90  # traffic, sent until the metrics API shows it
    delete: float = 60  # a namespace or pod, deleted until gone
    install: float = 300  # a mesh, applied until ready
    baseline: float = 60  # the last policy of an identity, deleted until its baseline is back
    request: float = 5  # one request, sent until answered

    def __post_init__(self) -> None:
        for name in self.names():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 < value <= 86400):
                raise ValueError(f"deadline {name} must be seconds above 0 and at most a day, not {value!r}")

    @classmethod
    def names(cls) -> list[str]:
        """The names of all deadlines."""
        return [one.name for one in fields(cls)]

    def with_(self, **seconds: Any) -> Deadlines:
        """These deadlines with some replaced. Raises ValueError."""
        for name in seconds:
            if name not in self.names():
                near = difflib.get_close_matches(name, self.names())
                advice = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(self.names())}"
                raise ValueError(f"no deadline is named {name!r}{advice}")
        return replace(self, **seconds)

    def raised(self) -> list[str]:
        """Names of the deadlines that are longer than by default."""
        return [one.name for one in fields(self) if getattr(self, one.name) > one.default]

    def to_json(self) -> dict[str, float]:
        """Seconds by name."""
        return {name: getattr(self, name) for name in self.names()}
