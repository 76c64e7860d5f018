"""The rules by which observations of access are judged: pure functions that return evidence or raise.

A denial is judged by what the servers saw and not by what the client got, and only beside a witness: an
allowed client whose requests were answered by the same servers in the same window. So a broken cluster cannot
pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from smi_conformance.judge.convergence import DeadlineExpired
from smi_conformance.judge.crowding import require_heard
from smi_conformance.judge.evidence import Bound, Evidence
from smi_conformance.judge.observation import Observation
from smi_conformance.judge.statistics import ATTEMPTS, zero_bound
from smi_conformance.judge.verdict import EvidenceLost, HarnessError, Nonconformance, WitnessError

__all__ = ["ATTEMPTS", "allowed", "check_witness", "denied", "expired"]

WINDOW = 30.0  # seconds that may lie between a denied request and the nearest answer to a witness
SHOWN = 3
LOOK_AT = "See the objects and the proxy configuration in the dump of this scenario."


def allowed(title: str, seen: Observation) -> Evidence:
    """Every request was answered unaltered and arrived exactly once.

    Raises Nonconformance; HarnessError when a name did not resolve or evidence is missing.
    """
    _require_sent(seen)
    delivered = seen.delivered()
    lost = [one for one in seen.answered() if one not in delivered]
    if lost:
        raise EvidenceLost(f"{_some(lost)} answered, and in no server's log")
    wrong = {one: reply.outcome for one, reply in seen.unanswered().items()}
    repeated = {one: f"arrived {len(at)} times" for one, at in delivered.items() if len(at) > 1}
    evidence = _evidence("allowed", title, seen, passed=not (wrong or repeated))
    if wrong or repeated:
        raise Nonconformance(
            title,
            got=f"{_some({**repeated, **wrong})} of {_total(seen)}",
            want="every request answered unaltered, and seen once by one server",
            hint=LOOK_AT,
            evidence=evidence,
        )
    return evidence


def denied(title: str, seen: Observation, witnesses: Sequence[Observation]) -> Evidence:
    """No request arrived at any server, while the witnesses got through.

    An arrival is the mesh's failure, whatever the witnesses say. Raises Nonconformance; WitnessError when no
    witness holds; HarnessError when a name did not resolve.
    """
    _require_sent(seen)
    delivered = seen.delivered()
    evidence = _evidence("denied", title, seen, passed=not delivered, witness=_witness_numbers(witnesses))
    if delivered:
        places = {one: f"arrived at {', '.join(at)}" for one, at in delivered.items()}
        raise Nonconformance(
            title,
            got=f"{_some(places)} of {_total(seen)}",
            want="no request arrives at any server",
            hint=LOOK_AT,
            evidence=evidence,
        )
    if seen.answered():
        raise EvidenceLost(f"{_some(list(seen.answered()))} answered, and in no server's log")
    if not witnesses:
        raise WitnessError(f"{title}: nothing arrived, but no witness was asked")
    for witness in witnesses:
        check_witness(witness, seen)
    return evidence


def check_witness(witness: Observation, beside: Observation) -> None:
    """The witness was answered and seen by a server of the denied requests, in their window.

    Raises WitnessError; EvidenceLost when it was answered and not seen.
    """
    _require_sent(witness)
    if witness.unanswered():
        raise WitnessError(f"the witness {witness.client} was not answered: {_outcomes(witness)}")
    delivered = witness.delivered()
    if len(delivered) < _total(witness):
        raise EvidenceLost(f"the witness {witness.client} was answered, and is in no server's log")
    reached = {server for servers in delivered.values() for server in servers}
    if not reached & set(beside.servers):
        raise WitnessError(f"the witness reached {', '.join(sorted(reached))}, which is not under test")
    gap = _gap(witness.span(), beside.span())
    if gap > WINDOW:
        raise WitnessError(f"the witness was answered {gap:.0f} s away from the denied requests")


def expired(expiry: DeadlineExpired, witness: Observation | None) -> NoReturn:
    """What a deadline that has passed means: with a witness that holds the mesh's failure, else nothing.

    Raises Nonconformance with the last thing seen, or the expiry itself.
    """
    if witness is None or witness.unanswered() or len(witness.delivered()) < _total(witness):
        raise expiry
    last = expiry.last
    raise Nonconformance(
        expiry.what,
        got=f"{_describe(last)}, still after {expiry.deadline:g} s ({expiry.looks} looks)",
        want="what the title says, before the deadline",
        hint=f"A witness ({witness.client}) was answered meanwhile. {LOOK_AT}",
        evidence=_evidence("expired", expiry.what, last, passed=False) if isinstance(last, Observation) else None,
    ) from expiry


def _require_sent(seen: Observation) -> None:
    """Requests that never left, or were lost on a crowded machine, say nothing. Raises HarnessError."""
    require_heard(seen.check())
    if not _total(seen):
        raise HarnessError(f"{seen.client} has sent nothing")
    unresolved = [one for one, reply in seen.requests() if reply.outcome == "unresolved"]
    if unresolved:
        hosts = sorted({step.host for step in seen.plan.steps})
        raise HarnessError(f"{seen.client} cannot resolve {', '.join(hosts)}: {len(unresolved)} requests not sent")


def _evidence(kind: str, title: str, seen: Observation, *, passed: bool, **numbers: Any) -> Evidence:
    total, arrived = _total(seen), len(seen.delivered())
    text = f"{seen.client} sent {total} requests: {_outcomes(seen)}; {arrived} arrived"
    bound = Bound(0.95, zero_bound(total)) if passed and kind == "denied" else None
    if bound:
        text += f"; with 95 % confidence fewer than {bound.value:.1%} get through"
    found = {"requests": total, "arrived": arrived, "outcomes": dict(seen.outcomes()), **numbers}
    return Evidence(kind, title, passed, text, found, bound=bound)


def _witness_numbers(witnesses: Sequence[Observation]) -> dict[str, int]:
    asked: Counter[str] = Counter()
    for witness in witnesses:
        asked[witness.client] += len(witness.answered())
    return dict(asked)


def _gap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Seconds between two spans; negative when they overlap."""
    return max(one[0] - other[1], other[0] - one[1])


def _total(seen: Observation) -> int:
    return sum(len(replies) for replies in seen.replies)


def _outcomes(seen: Observation) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in seen.outcomes().most_common())


def _describe(last: object) -> str:
    if isinstance(last, Observation):
        return f"{_outcomes(last)}; {len(last.delivered())} of {_total(last)} arrived"
    if isinstance(last, Mapping):
        return ", ".join(f"{name} {count}" for name, count in sorted(last.items())) or "nothing"
    return str(last)


def _some(requests: list[str] | dict[str, str]) -> str:
    """How many, and the first few."""
    items = [f"{one} {what}" for one, what in requests.items()] if isinstance(requests, dict) else requests
    more = ", ..." if len(items) > SHOWN else ""
    return f"{len(items)} ({', '.join(items[:SHOWN])}{more})"
