"""Verdicts, and the exceptions that carry them out of a scenario.

Exception
├── Nonconformance (AssertionError)     the mesh's: fail
├── Blocked                             a requirement this one stands on has failed: blocked
└── HarnessError                        ours, never counted against the mesh: error
    ├── EvidenceLost                    the record of what servers saw has a hole
    ├── WitnessError                    the control that a denial stands on did not hold
    ├── Starved                         the machine was too crowded to tell what is late from what is wrong
    └── DeadlineExpired                 nothing converged in time (convergence.py)
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from smi_conformance.judge.evidence import Evidence


class Verdict(StrEnum):
    """What a row of the report says, from best to worst."""

    PASS = "pass"  # noqa: S105 (a verdict)
    TENTATIVE_PASS = "tentative-pass"  # noqa: S105
    UNSUPPORTED = "unsupported"
    SKIPPED = "skipped"
    TENTATIVE_FAIL = "tentative-fail"
    BLOCKED = "blocked"
    FAIL = "fail"
    ERROR = "error"

    @property
    def severity(self) -> int:
        """0 for the best verdict, rising."""
        return list(Verdict).index(self)

    @property
    def blocks_conformance(self) -> bool:
        """Whether a row with this verdict keeps a profile from being called conformant."""
        return self in (Verdict.FAIL, Verdict.BLOCKED, Verdict.ERROR, Verdict.SKIPPED)

    def tentatively(self) -> Verdict:
        """The verdict on a requirement that stands outside the score."""
        return {Verdict.PASS: Verdict.TENTATIVE_PASS, Verdict.FAIL: Verdict.TENTATIVE_FAIL}.get(self, self)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a row that several scenarios judge. Raises ValueError for none at all."""
    return max(verdicts, key=lambda verdict: verdict.severity)


class Nonconformance(AssertionError):
    """The mesh does not do what the requirement says.

    `got` and `want` are sentences without a full stop, `hint` says what to look at next, `evidence` is the
    observation that the verdict stands on, if there is one.
    """

    def __init__(self, title: str, *, got: str, want: str, hint: str = "", evidence: Evidence | None = None) -> None:
        self.title, self.got, self.want, self.hint, self.evidence = title, got, want, hint, evidence

    def __str__(self) -> str:
        hint = f" {self.hint}" if self.hint else ""
        return f"{self.title}: got {self.got}; want {self.want}.{hint}"


class Blocked(Exception):
    """A requirement that this one stands on has failed, so that this one cannot be judged."""

    def __init__(self, requirement: str, reason: str = "") -> None:
        super().__init__(f"blocked by {requirement}" + (f": {reason}" if reason else ""))
        self.requirement = requirement


class Wedged(Blocked):
    """The scenario of another requirement left a mesh that follows no change any more."""

    def __init__(self, requirement: str) -> None:
        Exception.__init__(self, f"wedged by {requirement}: since its scenario the mesh follows no change any more")
        self.requirement = requirement


class HarnessError(Exception):
    """The suite, the cluster or the image did not do its part; nothing is known about the mesh."""


class EvidenceLost(HarnessError):
    """What the servers saw is not completely known."""


class WitnessError(HarnessError):
    """The witness did not get through, so that a denial beside it proves nothing."""


class Starved(HarnessError):
    """The machine was so crowded that what came late, or not at all, says nothing about the mesh (crowding.py)."""
