"""Deadlines: how long a mesh may take, as one value object."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml


def _seconds(default: float, meaning: str) -> float:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Deadlines:
    """Seconds, each counted from the act that it follows. A raised one is printed in the report."""

    ready: float = _seconds(120, "a pod, created until ready")
    policy: float = _seconds(30, "a TrafficTarget or a route, applied until it has effect at every client")
    stale: float = _seconds(5, "what a change takes away, since what the same change brings has effect")
    split: float = _seconds(30, "a TrafficSplit, applied until it has effect at every client")
    endpoints: float = _seconds(30, "a change of pods or Services, until clients are routed by it")
    metrics: float = _seconds(90, "traffic, sent until the metrics API shows it")
    delete: float = _seconds(60, "a namespace or pod, deleted until gone")
    install: float = _seconds(300, "a mesh, applied until ready")
    baseline: float = _seconds(60, "the last policy of an identity, deleted until its baseline is back")
    request: float = _seconds(5, "one request, sent until answered")

    def __post_init__(self) -> None:
        for name in self.names():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 < value <= 86400):
                raise ValueError(f"deadline {name} must be seconds above 0 and at most a day, not {value!r}")

    @classmethod
    def names(cls) -> list[str]:
        """The names of all deadlines."""
        return [one.name for one in fields(cls)]

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """What each deadline counts, by name."""
        return {one.name: one.metadata["meaning"] for one in fields(cls)}

    @classmethod
    def parse(cls, text: str) -> Deadlines:
        """From a flag such as "policy=60,split=90". Raises ValueError that says what is wrong."""
        pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
        return cls().with_(**{name.strip(): _number(name, value) for name, _, value in pairs})

    @classmethod
    def load(cls, path: Path) -> Deadlines:
        """From a YAML file that maps names to seconds. Raises OSError, ValueError."""
        source = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if not isinstance(source, Mapping):
            raise ValueError(f"{path}: deadlines are a map from name to seconds")
        return cls().with_(**source)

    def with_(self, **seconds: Any) -> Deadlines:
        """These deadlines with some replaced. Raises ValueError."""
        for name in seconds:
            if name not in self.names():
                near = difflib.get_close_matches(str(name), self.names(), 1)
                advice = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(self.names())}"
                raise ValueError(f"no deadline is named {name!r}{advice}")
        return replace(self, **seconds)

    def raised(self) -> list[str]:
        """Names of the deadlines that are longer than by default."""
        return [one.name for one in fields(self) if getattr(self, one.name) > one.default]

    def to_json(self) -> dict[str, float]:
        """Seconds by name."""
        return {name: getattr(self, name) for name in self.names()}


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"deadline {name.strip()} needs seconds, as in {name.strip()}=60") from None
