"""Evidence: what a verdict stands on, in the form in which the report shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bound:
    """With this confidence, the true rate of what was never seen is below `value`."""

    confidence: float
    value: float


@dataclass(frozen=True)
class Look:
    """The counts at one look of a sequential test."""

    n: int
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Evidence:
    """One judged observation. `kind` is a word such as share, zero, denied or allowed."""

    kind: str
    title: str
    passed: bool
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    looks: tuple[Look, ...] = ()
    bound: Bound | None = None
    false_failure: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The object of the event stream, plain also for the channel between workers; what does not apply is absent."""
        found: dict[str, Any] = {
            "kind": self.kind,
            "title": self.title,
            "passed": self.passed,
            "text": self.text,
            "numbers": json.loads(json.dumps(dict(self.numbers))),
        }
        if self.looks:
            found["looks"] = [{"n": look.n, "counts": dict(look.counts)} for look in self.looks]
        if self.bound:
            found["bound"] = {"confidence": self.bound.confidence, "value": self.bound.value}
        if self.false_failure is not None:
            found["false_failure"] = self.false_failure
        return found

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> Evidence:
        """The inverse of `to_json`."""
        return cls(
            kind=source["kind"],
            title=source["title"],
            passed=source["passed"],
            text=source["text"],
            numbers=source["numbers"],
            looks=tuple(Look(look["n"], look["counts"]) for look in source.get("looks", [])),
            bound=Bound(**source["bound"]) if "bound" in source else None,
            false_failure=source.get("false_failure"),
        )
