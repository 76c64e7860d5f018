"""Events and the register, to a report. Pure: the same events give the same report, byte for byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeVar

from smi_conformance.model.register import Register, Requirement
from smi_conformance.report.document import Count, Message, Report, Row, Run, Scenario, Scope, Statistics
from smi_conformance.report.errors import ReportError
from smi_conformance.report.events import (
    Event,
    Judged,
    Note,
    Plan,
    RunFinished,
    RunStarted,
    ScenarioFinished,
    ScenarioStarted,
    start,
)
from smi_conformance.report.profiles import statements
from smi_conformance.report.verdicts import WORST_FIRST, Status, worst

LEVELS = ("must", "should", "may")
GROUNDS = ("text", "example", "inference")
_OF_THE_START = (
    "posture",
    "rigor",
    "seed",
    "workers",
    "api",
    "faults",
    "filter",
    "deadlines",
    "raised",
    "command",
    "who",
)
AREAS = ("api", "access", "specs", "split", "metrics", "interplay")

_Finding = tuple[str, Judged]
_E = TypeVar("_E", RunStarted, Plan, ScenarioStarted, ScenarioFinished, Note, RunFinished)


@dataclass(frozen=True)
class Record:
    """The events of one run, sorted by kind."""

    start: RunStarted
    end: RunFinished | None
    plan: Plan | None
    begun: tuple[ScenarioStarted, ...]
    done: tuple[ScenarioFinished, ...]
    notes: tuple[Note, ...]

    @property
    def complete(self) -> bool:
        """Whether the run ended as it should; a scenario whose worker died has lost what it judged."""
        ended = self.end is not None and not self.end.interrupted and not self.end.broken
        return ended and not self.unfinished and all(event.requirements for event in self.done)

    @property
    def unfinished(self) -> tuple[ScenarioStarted, ...]:
        finished = {event.nodeid for event in self.done}
        return tuple(event for event in self.begun if event.nodeid not in finished)

    def planned(self, nodeid: str) -> tuple[str, ...]:
        """The requirements of a scenario, as collection told them."""
        scenarios = self.plan.scenarios if self.plan else ()
        return next((one.requirements for one in scenarios if one.nodeid == nodeid), ())


def record(events: Sequence[Event]) -> Record:
    """Raises ReportError when the run never started."""
    return Record(
        start=start(events),
        end=_last(_of(events, RunFinished)),
        plan=_last(_of(events, Plan)),
        begun=_of(events, ScenarioStarted),
        done=_of(events, ScenarioFinished),
        notes=_of(events, Note),
    )


def build(events: Sequence[Event], register: Register) -> Report:
    """The report. Raises ReportError when the events hold no run."""
    run = record(events)
    rows, scope = _Rows(run, register).all()
    return Report(
        suite=run.start.suite,
        register_id=run.start.register_id,
        mesh=run.start.mesh,
        cluster=run.start.cluster,
        run=_run(run),
        statistics=_statistics(run),
        profiles=statements(run.start, run.complete, rows, register),
        headline=headline(rows),
        rows=rows,
        scenarios=_scenarios(run, register),
        scope=scope,
        notes=tuple(Message(time=n.time, level=n.level, text=n.text) for n in run.notes),
    )


def headline(rows: Iterable[Row]) -> tuple[Count, ...]:
    """Counts per level and ground; combinations without a row are left out."""
    table: dict[tuple[str, str], Counter[Status]] = {}
    for row in rows:
        table.setdefault((row.level, row.ground), Counter())[row.verdict] += 1
    order = sorted(table, key=lambda key: (_rank(LEVELS, key[0]), _rank(GROUNDS, key[1])))
    return tuple(
        Count(level=level, ground=ground, counts={s: n for s in WORST_FIRST if (n := table[level, ground][s])})
        for level, ground in order
    )


@dataclass
class _Rows:
    """Makes the rows of a run, and counts the requirements that get none."""

    run: Record
    register: Register
    scope: Counter[str] = field(default_factory=Counter)

    def all(self) -> tuple[tuple[Row, ...], Scope]:
        known = {requirement.id: requirement for requirement in self.register.requirements}
        judged = self._judged(known)
        rows = [self._judged_row(known[key[0]], key[1], found) for key, found in judged.items()]
        seen = {key[0] for key in judged}
        rest = (self._unjudged_row(entry) for entry in known.values() if entry.id not in seen)
        rows += [row for row in rest if row]
        order = {name: place for place, name in enumerate(known)}
        rows.sort(key=lambda row: (_rank(AREAS, row.area), order[row.requirement], row.version))
        return tuple(rows), Scope(**self.scope)

    def _judged(self, known: Mapping[str, Requirement]) -> dict[tuple[str, str], list[tuple[str, Judged]]]:
        found: dict[tuple[str, str], list[tuple[str, Judged]]] = {}
        for event in self.run.done:
            for one in event.requirements or self._lost(event, known):
                if one.id not in known:
                    raise ReportError(f"{event.nodeid} judged {one.id}, which the register does not hold")
                found.setdefault((one.id, one.version), []).append((event.nodeid, one))
        return found

    def _judged_row(self, entry: Requirement, version: str, found: list[_Finding]) -> Row:
        verdicts: list[Status] = [one.verdict for _, one in found]
        unfinished = [e.nodeid for e in self.run.unfinished if entry.id in self._of(e)]
        waiting = [nodeid for nodeid in self._planned(entry.id) if nodeid not in {n for n, _ in found}]
        if unfinished or waiting:
            verdicts.append("not-run")
        verdict = worst(verdicts)
        reasons = dict.fromkeys(one.reason for _, one in found if one.verdict == verdict and one.reason)
        reason = "; ".join(reasons) if verdict != "not-run" else "judged in part: the run ended early"
        return self._row(entry, version, verdict, reason or None, [nodeid for nodeid, _ in found])

    def _unjudged_row(self, entry: Requirement) -> Row | None:
        version = self._version(entry)
        verdict, reason = self._why_unjudged(entry, version)
        if verdict is None:
            self.scope[reason] += 1
            return None
        return self._row(entry, version, verdict, reason or None, [])

    def _why_unjudged(self, entry: Requirement, version: str) -> tuple[Status | None, str]:
        """Status and reason of a row, or None and the name of the count that the entry adds to."""
        told = self._told(entry.id)
        if told:
            return told
        if version not in entry.versions:
            return None, "other_version"
        if entry.posture not in ("any", self.run.start.posture):
            return None, "other_posture"
        if not any(_fits(pattern, entry) for pattern in self.run.start.filter or ("*",)):
            return None, "not_selected"
        return self._uncovered(entry.id)

    def _told(self, requirement: str) -> tuple[Status, str] | None:
        """What the events themselves say of a requirement that nothing judged."""
        for row in self.run.end.rows if self.run.end else ():
            if row.id == requirement:
                return row.verdict, row.reason or ""
        if any(requirement in self._of(event) for event in self.run.unfinished):
            return "not-run", "its scenario was under way when the run ended"
        if self._planned(requirement):
            return "not-run", "the run ended before its scenario began"
        return None

    def _uncovered(self, requirement: str) -> tuple[Status, str]:
        if self.run.plan is None and not self.run.complete:
            return "not-run", "the run ended before it was reached"
        reasons = {one.id: one.reason for one in (self.run.plan.uncovered if self.run.plan else ())}
        return "not-covered", reasons.get(requirement) or ""

    def _of(self, event: ScenarioStarted) -> tuple[str, ...]:
        return event.requirements or self.run.planned(event.nodeid)

    def _lost(self, event: ScenarioFinished, known: Mapping[str, Requirement]) -> list[Judged]:
        """The rows of a scenario whose worker died: nothing was judged, which the plan alone still tells."""
        names = [name for name in self.run.planned(event.nodeid) if name in known]
        return [
            Judged(id=name, version=self._version(known[name]), verdict="error", reason=event.message) for name in names
        ]

    def _version(self, entry: Requirement) -> str:
        return self.run.start.api.get(entry.group) or entry.versions[-1]

    def _planned(self, requirement: str) -> list[str]:
        planned = self.run.plan.scenarios if self.run.plan else ()
        return [one.nodeid for one in planned if requirement in one.requirements]

    def _row(
        self,
        entry: Requirement,
        version: str,
        verdict: Status,
        reason: str | None,
        scenarios: Iterable[str],
    ) -> Row:
        mesh = self.run.start.mesh
        return Row(
            requirement=entry.id,
            version=version,
            area=entry.area,
            group=entry.group,
            level=entry.level,
            ground=entry.ground,
            state=entry.state,
            tentative=entry.tentative(version),
            posture=entry.posture,
            feature=entry.feature,
            core=entry.core,
            statement=entry.statement,
            clause=entry.clause,
            verdict=verdict,
            reason=reason,
            scenarios=tuple(dict.fromkeys(scenarios)),
            claimed=mesh.claims.get(entry.group) == version,
            deviation=next((one for one in mesh.deviations if one.requirement == entry.id), None),
        )


def _run(run: Record) -> Run:
    end = run.end
    return Run(
        started=run.start.time,
        finished=end.time if end else None,
        seconds=end.seconds if end else None,
        complete=run.complete,
        interrupted=end is None or end.interrupted,
        broken=end.broken if end else None,
        exit=end.exit if end else None,
        **{name: getattr(run.start, name) for name in _OF_THE_START},
    )


def _statistics(run: Record) -> Statistics:
    single = [e.false_failure for done in run.done for e in done.evidence if e.false_failure is not None]
    stated = run.end.family_wise_false_failure if run.end else None
    # Bonferroni: a sum of chances bounds the chance of any.
    total = stated if stated is not None else (sum(single) if single else None)
    return Statistics(judgements=len(single), family_wise_false_failure=total)


def _scenarios(run: Record, register: Register) -> tuple[Scenario, ...]:
    areas = {requirement.id: requirement.area for requirement in register.requirements}
    done = [_finished(event, areas) for event in run.done]
    cut = [_cut_off(event, areas) for event in run.unfinished]
    return tuple(sorted(done + cut, key=lambda scenario: (_rank(AREAS, scenario.area), scenario.nodeid)))


def _finished(event: ScenarioFinished, areas: Mapping[str, str]) -> Scenario:
    return Scenario(
        nodeid=event.nodeid,
        title=event.title,
        area=_area(event.nodeid, [one.id for one in event.requirements], areas),
        worker=event.worker,
        finished=True,
        verdict=event.verdict,
        seconds=event.seconds,
        requirements=event.requirements,
        message=event.message,
        details=event.details,
        omits=event.omits,
        evidence=event.evidence,
        propagation=event.propagation,
    )


def _cut_off(event: ScenarioStarted, areas: Mapping[str, str]) -> Scenario:
    return Scenario(
        nodeid=event.nodeid,
        title="",
        area=_area(event.nodeid, event.requirements, areas),
        worker=event.worker,
        finished=False,
        verdict="not-run",
        message="Under way when the run ended.",
    )


def _area(nodeid: str, requirements: Sequence[str], areas: Mapping[str, str]) -> str:
    named = [areas[one] for one in requirements if one in areas]
    return named[0] if named else nodeid.removeprefix("conformance/").partition("/")[0]


def _fits(pattern: str, entry: Requirement) -> bool:
    """As `Register.find` reads a pattern."""
    return fnmatchcase(entry.id, pattern.upper()) or fnmatchcase(entry.feature, pattern)


def _rank(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _of(events: Sequence[Event], kind: type[_E]) -> tuple[_E, ...]:
    return tuple(event for event in events if isinstance(event, kind))


def _last(events: Sequence[_E]) -> _E | None:
    return events[-1] if events else None
