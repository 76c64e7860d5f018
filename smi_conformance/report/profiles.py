"""What may be said of a certification profile.

`conformant` is said only when every core must of the profile, at the versions under test, passed in a whole
run. Otherwise the statement carries each reason, with the requirements it rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from smi_conformance.model.register import Register, Requirement
from smi_conformance.model.versions import UNRELEASED, companions, served
from smi_conformance.report.document import ProfileStatement, Row, Statement
from smi_conformance.report.events import RunStarted
from smi_conformance.report.verdicts import NOT_PASSED, OUTSIDE_THE_SCORE, Status

_REASONS: tuple[tuple[Status, str], ...] = (
    ("fail", "failed"),
    ("blocked", "blocked"),
    ("error", "could not be judged"),
    ("skipped", "skipped"),
    ("unsupported", "core, but declared unsupported"),
    ("not-run", "not run"),
    ("not-covered", "no scenario in this edition"),
)


def statements(
    run: RunStarted, complete: bool, rows: Sequence[Row], register: Register
) -> tuple[ProfileStatement, ...]:
    """One statement per certification profile of the register, at each version of its main group."""
    reasons = _whole_run(run, complete)
    entries = {name: _core(register, frozenset(keys)) for name, keys in register.profiles.items()}
    return tuple(
        _Profile(name, frozenset(register.profiles[name]), entries[name], versions, run, rows).statement(reasons)
        for name in register.profiles
        for versions in _versions(entries[name], run)
    )


def _core(register: Register, features: frozenset[str]) -> list[Requirement]:
    """The core musts of a profile."""
    entries = (entry for entry in register.requirements if entry.feature in features)
    return [entry for entry in entries if entry.core and entry.level == "must"]


def _versions(entries: Sequence[Requirement], run: RunStarted) -> list[dict[str, str]]:
    """The versions that a profile is stated at: each one of its main group, with those that go with it.

    Only those at which something is in force that tells the profile from others: UDP came with access v1alpha3.
    """
    groups = list(dict.fromkeys(entry.group for entry in entries))
    main = next((group for group in groups if group != "specs"), "specs")
    there = served((crd.name, crd.versions) for crd in run.cluster.crds)
    sets = [companions(main, version, there) for version in run.api.get(main, ())] or [{}]
    # The api features of a group are in all of its profiles: what tells them apart are the others.
    own = {version for one in entries if one.group == main and not _shared(one.feature) for version in one.versions}
    stated = [one for one in sets if one.get(main) is None or one[main] in own]
    return [{group: one[group] for group in groups if group in one} for one in stated]


def _shared(feature: str) -> bool:
    return feature.endswith(".api")


@dataclass(frozen=True)
class _Profile:
    """One certification profile against the rows of a run."""

    name: str
    features: frozenset[str]
    core_musts: Sequence[Requirement]
    versions: dict[str, str]
    run: RunStarted
    rows: Sequence[Row]

    def statement(self, reasons: Sequence[str]) -> ProfileStatement:
        """What may be said; `reasons` are those that hold for every profile of the run."""
        unseen, adapted = self.unseen, [row.requirement for row in self.core if row.adapter]
        why = [
            *reasons,
            *_not_passed(self.scored),
            *([f"not judged in this run: {_ids(unseen)}"] if unseen else []),
            *([f"judged by adapter: {_ids(adapted)}"] if adapted else []),
        ]
        why += [f"{group} {version} is not released" for group, version in sorted(self.versions.items() & UNRELEASED)]
        if not self.scored and not unseen:
            why.append("no settled core requirement is in force at these versions")
        return ProfileStatement(
            name=self.name,
            versions=self.versions,
            features=tuple(sorted(self.features)),
            statement=self._word(why),
            required=len(self.scored) + len(unseen),
            passed=sum(row.verdict == "pass" for row in self.scored),
            tentative=len(self.core) - len(self.scored),
            reasons=tuple(why),
        )

    @cached_property
    def core(self) -> list[Row]:
        own = (row for row in self.rows if row.feature in self.features and row.core and row.level == "must")
        return [row for row in own if self.versions.get(row.group, row.version) == row.version]

    @cached_property
    def scored(self) -> list[Row]:
        return [row for row in self.core if not _outside(row)]

    @property
    def entries(self) -> list[Requirement]:
        """Settled core musts of the profile."""
        return [entry for entry in self.core_musts if not self._tentative(entry)]

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(entry.group for entry in self.core_musts))

    @property
    def unseen(self) -> list[str]:
        """Entries in force at the versions under test that got no row."""
        seen = {row.requirement for row in self.core}
        missing = (entry for entry in self.entries if entry.id not in seen)
        return [entry.id for entry in missing if self.versions.get(entry.group) in entry.versions]

    def _tentative(self, entry: Requirement) -> bool:
        return entry.tentative(self.versions.get(entry.group, entry.versions[-1]))

    def _word(self, reasons: Sequence[str]) -> Statement:
        declared = self.run.mesh.features
        own = {key for key in self.features if not _shared(key)} or self.features
        declined = all(key in declared and declared[key].claim == "none" for key in own)
        if declined or not all(self._claimed(group) for group in self.groups):
            return "not-claimed"
        if any(row.verdict in NOT_PASSED for row in self.scored):
            return "not-conformant"
        return "undecided" if reasons else "conformant"

    def _claimed(self, group: str) -> bool:
        claims = self.run.mesh.claims.get(group, ())
        return self.versions[group] in claims if group in self.versions else bool(claims)


def _whole_run(run: RunStarted, complete: bool) -> list[str]:
    checks = (
        (not complete, "the run did not end"),
        (bool(run.filter), f"the run was limited to {', '.join(run.filter)}"),
        (bool(run.faults), f"faults were switched on: {', '.join(run.faults)}"),
    )
    return [reason for holds, reason in checks if holds]


def _not_passed(scored: Sequence[Row]) -> list[str]:
    found = ((words, [row.requirement for row in scored if row.verdict == one]) for one, words in _REASONS)
    return [f"{words}: {_ids(ids)}" for words, ids in found if ids]


def _outside(row: Row) -> bool:
    """Judged as tentative, or tentative and not judged: neither helps nor harms."""
    judged = row.verdict in ("pass", "fail", "blocked", "error")
    return row.verdict in OUTSIDE_THE_SCORE or (row.tentative and not judged)


def _ids(ids: Sequence[str], most: int = 12) -> str:
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more
