"""`list`: what the suite knows, as tables or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from smi_conformance.meshes.profile import Profile
    from smi_conformance.model.register import Requirement
    from smi_conformance.plugin.scenario import Scenario

Rows = Iterable[Sequence[str]]


def show(
    requirements: Annotated[bool, typer.Option("--requirements", metavar="", help="The register.")] = False,
    scenarios: Annotated[
        bool, typer.Option("--scenarios", metavar="", help="The scenarios, with what each judges.")
    ] = False,
    meshes: Annotated[bool, typer.Option("--meshes", metavar="", help="The built-in profiles.")] = False,
    faults: Annotated[
        bool, typer.Option("--faults", metavar="", help="The fault switches of the reference mesh.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="All of it as one JSON object.")] = False,
) -> None:
    """List requirements, scenarios, meshes or faults."""
    if as_json:
        print(json.dumps(everything(), indent=1, ensure_ascii=False))
    if as_json:
        return
    if requirements or not (scenarios or meshes or faults):
        _table(("id", "level", "ground", "state", "feature", "scenarios", "statement"), _requirements())
    if scenarios:
        _table(("requirements", "scenario", "title"), _scenarios())
    if meshes:
        _table(("name", "title", "version", "claims", "verified"), _meshes())
    if faults:
        _table(("fault", "what it does"), sorted(_faults().items()))


def everything() -> dict[str, Any]:
    """The object of `list --json`."""
    known = _catalogue()
    return {
        "requirements": [_requirement(entry, known) for entry in _register()],
        "scenarios": [
            {
                "nodeid": s.nodeid,
                "title": s.title,
                "requirements": list(s.requirements),
                "omits": dict(s.omits),
            }
            for s in known
        ],
        "meshes": [_mesh(profile) for profile in _profiles()],
        "faults": [{"id": name, "mesh": "reference", "fault": text} for name, text in sorted(_faults().items())],
    }


def _requirement(entry: Requirement, known: Sequence[Scenario]) -> dict[str, Any]:
    names = ("id", "area", "group", "level", "ground", "state", "posture", "feature", "core", "statement")
    judged = [scenario.nodeid for scenario in known if entry.id in scenario.requirements]
    return {name: getattr(entry, name) for name in names} | {
        "versions": list(entry.versions),
        "scenarios": judged,
    }


def _mesh(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "title": profile.title,
        "version": profile.version,
        "verified": profile.verified,
        "claims": profile.claims,
        "postures": list(profile.postures),
        "features": {key: feature.model_dump() for key, feature in profile.features.items()},
    }


def _requirements() -> Rows:
    counts: dict[str, int] = {}
    for scenario in _catalogue():
        for name in scenario.requirements:
            counts[name] = counts.get(name, 0) + 1
    for entry in _register():
        number = str(counts.get(entry.id, "-"))
        yield entry.id, entry.level, entry.ground, entry.state, entry.feature, number, entry.statement


def _scenarios() -> Rows:
    return ((" ".join(s.requirements), s.nodeid.removeprefix("conformance/"), s.title) for s in _catalogue())


def _meshes() -> Rows:
    for one in _profiles():
        claims = ", ".join(f"{group} {version}" for group, version in one.claims.items())
        yield one.name, one.title, one.version, claims, one.verified or "unverified"


def _table(heads: Sequence[str], rows: Rows) -> None:
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, no_wrap=place == 0 and head != "requirements", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    # In a pipe there is no screen to fit: one line per entry, for grep.
    Console(width=None if sys.stdout.isatty() else 500).print(table)


def _register() -> Sequence[Requirement]:
    from smi_conformance.locations import REGISTER  # noqa: PLC0415
    from smi_conformance.model.register import load_register  # noqa: PLC0415

    return load_register(REGISTER).requirements


def _catalogue() -> Sequence[Scenario]:
    from smi_conformance.plugin import catalogue  # noqa: PLC0415

    return catalogue.scenarios()


def _profiles() -> Sequence[Profile]:
    from smi_conformance.meshes import profile  # noqa: PLC0415

    return profile.available()


def _faults() -> Mapping[str, str]:
    from smi_conformance.meshes import install, profile  # noqa: PLC0415

    return install.faults_of(profile.load("reference"))
