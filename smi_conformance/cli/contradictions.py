"""Where the specification contradicts itself or leaves room, and what the suite makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smi_conformance.model.register import Register, Requirement

MARKDOWN = """\
# Contradictions and open readings

Entries of the [register](../conformance/requirements.yaml) on which text, examples and the library's schemas disagree,
or where the text leaves room. Their verdicts stand outside the score. Made by
`smi-conformance list --contradictions --markdown > docs/contradictions.md`.

## Contradictory

{contradictory}
## The text leaves room

{tentative}"""


def entries(register: Register) -> list[Requirement]:
    """Contradictory entries, then those where the text leaves room."""
    states = ("contradictory", "tentative")
    return [entry for state in states for entry in register.requirements if entry.state == state]


def markdown(register: Register, scenarios: Mapping[str, Sequence[str]]) -> str:
    """docs/contradictions.md; `scenarios` are the names of those that judge each requirement."""
    parts = {"contradictory": "", "tentative": ""}
    for entry in entries(register):
        parts[entry.state] += _section(entry, scenarios.get(entry.id, ()), register.spec_commit)
    return MARKDOWN.format(**parts).rstrip() + "\n"


def _section(entry: Requirement, scenarios: Sequence[str], commit: str) -> str:
    functions = dict.fromkeys(name.partition("[")[0] for name in scenarios)
    link = f"https://github.com/servicemeshinterface/smi-spec/blob/{commit}/{entry.clause}"
    lines = [
        f"### {entry.id}",
        "",
        entry.statement,
        "",
        f"- clause: [{entry.clause}]({link}), {entry.group} {', '.join(entry.versions)}, {entry.level}",
        *([f"- the text and its readers: {entry.notes}"] if entry.notes else []),
        *_readings(entry),
        f"- what is tested: {entry.observe}",
        f"- scenarios: {', '.join(f'`{name}`' for name in functions) or 'none'}",
    ]
    return "\n".join(lines) + "\n\n"


def _readings(entry: Requirement) -> Iterable[str]:
    for reading in entry.readings:
        yield f"- reading `{reading.id}`: {reading.meaning}"
