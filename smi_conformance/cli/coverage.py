"""What the scenarios cover of the register, by area, level, ground and version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from smi_conformance.model.register import Register, Requirement
from smi_conformance.model.versions import VERSIONS, selected
from smi_conformance.plugin.judging import judging
from smi_conformance.plugin.scenario import Scenario

NEWEST_LAST = tuple(sorted({version for versions in VERSIONS.values() for version in versions}))
LEVELS = ("must", "should", "may")
GROUNDS = ("text", "example", "inference")
HEAD = ("area", "level", "ground", *NEWEST_LAST, "entries")

Kind = tuple[str, str, str]
"""Area, level and ground."""


@dataclass(frozen=True)
class Coverage:
    """The register beside the scenarios of every version and posture, and the reasons for what has none."""

    register: Register
    scenarios: Sequence[Scenario]
    reasons: Mapping[str, str]

    @cached_property
    def judged(self) -> dict[tuple[str, str], set[str]]:
        """Names of the scenarios that judge a requirement at a version."""
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for one in self.scenarios:
            for row in judging(one, self.register, selected(["all"]), {}).rows:
                found[row.id, row.version].add(one.name)
        return dict(found)

    def scenarios_of(self, name: str) -> list[str]:
        """Names of the scenarios that judge a requirement at any version."""
        return sorted({one for (other, _), names in self.judged.items() if other == name for one in names})

    def covered(self, entry: Requirement) -> bool:
        """Whether an entry is judged at any version."""
        return any((entry.id, version) in self.judged for version in entry.versions)

    @cached_property
    def _kinds(self) -> dict[Kind, list[Requirement]]:
        areas = list(dict.fromkeys(entry.area for entry in self.register.requirements))
        found: dict[Kind, list[Requirement]] = {(a, lv, g): [] for a in areas for lv in LEVELS for g in GROUNDS}
        for entry in self.register.requirements:
            found[entry.area, entry.level, entry.ground].append(entry)
        return {kind: entries for kind, entries in found.items() if entries}

    def table(self) -> list[tuple[str, ...]]:
        """One row per kind of entry: at each version the judged of those that hold, and the same for all versions."""
        rows = [(*kind, *self._cells(entries)) for kind, entries in self._kinds.items()]
        return [*rows, ("all", "", "", *self._cells(self.register.requirements))]

    def _cells(self, entries: Sequence[Requirement]) -> Iterable[str]:
        for version in NEWEST_LAST:
            here = [entry for entry in entries if version in entry.versions]
            yield _of(sum((entry.id, version) in self.judged for entry in here), len(here))
        yield _of(sum(map(self.covered, entries)), len(entries))

    def uncovered(self) -> list[tuple[str, str, str, str]]:
        """Id, level, statement and reason of every entry that no scenario judges."""
        left = [entry for entry in self.register.requirements if not self.covered(entry)]
        return [(one.id, one.level, one.statement, self.reasons.get(one.id, "no reason is recorded")) for one in left]

    def missing_versions(self) -> list[tuple[str, str]]:
        """Entries that are judged, with the versions at which they hold and are not."""
        found = []
        for entry in filter(self.covered, self.register.requirements):
            missing = [version for version in entry.versions if (entry.id, version) not in self.judged]
            found += [(entry.id, ", ".join(missing))] if missing else []
        return found


def _of(some: int, all_: int) -> str:
    return f"{some} of {all_}" if all_ else "-"


MARKDOWN = """\
# Coverage

What of the [register](../conformance/requirements.yaml) scenarios judge. A cell counts the entries that are judged at a
version, of those that hold at it; the last column counts the entries that are judged at any version. Made by
`smi-conformance list --coverage --markdown > docs/coverage.md`.

{table}

## Not judged

{uncovered}

## Judged, but not at every version at which they hold

{missing}
"""


def markdown(coverage: Coverage) -> str:
    """docs/coverage.md."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, level, _, reason in coverage.uncovered():
        by_reason[reason].append(f"{name} ({level})")
    reasons = [f"- {reason}: {', '.join(names)}" for reason, names in by_reason.items()]
    missing = [f"- {name}: {versions}" for name, versions in coverage.missing_versions()]
    return MARKDOWN.format(
        table=table(HEAD, coverage.table()),
        uncovered="\n".join(reasons) or "Nothing is left.",
        missing="\n".join(missing) or "Nothing is left.",
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
