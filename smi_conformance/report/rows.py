"""The rows of a report: one for each requirement at each version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property

from smi_conformance.model.register import Register, Requirement
from smi_conformance.report.document import Reading, Row, Scope
from smi_conformance.report.errors import ReportError
from smi_conformance.report.events import Judged, Planned, ScenarioFinished
from smi_conformance.report.record import Record
from smi_conformance.report.verdicts import Status, worst

AREAS = ("api", "access", "specs", "split", "metrics", "interplay")

Key = tuple[str, str]
"""Requirement and version."""
Finding = tuple[str, Judged]
"""A node id, and what its scenario found."""


@dataclass
class Rows:
    """Makes the rows of a run, and counts the requirements that get none."""

    run: Record
    register: Register
    scope: Counter[str] = field(default_factory=Counter)

    def all(self) -> tuple[tuple[Row, ...], Scope]:
        """The rows in the order of the register. Raises ReportError when something unknown was judged."""
        judged, rows = self._judged(), []
        keys = dict.fromkeys([*judged, *self._planned])
        for entry in self.register.requirements:
            versions = [version for name, version in keys if name == entry.id]
            versions += [version for version in self._in_force(entry) if version not in versions]
            found = [self._row_at(entry, version, judged.get((entry.id, version), [])) for version in sorted(versions)]
            rows += [row for row in found if isinstance(row, Row)]
            self.scope.update({one for one in found if isinstance(one, str)} if found else {"other_version"})
        rows.sort(key=lambda row: rank(AREAS, row.area))
        return tuple(rows), Scope(**self.scope)

    def _judged(self) -> dict[Key, list[Finding]]:
        found: dict[Key, list[Finding]] = {}
        known = {entry.id for entry in self.register.requirements}
        for event in self.run.done:
            for one in event.requirements or self._lost(event):
                if one.id not in known:
                    raise ReportError(f"{event.nodeid} judged {one.id}, which the register does not hold")
                found.setdefault((one.id, one.version), []).append((event.nodeid, one))
        return found

    def _lost(self, event: ScenarioFinished) -> list[Judged]:
        """The rows of a scenario whose worker died: nothing was judged, which the plan alone still tells."""
        keys = [key for key, nodeids in self._planned.items() if event.nodeid in nodeids]
        return [Judged(id=name, version=version, verdict="error", reason=event.message) for name, version in keys]

    @cached_property
    def _planned(self) -> dict[Key, list[str]]:
        """Which scenarios were to judge what, by requirement and version."""
        found: dict[Key, list[str]] = {}
        versions = {entry.id: self._version(entry) for entry in self.register.requirements}
        for one in self.run.plan.values():
            for key in _keys(one, versions):
                found.setdefault(key, []).append(one.nodeid)
        for event in self.run.begun:  # an event may tell itself what it judges
            for name in filter(versions.__contains__, event.requirements):
                found.setdefault((name, versions[name]), []).append(event.nodeid)
        return found

    def _version(self, entry: Requirement) -> str:
        """Of an entry whose version no event tells."""
        return next(iter(self._in_force(entry)), entry.versions[-1])

    def _in_force(self, entry: Requirement) -> list[str]:
        """The versions of the run at which an entry holds; groups that `--api` does not know hold at all of theirs."""
        selected = self.run.start.api.get(entry.group, entry.versions)
        return [version for version in entry.versions if version in selected]

    def _row_at(self, entry: Requirement, version: str, found: list[Finding]) -> Row | str:
        """The row, or the name of the count that the entry adds to."""
        if found:
            return self._judged_row(entry, version, found)
        verdict, reason = self._why_unjudged(entry, version)
        return self._row(entry, version, verdict, reason or None, []) if verdict else reason

    def _judged_row(self, entry: Requirement, version: str, found: list[Finding]) -> Row:
        verdicts: list[Status] = [one.verdict for _, one in found]
        if set(self._planned.get((entry.id, version), ())) - {nodeid for nodeid, _ in found}:
            verdicts.append("not-run")
        verdict = worst(verdicts)
        reasons = dict.fromkeys(one.reason for _, one in found if one.verdict == verdict and one.reason)
        reason = "; ".join(reasons) if verdict != "not-run" else "judged in part: the run ended early"
        fuller = {one.evidence_at for _, one in found}
        return self._row(
            entry, version, verdict, reason or None, [nodeid for nodeid, _ in found],
            evidence_at=fuller.pop() if len(fuller) == 1 else None,
            adapter="; ".join(dict.fromkeys(one.adapter for _, one in found if one.adapter)) or None,
            readings=self._readings(entry, {nodeid for nodeid, _ in found}),
        )  # fmt: skip

    def _readings(self, entry: Requirement, nodeids: set[str]) -> tuple[Reading, ...]:
        """What the scenarios told, in the order of the register."""
        done = (event for event in self.run.done if event.nodeid in nodeids) if entry.readings else ()
        told = {one.numbers.get("reading") for event in done for one in event.evidence if one.kind == "reading"}
        return tuple(Reading(id=one.id, meaning=one.meaning) for one in entry.readings if one.id in told)

    def _why_unjudged(self, entry: Requirement, version: str) -> tuple[Status | None, str]:
        """Status and reason of a row, or None and the name of the count that the entry adds to."""
        told = self._told(entry, version)
        if told:
            return told
        if entry.posture not in ("any", self.run.start.posture) and self.run.start.posture != "both":
            return None, "other_posture"
        if not any(_fits(pattern, entry) for pattern in self.run.start.filter or ("*",)):
            return None, "not_selected"
        return self._uncovered(entry.id)

    def _told(self, entry: Requirement, version: str) -> tuple[Status, str] | None:
        """What the events themselves say of a requirement that nothing judged."""
        for row in self.run.end.rows if self.run.end else ():
            if (row.id, row.version) == (entry.id, version):
                return row.verdict, row.reason or ""
        waiting = set(self._planned.get((entry.id, version), ()))
        if waiting & {event.nodeid for event in self.run.unfinished}:
            return "not-run", "its scenario was under way when the run ended"
        return ("not-run", "the run ended before its scenario began") if waiting else None

    def _uncovered(self, requirement: str) -> tuple[Status, str]:
        if not self.run.plans and not self.run.complete:
            return "not-run", "the run ended before it was reached"
        elsewhere = any(name == requirement for name, _ in self._planned)
        return "not-covered", self.run.uncovered.get(requirement) or ("judged at other versions" if elsewhere else "")

    def _row(
        self, entry: Requirement, version: str, verdict: Status, reason: str | None, scenarios: Iterable[str],
        evidence_at: str | None = None, readings: tuple[Reading, ...] = (), adapter: str | None = None,
    ) -> Row:  # fmt: skip
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
            readings=readings,
            evidence_at=evidence_at,
            adapter=adapter,
            claimed=version in mesh.claims.get(entry.group, ()),
            deviation=next((one for one in mesh.deviations if one.requirement == entry.id), None),
        )


def _keys(planned: Planned, versions: dict[str, str]) -> list[Key]:
    known = [name for name in planned.requirements if name in versions]
    return [(name, planned.versions.get(name, versions[name])) for name in known]


def _fits(pattern: str, entry: Requirement) -> bool:
    """As `Register.find` reads a pattern."""
    return fnmatchcase(entry.id, pattern.upper()) or fnmatchcase(entry.feature, pattern)


def rank(order: Sequence[str], name: str) -> int:
    """For sorting: names that the order does not know come last."""
    return order.index(name) if name in order else len(order)
