"""Statistical verdicts: shares by one sequential sample, zeros by a bound.

A share verdict is one sample that is looked at while it grows and never drawn again. Its probability of
failing a mesh that follows the shares exactly is at most 1e-6; deviations of 5 points (of a factor of 2 where
a part of the whole is at most 5 %) fail with more than 99 %. In between lies a grey zone, where the verdict
is a matter of chance: `power` gives the operating characteristic there. The exact figures hold for looks at
`n_next`; the bounds hold for any looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from scipy.special import log1p

from smi_conformance.judge.evidence import Bound, Evidence, Look
from smi_conformance.judge.share_plan import DELTA, SharePlan, characteristic
from smi_conformance.judge.verdict import HarnessError

ATTEMPTS = {"quick": 20, "standard": 59, "certify": 688}  # 14 % and 5 % leak with 95 %, 1 % with 99.9 %


class Decision(StrEnum):
    """What a look at the sample says."""

    CONTINUE = "continue"
    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True)
class Judged(Look):
    """A look with its decision."""

    decision: Decision


class ShareTest:
    """Whether requests follow the expected shares of the backends.

    `shares` maps every backend to its share; the shares add up to 1. A backend with share 0, and a key that
    is no backend at all, must not be seen once. With two backends the first is tested, for the other is what
    is left of it; with more, each is, and the alpha is divided. `fixed` makes it a light test of one look.

        test = ShareTest({"v1": 0.75, "v2": 0.25})
        while test.decision is Decision.CONTINUE:
            send(test.n_next - test.n)
            test.look(counts)
    """

    def __init__(
        self, shares: Mapping[str, float], *, delta: float = DELTA, fixed: int | None = None, title: str = ""
    ) -> None:
        if any(share < 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1):
            raise ValueError(f"shares must be positive and add up to 1: {dict(shares)}")
        self.shares, self.title = dict(shares), title or f"shares {describe(shares)}"
        positive = [name for name, share in shares.items() if share > 0]
        tested = positive if len(positive) > 2 else positive[: len(positive) - 1]
        self.plans = {name: SharePlan(shares[name], delta, len(tested), fixed) for name in tested}
        self.batch = max((plan.batch for plan in self.plans.values()), default=fixed or 100)
        self.cap = max((plan.cap for plan in self.plans.values()), default=self.batch)
        self._accepted: set[str] = set()
        self.history: list[Judged] = []
        self.decision = Decision.CONTINUE
        self.reason = ""

    @property
    def n(self) -> int:
        """Requests at the last look."""
        return self.history[-1].n if self.history else 0

    @property
    def n_next(self) -> int:
        """The size of the sample at the next look; what it is now when the test has ended."""
        if self.decision is not Decision.CONTINUE:
            return self.n
        return min((self.n // self.batch + 1) * self.batch, max(self.cap, self.n + 1))

    def look(self, counts: Mapping[str, int]) -> Decision:
        """Judge the whole sample until now: answered requests by backend. Raises HarnessError on misuse."""
        n = sum(counts.values())
        if self.decision is not Decision.CONTINUE or n < self.n or not n:
            raise HarnessError(f"a look at {n} requests after {self.n} of an ended or larger sample")
        self.decision = self._judge(n, counts)
        self.history.append(Judged(n, dict(counts), self.decision))
        return self.decision

    def _judge(self, n: int, counts: Mapping[str, int]) -> Decision:
        strays = self._strays(counts)
        if strays:
            self.reason = f"requests came to {_list(strays)}, which should get none"
            return Decision.REJECT
        for name, plan in self.plans.items():
            verdict = 0 if name in self._accepted else plan.decide(n, counts.get(name, 0))
            if verdict in (-1, 1):
                self.reason = f"{name} got too {'many' if verdict == 1 else 'few'} requests"
                return Decision.REJECT
            if verdict == 0:
                self._accepted.add(name)
        return Decision.ACCEPT if len(self._accepted) == len(self.plans) else Decision.CONTINUE

    def _strays(self, counts: Mapping[str, int]) -> dict[str, int]:
        """What came to where nothing may come."""
        return {name: count for name, count in counts.items() if count and not self.shares.get(name)}

    @property
    def false_failure(self) -> float:
        """Probability that a mesh of exactly these shares is failed: exact for two backends, else a bound."""
        return sum(self._rejection(name, plan.share) for name, plan in self.plans.items())

    def power(self, alternative: Mapping[str, float]) -> float:
        """Probability that a mesh of these true shares fails: exact for two backends, else at least this."""
        foreign = [name for name in alternative if alternative[name] > 0 and not self.shares.get(name)]
        if foreign:
            return 1.0  # up to (1 - share) ** n of the smallest sample
        tests = [self._rejection(name, alternative.get(name, 0.0)) for name in self.plans]
        return max(tests, default=0.0)

    @property
    def mean_sample(self) -> float:
        """Mean number of requests when the shares are right: exact for two backends, else at least this."""
        means = [characteristic(plan, plan.share, self.batch).mean for plan in self.plans.values()]
        return max(means, default=float(self.batch))

    def _rejection(self, name: str, truth: float) -> float:
        return characteristic(self.plans[name], truth, self.batch).reject

    @property
    def detects(self) -> dict[str, tuple[float, float]]:
        """Per tested backend the shares (below, above) from which on it fails with more than 99 %.

        A light check may not reach that on one side; then it is the end of the scale.
        """
        return {name: plan.alternatives for name, plan in self.plans.items()}

    def explain(self) -> str:
        """One paragraph: what was seen, what it means, and how sure that is."""
        if not self.history:
            return f"{self.title}: not looked at"
        last = self.history[-1]
        seen = ", ".join(self._seen(name, last) for name in {**self.shares, **last.counts})
        ending = f": {self.reason}" if self.reason else ""
        looks = f"{len(self.history)} look{'s' if len(self.history) > 1 else ''}"
        return f"{last.n} requests, {looks}: {seen}. {last.decision.value}{ending}. {self._strength()}"

    def _seen(self, name: str, look: Look) -> str:
        count = look.counts.get(name, 0)
        return f"{name} {count} ({count / look.n:.1%}, expected {self.shares.get(name, 0):.1%})"

    def _strength(self) -> str:
        if not self.plans:
            return "Every request counts."
        shown = ", ".join(
            f"{name} at {share:.4g} with {self._rejection(name, share):.2%}"
            for name, both in self.detects.items()
            for share in both
        )
        return f"Shares as expected fail with probability {self.false_failure:.1e}; {shown}."

    def evidence(self) -> Evidence:
        """The sample with all looks, as the report shows it."""
        empty = not self.plans or not all(self.shares.values())
        unseen = empty and self.n and not self._strays(self.history[-1].counts)
        return Evidence(
            kind="share" if self.plans else "zero",
            title=self.title,
            passed=self.decision is Decision.ACCEPT,
            text=self.explain(),
            numbers={"shares": self.shares, "n": self.n, "cap": self.cap, "detects": self.detects},
            looks=tuple(Look(look.n, look.counts) for look in self.history),
            bound=Bound(0.95, zero_bound(self.n)) if unseen else None,
            false_failure=self.false_failure,
        )


def light(shares: Mapping[str, float], n: int = 200, *, title: str = "") -> ShareTest:
    """A light check, for rough errors only: one look at `n` requests. `detects` says how rough."""
    return ShareTest(shares, fixed=n, title=title)


def zero_bound(n: int, confidence: float = 0.95) -> float:
    """With this confidence, the true rate of what was never seen in `n` tries is at most this (exact)."""
    if n < 1 or not 0 < confidence < 1:
        raise ValueError(f"no bound from {n} tries with confidence {confidence}")
    return float(-math.expm1(math.log1p(-confidence) / n))


def family_wise(false_failures: Iterable[float]) -> float:
    """Probability that at least one of the verdicts fails a conforming mesh, if they are independent."""
    return float(-math.expm1(sum(log1p(-one) for one in false_failures)))


def describe(shares: Mapping[str, float]) -> str:
    """Shares in per cent, such as 75/25."""
    return "/".join(f"{100 * share:.4g}" for share in shares.values())


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items())
