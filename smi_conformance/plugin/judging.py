"""At which API versions a scenario judges what, and with how much evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from smi_conformance.judge.verdict import Blocked
from smi_conformance.model.register import Register, Requirement
from smi_conformance.model.versions import best, companions, served
from smi_conformance.plugin.outcome import Unsupported
from smi_conformance.plugin.scenario import Scenario, requirements_of

Versions = Mapping[str, Collection[str]]
"""API group to some versions of it."""

SERVING = {"access": "API-010", "specs": "API-020", "split": "API-030"}
"""The requirement that a claimed version is served: it fails where one is not, and all else of that version waits."""


@dataclass(frozen=True)
class Row:
    """One requirement that a scenario judges at one version."""

    id: str
    version: str
    evidence_at: str | None = None
    """The version that means the same and carries the full evidence, when this one is only checked lightly."""


@dataclass(frozen=True)
class Judging:
    """What a scenario does at its version: the version of each group, and the rows it adds to."""

    versions: Mapping[str, str]
    rows: tuple[Row, ...]

    @property
    def light(self) -> bool:
        """Whether a light check is enough: every row has its full evidence at another version."""
        return all(row.evidence_at for row in self.rows)


def judging(scenario: Scenario, register: Register, selected: Versions, there: Versions) -> Judging:
    """The versions and rows of a scenario, where `selected` versions are judged and those that are `there` are served.

    The first requirement is judged at the scenario's version. Another one is judged where its own scenarios would be:
    at the version whose companion is this one.
    """
    entries = requirements_of(scenario, register)
    version = scenario.version or best(entries[0].group, entries[0].versions)
    versions = companions(entries[0].group, version, there)
    held = [entry for entry in entries if _holds(entry, entries[0], versions, there)]
    limited = {**selected, entries[0].group: scenario.among(selected.get(entries[0].group, ()))}
    return Judging(versions, tuple(_row(entry, _version(entry, versions), limited, there) for entry in held))


def _version(entry: Requirement, versions: Mapping[str, str]) -> str:
    return versions.get(entry.group) or best(entry.group, entry.versions)


def _holds(entry: Requirement, first: Requirement, versions: Mapping[str, str], there: Versions) -> bool:
    version = _version(entry, versions)
    if version not in entry.versions or entry.group == first.group:
        return version in entry.versions
    return companions(entry.group, version, there).get(first.group, versions[first.group]) == versions[first.group]


def _row(entry: Requirement, version: str, selected: Versions, there: Versions) -> Row:
    """Where versions mean the same, the best of those that are judged carries the full evidence."""
    wanted = [one for one in selected.get(entry.group, ()) if one in entry.versions]
    able = [one for one in wanted if one in there.get(entry.group, wanted)]
    full = best(entry.group, able) if able else version
    return Row(entry.id, version, full if entry.meaning == "same" and full != version else None)


def served_versions(started: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The versions that the cluster serves, by group, from a run-started event; empty when it tells nothing."""
    return served((crd["name"], crd["versions"]) for crd in started.get("cluster", {}).get("crds") or ())


def require_served(first: Requirement, version: str, there: Versions, claims: Versions) -> None:
    """Whether a version can be judged. Raises Unsupported when it is neither claimed nor served, and Blocked when it
    is claimed, not served, and something else than that is judged.
    """
    group = first.group
    if version in there.get(group, (version,)):
        return
    if version not in claims.get(group, ()):
        raise Unsupported(f"the profile does not claim {group} {version}, and the cluster does not serve it")
    if first.id != SERVING.get(group):
        raise Blocked(SERVING[group], f"{group} {version} is claimed and not served")
