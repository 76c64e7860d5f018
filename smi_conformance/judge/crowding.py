"""A crowded machine: what was late there is lost, and evidence neither for a mesh nor against it.

The agents tell how many times slower the CPU was where they worked. A mesh's proxies share their nodes, so the figure
stands for them too. Only waiting for the CPU counts: packets that a mesh loses make nobody wait for that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product

from smi_conformance.judge.observation import Observation, Reply, Span
from smi_conformance.judge.verdict import Starved

CROWDED = 10.0
"""How many times slower a machine makes time-outs say nothing: of what a request or a change may take, a mesh that is
left alone needs less than a tenth."""
MEMORY, SHORT = 30.0, 5.0  # seconds before a failure that count: what its wait may rest on, by the default deadlines
ENOUGH = 1.0  # crowded seconds in these, and
PART = 0.5  # crowded part of what was seen of them; with half of a deadline to itself a mesh had five times its due
SILENT = frozenset({"timeout", "greeted"})
GATEWAY = frozenset({502, 503, 504})  # by which a proxy says that it got no answer in its time, or none at once

NEXT = "Run it again on a quieter machine, or with fewer workers (-n)"


def worth(spans: Iterable[Span], begin: float, seconds: float) -> float:
    """Seconds that a wait would have been long on a machine of its own. Where nothing was told it was not crowded."""
    end = begin + seconds
    shared = ((max(0.0, min(end, one.at + one.seconds) - max(begin, one.at)), one.slowdown) for one in spans)
    return seconds - sum(overlap * (1 - 1 / slowdown) for overlap, slowdown in shared)


def lost(seen: Observation) -> dict[str, str]:
    """The requests that waited in vain on a crowded machine, by id, and what made them wait."""
    late = ((one, reply) for one, reply in seen.requests() if _in_vain(reply)) if seen.cpu else ()
    found = ((one, _cause(seen, reply)) for one, reply in late)
    return {one: cause for one, cause in found if cause}


def _in_vain(reply: Reply) -> bool:
    given_up = reply.outcome == "status" and reply.status in GATEWAY and reply.milliseconds / 1000 >= ENOUGH
    return reply.outcome in SILENT or given_up


def _cause(seen: Observation, reply: Reply) -> str:
    waited = reply.milliseconds / 1000
    had, pod = min((worth(spans, reply.sent_at, waited), pod) for pod, spans in seen.cpu.items())
    if not waited or had * CROWDED > waited:
        return ""
    return f"at {pod} {waited:.3g} s were worth {had:.2g} s, so crowded was the CPU"


def require_heard(seen: Observation) -> None:
    """Nothing that was sent is lost. Raises Starved."""
    if missing := lost(seen):
        one, cause = next(iter(missing.items()))
        told = ", ".join(f"{count} {outcome}" for outcome, count in seen.outcomes().most_common())
        raise Starved(
            f"{seen.client}: got {told}; want every request heard of, and {len(missing)} are lost: {cause} ({one}). "
            f"{NEXT}, or with more time: --deadline request=SECONDS."
        )


class Crowd:
    """How crowded it was of late where the agents of a worker worked."""

    def __init__(self) -> None:
        self._spans: dict[str, list[Span]] = {}
        self._now = -math.inf  # by the clock of the pods

    def note(self, seen: Observation) -> None:
        """Remember what was told with an observation, and forget what is long past."""
        self._now = max([self._now, *(one.at + one.seconds for spans in seen.cpu.values() for one in spans)])
        for pod in self._spans.keys() | seen.cpu.keys():
            known = (*self._spans.get(pod, ()), *seen.cpu.get(pod, ()))
            begin = self._now - MEMORY
            self._spans[pod] = [one for one in known if one.at + one.seconds > begin]  # pragma: no mutate (memory)

    def forget(self) -> None:
        """What was before is no concern of what comes."""
        self._spans.clear()

    def require_quiet(self, what: object) -> None:
        """Whether what was late, or failed, may be told of the mesh. Raises Starved."""
        for spans, window in product(self._spans.values(), (MEMORY, SHORT)):
            crowded, watched = self._seconds(spans, window)
            if crowded >= max(ENOUGH, PART * watched):
                raise Starved(
                    f"{what} - but the machine was crowded: for {crowded:.1f} of {watched:.1f} s that were seen of the "
                    f"last {window:g} the CPU was {CROWDED:g} times slower than it should be, or more; want less than "
                    f"{ENOUGH:g} s, or than half. Nothing is said of the mesh. {NEXT}."
                )

    def _seconds(self, spans: Iterable[Span], window: float) -> tuple[float, float]:
        """How long it was too crowded at a pod within the last so many seconds, and how many of these were seen."""
        begin = self._now - window
        inside = [(max(0.0, min(one.seconds, one.at + one.seconds - begin)), one.slowdown) for one in spans]
        crowded = sum(seconds for seconds, slowdown in inside if slowdown >= CROWDED)
        return crowded, sum(seconds for seconds, _ in inside)
