"""The link between scenarios and the register: the `requirement` marker and the rules of collection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import pytest

from smi_conformance.model.register import Register, Requirement, UnknownRequirement

Function = TypeVar("Function", bound=Callable[..., Any])
Schedule = Literal["first", "any", "fresh", "afterwards", "poison"]
SCHEDULES: tuple[Schedule, ...] = ("first", "any", "fresh", "afterwards", "poison")
"""The order of a run: scenarios that need servers on which nothing was granted yet, or begin what takes its time; those
that need nothing special; those that wait for pods of their own; those that judge what the first ones began; and those
that may harm the mesh."""


@dataclass(frozen=True)
class Scenario:
    """A test function at one API version, with the ids that it judges, and what of their `observe` text it leaves
    out and why.
    """

    nodeid: str
    title: str
    requirements: tuple[str, ...]
    omits: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None
    """Of the group of the first requirement."""
    schedule: Schedule = "any"
    versions: tuple[str, ...] = ()
    """Those that the scenario is limited to; empty: all of its first requirement."""
    numbers: bool = False
    """Whether it judges nothing but numbers, wherever they are read."""

    def among(self, versions: Iterable[str]) -> tuple[str, ...]:
        """Those of some versions at which the scenario can run."""
        return tuple(version for version in versions if version in (self.versions or (version,)))

    @property
    def name(self) -> str:
        """The node id without the version: the same for every version."""
        return self.nodeid.replace(f"[{self.version}]", "").replace(f"[{self.version}-", "[", 1)


def requirement(
    *ids: str,
    omits: Mapping[str, str] | None = None,
    versions: Iterable[str] = (),
    schedule: Schedule = "any",
    numbers: bool = False,
) -> Callable[[Function], Function]:
    """Mark a scenario with the requirements that it judges.

    The scenario runs once at each API version of the first requirement that the run selects; `versions` limits it to
    some of them. `omits` maps an outcome of the register's `observe` text that the scenario does not assert to the
    reason. `schedule`: `fresh` for a scenario that makes pods of its own, `poison` for one after which the mesh may
    be broken. `numbers`: it judges traffic metrics by their numbers alone, so it can do without the API.
    """

    def mark(function: Function) -> Function:
        details = {"omits": dict(omits or {}), "versions": tuple(versions), "schedule": schedule, "numbers": numbers}
        marked: Function = pytest.mark.requirement(*ids, **details)(function)
        return marked

    return mark


def scenario_of(item: pytest.Item) -> Scenario:
    """The scenario behind a test item. Raises pytest.UsageError when it names no requirement."""
    marker = _marker(item)
    doc = str(getattr(item, "obj", None).__doc__ or "").strip()
    if not doc:
        raise pytest.UsageError(f"{item.nodeid} has no docstring: state its requirement in one sentence")
    title = " ".join(doc.split("\n\n")[0].split())
    given, call = marker.kwargs, getattr(item, "callspec", None)
    return Scenario(
        item.nodeid,
        title,
        tuple(marker.args),
        given.get("omits") or {},
        version=call.params.get("scene") if call else None,
        schedule=given.get("schedule", "any"),
        versions=given.get("versions", ()),
        numbers=given.get("numbers", False),
    )


def _marker(item: pytest.Item) -> pytest.Mark:
    marker = item.get_closest_marker("requirement")
    if marker is None or not marker.args:
        raise pytest.UsageError(f"{item.nodeid} names no requirement: decorate it with @requirement(ID)")
    if marker.kwargs.get("schedule", "any") not in SCHEDULES:
        raise pytest.UsageError(f"{item.nodeid}: schedule is one of {', '.join(SCHEDULES)}")
    return marker


def versions_of(item: pytest.Item, register: Register, selected: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """The versions at which a run judges a scenario, of those that are `selected` for each group.

    Where it judges none there is one all the same, for the scenario to be known; the selection drops it. Raises
    pytest.UsageError for a marker with a version that the first requirement does not have.
    """
    marker = _marker(item)
    entry = _entry(item.nodeid, marker.args[0], register)
    wanted = marker.kwargs.get("versions") or entry.versions
    if strange := [version for version in wanted if version not in entry.versions]:
        raise pytest.UsageError(f"{item.nodeid}: {entry.id} does not hold at {entry.group} {', '.join(strange)}")
    able = [version for version in entry.versions if version in wanted]
    chosen = selected.get(entry.group, able)
    return tuple(version for version in able if version in chosen) or (able[0],)


def requirements_of(scenario: Scenario, register: Register) -> list[Requirement]:
    """The register's entries of a scenario. Raises pytest.UsageError for an unknown id."""
    return [_entry(scenario.nodeid, name, register) for name in scenario.requirements]


def _entry(nodeid: str, name: str, register: Register) -> Requirement:
    try:
        return register.get(name)
    except UnknownRequirement as error:
        raise pytest.UsageError(f"{nodeid}: {error}") from error
