"""The search for counter-examples: hypothesis draws cases, and shrinks the ones that disagree."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from fuzz.cases import Case
from fuzz.trial import Finding

BATCH = 200  # cases that one run of hypothesis draws: it remembers all of them
Judge = Callable[[Case, float | None], Finding | None]


class _Disagrees(Exception):
    """Tells hypothesis that a case is worth shrinking."""


class _Enough(BaseException):
    """Ends a run of hypothesis from inside: the time is over, or the suite has failed. Nothing else may catch it."""


@dataclass
class Search:
    """One search, bounded by time, and by a number of cases if that is given."""

    cases: SearchStrategy[Case]
    judge: Judge
    """Judges a case; the second argument is the patience in seconds, None for that of the deadlines."""
    seed: int
    seconds: float
    most: int | None = None
    shrinking: float = 60.0
    """Seconds that one counter-example may be shrunk for."""
    hasty: float = 5.0
    """Patience while shrinking, in seconds: what comes of it is judged again with all of it."""
    told: Callable[[], None] = field(default=lambda: None)
    """Called after each case."""
    clock: Callable[[], float] = time.monotonic
    drawn: int = 0
    """Cases that were judged, those of shrinking not counted."""
    _known: set[tuple[str, ...]] = field(default_factory=set)
    _seen: dict[Case, Finding | None] = field(default_factory=dict)
    """What was found while shrinking: hypothesis asks again for some cases, and their answer must not change."""
    _first: Finding | None = None
    _best: Finding | None = None
    _shrink_until: float = 0.0
    _end: float = 0.0

    def run(self, found: Callable[[Finding], None], stop_after: int) -> None:
        """Search; `found` hears of each counter-example, one of each sort. What the judge raises is passed on."""
        self._end = self.clock() + self.seconds
        with TemporaryDirectory(prefix="smi-fuzz-") as folder:
            set_hypothesis_home_dir(Path(folder))  # it would keep notes in the current folder
            try:
                self._batches(found, stop_after)
            finally:
                set_hypothesis_home_dir(None)

    def _batches(self, found: Callable[[Finding], None], stop_after: int) -> None:
        batch = count = 0
        while count < stop_after and not self._over:
            self._batch(batch)
            if finding := self._taken():
                found(finding)
                count += 1
            batch += 1

    @property
    def shrinks(self) -> bool:
        """Whether a counter-example is being shrunk."""
        return self._first is not None

    @property
    def _over(self) -> bool:
        return self.clock() >= self._end or (self.most is not None and self.drawn >= self.most)

    def _batch(self, number: int) -> None:
        quiet = settings(
            max_examples=BATCH, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
            verbosity=Verbosity.quiet, suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
            print_blob=False,
        )  # fmt: skip
        attempt = seeded(f"{self.seed}.{number}")(quiet(given(self.cases)(self._attempt)))
        try:
            attempt()
        except (_Disagrees, Flaky):  # of a case whose requests are spread by chance, not every look shows the same
            pass
        except _Enough as enough:
            if enough.__cause__:
                raise enough.__cause__ from None

    def _attempt(self, case: Case) -> None:
        if self._over if not self.shrinks else self.clock() >= self._shrink_until:
            raise _Enough
        try:
            self._judged(case)
        except _Disagrees:
            raise
        except Exception as error:  # no case for shrinking: the suite, or the cluster, has failed
            raise _Enough from error

    def _judged(self, case: Case) -> None:
        shrinks = self.shrinks
        self.drawn += not shrinks
        finding = self._seen[case] if case in self._seen else self.judge(case, self.hasty if shrinks else None)
        self.told()
        if shrinks or finding:
            self._seen[case] = finding
        if finding is None or finding.main.sort in self._known:
            return
        if self._first is None:
            self._first, self._shrink_until = finding, self.clock() + self.shrinking
        if self._best is None or case.size < self._best.case.size:
            self._best = finding
        raise _Disagrees

    def _taken(self) -> Finding | None:
        """The smallest case of a batch that stays one when it is looked at until the deadline."""
        first, best = self._first, self._best
        self._first = self._best = None
        self._seen.clear()
        if first is None or best is None:
            return None
        finding = self.judge(best.case, None) or first
        self._known.add(finding.main.sort)
        return finding
