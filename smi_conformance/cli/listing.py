"""`list`: what the suite knows, as tables or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smi_conformance.cli.problems import NOT_CONFORMANT, OK, Problem

if TYPE_CHECKING:
    from smi_conformance.cli.coverage import Coverage
    from smi_conformance.meshes.profile import Profile
    from smi_conformance.model.register import Register, Requirement
    from smi_conformance.plugin.scenario import Scenario

Rows = Iterable[Sequence[str]]


EXAMPLES = """
[bold]Examples[/bold]

What is judged, and by how many scenarios: [cyan]smi-conformance list[/cyan]

What is covered at which API version: [cyan]smi-conformance list --coverage[/cyan]

Whether the specification still says what the register quotes: [cyan]smi-conformance list --check-spec ./smi-spec[/cyan]
"""


def show(
    requirements: Annotated[bool, typer.Option("--requirements", metavar="", help="The register.")] = False,
    scenarios: Annotated[
        bool, typer.Option("--scenarios", metavar="", help="The scenarios, with what each judges.")
    ] = False,
    coverage: Annotated[
        bool,
        typer.Option(
            "--coverage", metavar="", help="Entries that scenarios judge, by area, level, ground and API version."
        ),
    ] = False,
    contradictions: Annotated[
        bool,
        typer.Option(
            "--contradictions",
            metavar="",
            help="Entries on which text, examples and schemas disagree, or where the text leaves room.",
        ),
    ] = False,
    meshes: Annotated[bool, typer.Option("--meshes", metavar="", help="The built-in profiles.")] = False,
    faults: Annotated[
        bool, typer.Option("--faults", metavar="", help="The fault switches of the reference mesh.")
    ] = False,
    check_spec: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Look up every quotation of the register in a copy of the specification (its repository at any "
            "commit), name what has changed, and end with 1 when something has.",
        ),
    ] = None,
    as_markdown: Annotated[
        bool,
        typer.Option("--markdown", metavar="", help="With --coverage or --contradictions: as a page of the docs."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="All of it as one JSON object.")] = False,
) -> int:
    """List requirements, scenarios, coverage, contradictions, meshes or faults; check the register's quotations."""
    if as_markdown and coverage == contradictions:
        raise Problem("--markdown goes with either --coverage or --contradictions")
    if as_json:
        print(json.dumps(everything(), indent=1, ensure_ascii=False))
        return OK
    if as_markdown:
        print(_page(coverage), end="")
        return OK
    chosen = {
        "scenarios": scenarios, "coverage": coverage, "contradictions": contradictions, "meshes": meshes,
        "faults": faults,
    }  # fmt: skip
    if requirements or not (any(chosen.values()) or check_spec):
        tabulate(("id", "level", "ground", "state", "feature", "scenarios", "statement"), _requirements())
    for name in (name for name, wanted in chosen.items() if wanted):
        tabulate(*_TABLES[name]())
    return _quotations(check_spec) if check_spec else OK


def _quotations(folder: Path) -> int:
    from smi_conformance.cli import specification  # noqa: PLC0415

    register = _register()
    found = specification.drifts(register.requirements, folder)
    for drift in found:
        print(f"{drift.requirement} {drift.clause}: {drift.what}")
    count = sum(bool(entry.quote_sha256) for entry in register.requirements)
    print(f"{len(found)} of {count} quotations have drifted" if found else f"all {count} quotations stand")
    return NOT_CONFORMANT if found else OK


def _page(of_coverage: bool) -> str:
    from smi_conformance.cli import contradictions as unclear  # noqa: PLC0415
    from smi_conformance.cli import coverage as covering  # noqa: PLC0415

    covered = _coverage()
    if of_coverage:
        return covering.markdown(covered)
    names = {entry.id: covered.scenarios_of(entry.id) for entry in _register().requirements}
    return unclear.markdown(_register(), names)


def everything() -> dict[str, Any]:
    """The object of `list --json`."""
    covered = _coverage()
    return {
        "requirements": [_requirement(entry, covered) for entry in _register().requirements],
        "scenarios": [_scenario(variants) for variants in _named(covered.scenarios).values()],
        "meshes": [_mesh(profile) for profile in _profiles()],
        "faults": [{"id": name, "mesh": "reference", "fault": text} for name, text in sorted(_faults().items())],
    }


def _requirement(entry: Requirement, covered: Coverage) -> dict[str, Any]:
    names = ("id", "area", "group", "level", "ground", "state", "posture", "feature", "core", "statement")
    return {name: getattr(entry, name) for name in names} | {
        "versions": list(entry.versions),
        "judged_versions": [version for version in entry.versions if (entry.id, version) in covered.judged],
        "scenarios": covered.scenarios_of(entry.id),
        "uncovered": None if covered.covered(entry) else covered.reasons.get(entry.id),
    }


def _named(known: Sequence[Scenario]) -> dict[str, list[Scenario]]:
    """Scenarios by their name: one at each version."""
    found: dict[str, list[Scenario]] = {}
    for one in known:
        found.setdefault(one.name, []).append(one)
    return found


def _scenario(variants: Sequence[Scenario]) -> dict[str, Any]:
    one = variants[0]
    return {
        "nodeid": one.name,
        "title": one.title,
        "requirements": list(one.requirements),
        "versions": [variant.version for variant in variants if variant.version],
        "schedule": one.schedule,
        "omits": dict(one.omits),
    }


def _mesh(profile: Profile) -> dict[str, Any]:
    from smi_conformance.meshes.proof import state  # noqa: PLC0415

    return {
        "name": profile.name,
        "title": profile.title,
        "version": profile.version,
        "role": profile.role,
        "verified": profile.verified,
        "state": state(profile),
        "claims": {group: list(few) for group, few in profile.claims.items()},
        "postures": list(profile.postures),
        "features": {key: feature.model_dump() for key, feature in profile.features.items()},
    }


def _requirements() -> Rows:
    covered = _coverage()
    for entry in _register().requirements:
        number = str(len(covered.scenarios_of(entry.id)) or "-")
        yield entry.id, entry.level, entry.ground, entry.state, entry.feature, number, entry.statement


def _scenarios() -> Rows:
    for name, variants in _named(_coverage().scenarios).items():
        one, versions = variants[0], ", ".join(variant.version for variant in variants if variant.version)
        yield " ".join(one.requirements), name.removeprefix("conformance/"), versions, one.title


def _contradictions() -> Rows:
    from smi_conformance.cli import contradictions as unclear  # noqa: PLC0415

    for entry in unclear.entries(_register()):
        yield entry.id, entry.state, entry.level, ", ".join(entry.versions), entry.statement, entry.notes


def _covered() -> tuple[Sequence[str], Rows]:
    from smi_conformance.cli import coverage as covering  # noqa: PLC0415

    return covering.HEAD, _coverage().table()


def _meshes() -> tuple[Sequence[str], Rows]:
    from smi_conformance.cli import profiles  # noqa: PLC0415

    return profiles.HEAD, profiles.rows()


def tabulate(heads: Sequence[str], rows: Rows) -> None:
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


def _register() -> Register:
    from smi_conformance.locations import REGISTER  # noqa: PLC0415
    from smi_conformance.model.register import load_register  # noqa: PLC0415

    return load_register(REGISTER)


def _coverage() -> Coverage:
    from smi_conformance.cli.coverage import Coverage  # noqa: PLC0415
    from smi_conformance.plugin import catalogue, selection  # noqa: PLC0415

    return Coverage(_register(), catalogue.scenarios(), selection.uncovered())


def _profiles() -> Sequence[Profile]:
    from smi_conformance.meshes import profile  # noqa: PLC0415

    return profile.available()


def _faults() -> Mapping[str, str]:
    from smi_conformance.meshes import install, profile  # noqa: PLC0415

    return install.faults_of(profile.load("reference"))


_TABLES: Mapping[str, Callable[[], tuple[Sequence[str], Rows]]] = {
    "scenarios": lambda: (("requirements", "scenario", "versions", "title"), _scenarios()),
    "coverage": _covered,
    "contradictions": lambda: (("id", "state", "level", "versions", "statement", "readers"), _contradictions()),
    "meshes": _meshes,
    "faults": lambda: (("fault", "what it does"), sorted(_faults().items())),
}
