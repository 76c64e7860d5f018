"""From what pytest saw to verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from _pytest.outcomes import Skipped

from smi_conformance.judge.verdict import Blocked, HarnessError, Nonconformance, Verdict, worst
from smi_conformance.model.register import Requirement


class Unsupported(Skipped):
    """The profile declares, before the run, that the mesh does not have the feature."""


def verdict_of(raised: BaseException | None) -> Verdict:
    """The verdict behind the end of one phase. Whatever is not said by the judge is an error of the suite."""
    if raised is None:
        return Verdict.PASS
    if isinstance(raised, Nonconformance):
        return Verdict.FAIL
    if isinstance(raised, Blocked):
        return Verdict.BLOCKED
    if isinstance(raised, Unsupported):
        return Verdict.UNSUPPORTED
    if isinstance(raised, Skipped):
        return Verdict.SKIPPED
    return Verdict.ERROR


def message_of(raised: BaseException | None) -> str | None:
    """One paragraph: what was got, what was wanted, the next step."""
    if raised is None:
        return None
    if isinstance(raised, (Nonconformance, Blocked, HarnessError)):
        return str(raised)
    return f"{type(raised).__name__}: {' '.join(str(raised).split())[:400]}"


def row_verdict(requirement: Requirement, version: str, verdict: Verdict) -> Verdict:
    """A tentative or contradictory requirement is judged outside the score."""
    return verdict.tentatively() if requirement.tentative(version) else verdict


def outside_by(adapter: str | None, verdict: Verdict) -> Verdict:
    """Nothing passes by an adapter; what is wrong with its numbers counts."""
    return Verdict.TENTATIVE_PASS if adapter and verdict is Verdict.PASS else verdict


def exit_status(verdicts: Iterable[Verdict], *, interrupted: bool, broken: bool, out_of_time: bool = False) -> int:
    """0 all selected passed, 1 not, 2 nothing was selected, 3 harness error, 130 interrupted. Error outranks fail.

    What a run had no time for did not pass.
    """
    seen = list(verdicts)
    if interrupted:
        return 130
    if broken or Verdict.ERROR in seen:
        return 3
    if not seen and not out_of_time:
        return 2
    return 1 if out_of_time or {Verdict.FAIL, Verdict.BLOCKED} & set(seen) else 0


def scenario_verdict(phases: Iterable[dict[str, Any]]) -> Verdict:
    """The worst of set-up, call and teardown."""
    return worst(Verdict(phase["verdict"]) for phase in phases)
