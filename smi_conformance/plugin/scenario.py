"""The link between scenarios and the register: the `requirement` marker and the rules of collection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from smi_conformance.model.register import Register, Requirement, UnknownRequirement

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Scenario:
    """A test function with the ids that it judges, and what of their `observe` text it leaves out and why."""

    nodeid: str
    title: str
    requirements: tuple[str, ...]
    omits: Mapping[str, str] = field(default_factory=dict)


def requirement(*ids: str, omits: Mapping[str, str] | None = None) -> Callable[[Function], Function]:
    """Mark a scenario with the requirements that it judges.

    `omits` maps an outcome of the register's `observe` text that the scenario does not assert to the reason.
    """

    def mark(function: Function) -> Function:
        marked: Function = pytest.mark.requirement(*ids, omits=dict(omits or {}))(function)
        return marked

    return mark


def scenario_of(item: pytest.Item) -> Scenario:
    """The scenario behind a test item. Raises pytest.UsageError when it names no requirement."""
    marker = item.get_closest_marker("requirement")
    if marker is None or not marker.args:
        raise pytest.UsageError(f"{item.nodeid} names no requirement: decorate it with @requirement(ID)")
    doc = str(getattr(item, "obj", None).__doc__ or "").strip()
    if not doc:
        raise pytest.UsageError(f"{item.nodeid} has no docstring: state its requirement in one sentence")
    title = " ".join(doc.split("\n\n")[0].split())
    return Scenario(item.nodeid, title, tuple(marker.args), marker.kwargs.get("omits") or {})


def requirements_of(scenario: Scenario, register: Register) -> list[Requirement]:
    """The register's entries of a scenario. Raises pytest.UsageError for an unknown id."""
    try:
        return [register.get(name) for name in scenario.requirements]
    except UnknownRequirement as error:
        raise pytest.UsageError(f"{scenario.nodeid}: {error}") from error
