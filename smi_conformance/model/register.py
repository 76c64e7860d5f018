"""The register of requirements, typed; the head of conformance/requirements.yaml says what is meant."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from smi_conformance.model.versions import UNRELEASED

METRICS = (
    "metrics.api",
    "metrics.list",
    "metrics.selector",
    "metrics.values",
    "metrics.edges",
    "metrics.aggregates",
    "metrics.splits",
    "metrics.rbac",
)

PROFILES: Mapping[str, frozenset[str]] = {
    "SPLIT-HTTP": frozenset({"split.api", "split.http", "split.update", "split.ports", "split.matches"}),
    "SPLIT-TCP": frozenset({"split.api", "split.tcp"}),
    "ACCESS-HTTP": frozenset(
        {
            "access.api",
            "access.http",
            "access.port",
            "access.cross-namespace",
            "specs.api",
            "specs.http.path",
            "specs.http.method",
            "specs.http.header",
        }
    ),
    "ACCESS-TCP": frozenset({"access.api", "access.tcp", "specs.api", "specs.tcp.ports"}),
    "ACCESS-UDP": frozenset({"access.api", "access.udp", "specs.api"}),
    "METRICS": frozenset(METRICS),
}
"""Certification profiles: what of a mesh may be called conformant, as sets of feature keys.

A profile holds the requirements of its features at one API version; its core are those that `core` marks.
Features of the interplay of access and split, of HTTP/2, UDP splits and of unreleased kinds are in none.
"""


class UnknownRequirement(LookupError):
    """No entry has this id, or fits this pattern; the message names the nearest."""


class RegisterError(Exception):
    """The file is no register."""


@dataclass(frozen=True)
class Fault:
    """A defect that the test of its requirement catches. `where`: controller, proxy, api or metrics."""

    id: str
    fault: str
    where: str
    also_fails: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """One of the behaviours that a requirement of level may reports."""

    id: str
    meaning: str


@dataclass(frozen=True)
class Requirement:
    """One observable claim."""

    id: str
    area: str
    group: str
    versions: tuple[str, ...]
    level: str
    ground: str
    state: str
    posture: str
    feature: str
    core: bool
    clause: str
    statement: str
    observe: str
    meaning: str | None = None
    differs_how: str | None = None
    quote_at: str | None = None
    quote_sha256: str | None = None
    faults: tuple[Fault, ...] = ()
    readings: tuple[Reading, ...] = ()
    notes: str = ""

    def tentative(self, version: str) -> bool:
        """Whether a verdict at this version stands outside the score."""
        return self.state != "settled" or (self.group, version) in UNRELEASED

    @classmethod
    def from_yaml(cls, source: Mapping[str, Any]) -> Requirement:
        """One entry of the file. Raises TypeError, KeyError for one that is none."""
        faults = tuple(_fault(fault) for fault in source.get("faults", []))
        readings = tuple(Reading(**reading) for reading in source.get("readings", []))
        versions = tuple(source["versions"])
        return cls(**{**source, "versions": versions, "faults": faults, "readings": readings})


def _fault(source: Mapping[str, Any]) -> Fault:
    return Fault(source["id"], source["fault"], source["where"], tuple(source.get("also_fails", ())))


@dataclass(frozen=True)
class Register:
    """All requirements in the order of the file, and what they refer to."""

    requirements: tuple[Requirement, ...]
    features: Mapping[str, str]
    spec_commit: str
    sha256: str
    profiles: Mapping[str, frozenset[str]] = field(default_factory=lambda: PROFILES)

    @cached_property
    def _by_id(self) -> dict[str, Requirement]:
        return {requirement.id: requirement for requirement in self.requirements}

    def get(self, name: str) -> Requirement:
        """The requirement of this id. Raises UnknownRequirement."""
        try:
            return self._by_id[name]
        except KeyError:
            raise self._unknown(name) from None

    def find(self, pattern: str) -> tuple[Requirement, ...]:
        """Requirements whose id or feature fits a glob: SP-0*, split.*. Raises UnknownRequirement."""
        found = tuple(
            one
            for one in self.requirements
            if fnmatch.fnmatchcase(one.id, pattern.upper()) or fnmatch.fnmatchcase(one.feature, pattern)
        )
        if not found:
            raise self._unknown(pattern)
        return found

    def fault(self, address: str) -> tuple[Requirement, Fault]:
        """A fault by ID/slug. Raises UnknownRequirement."""
        name, _, slug = address.partition("/")
        requirement = self.get(name)
        for fault in requirement.faults:
            if fault.id == slug:
                return requirement, fault
        known = [fault.id for fault in requirement.faults]
        raise UnknownRequirement(f"{name} has no fault {slug!r}{_near(slug, known)}")

    def _unknown(self, name: str) -> UnknownRequirement:
        return UnknownRequirement(f"no requirement {name!r}{_near(name, [*self._by_id, *self.features])}")


def _near(name: str, known: list[str]) -> str:
    """Advice on what is near; among the equally near, what begins alike."""
    close = {one for form in (name.upper(), name) for one in difflib.get_close_matches(form, known, 30)}
    near = sorted(close, key=lambda one: (-_alike(one.upper(), name.upper()), one))[:3]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _alike(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)  # pragma: no mutate (False is the default)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


@lru_cache(maxsize=8)
def load_register(path: Path) -> Register:
    """Read a register. Raises OSError, RegisterError."""
    raw = path.read_bytes()
    try:
        source = yaml.load(raw, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (both are safe)
        requirements = tuple(Requirement.from_yaml(entry) for entry in source["requirements"])
        register = Register(requirements, source["features"], source["spec"]["commit"], hashlib.sha256(raw).hexdigest())
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise RegisterError(f"{path} is no register: {type(error).__name__}: {error}") from error
    _check(register, path)
    return register


def _check(register: Register, path: Path) -> None:
    ids = [one.id for one in register.requirements]
    twice = {one for one in ids if ids.count(one) > 1}
    unknown = {one.feature for one in register.requirements} - set(register.features)
    if twice or unknown:
        raise RegisterError(f"{path}: ids used twice: {sorted(twice)}; unknown features: {sorted(unknown)}")
