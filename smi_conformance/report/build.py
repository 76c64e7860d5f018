"""Events and the register, to a report. Pure: the same events give the same report, byte for byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from smi_conformance.model.register import Register
from smi_conformance.report.document import Count, Message, Report, Row, Run, Scenario, Statistics
from smi_conformance.report.events import Event, ScenarioFinished, ScenarioStarted
from smi_conformance.report.profiles import statements
from smi_conformance.report.record import Record, record
from smi_conformance.report.rows import AREAS, Rows, rank
from smi_conformance.report.verdicts import WORST_FIRST, Status

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


def build(events: Sequence[Event], register: Register) -> Report:
    """The report. Raises ReportError when the events hold no run."""
    run = record(events)
    rows, scope = Rows(run, register).all()
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
    order = sorted(table, key=lambda key: (rank(LEVELS, key[0]), rank(GROUNDS, key[1])))
    return tuple(
        Count(level=level, ground=ground, counts={s: n for s in WORST_FIRST if (n := table[level, ground][s])})
        for level, ground in order
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
        stopped=end.stopped if end else None,
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
    return tuple(sorted(done + cut, key=lambda scenario: (rank(AREAS, scenario.area), scenario.nodeid)))


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
        versions=event.versions,
        light=event.light,
        posture=event.posture,
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
