"""What the suite says of impostors, held against what it should say.

python -m selftest.proof.null_controls [NAME ...]       run them on the model and tell every difference
python -m selftest.proof.null_controls --page           write docs/proof/null-controls.md
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from selftest.proof.impostors import IMPOSTORS, Impostor, judge
from selftest.proof.model_runs import Result, judged
from selftest.proof.registered import by_default
from smi_conformance.locations import SUITE

EXPECTED = Path(__file__).with_suffix(".yaml")
PAGE = SUITE / "docs" / "proof" / "null-controls.md"
PASSED, FAILED, UNJUDGED = ("pass", "tentative-pass"), ("fail", "tentative-fail"), ("skipped", "unsupported", "blocked")


@dataclass(frozen=True)
class Group:
    """Requirements that end alike, and why."""

    because: str
    patterns: tuple[str, ...]

    def of(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are meant."""
        known = tuple(names)
        return sorted({name for one in self.patterns for name in self.matching(one, known)})

    @staticmethod
    def matching(pattern: str, names: Iterable[str]) -> list[str]:
        """What one pattern means."""
        return fnmatch.filter(names, pattern)


@dataclass(frozen=True)
class Expected:
    """What an impostor passes, what says nothing of it, and what fails although a pattern fits it."""

    passes: tuple[Group, ...]
    unjudged: tuple[Group, ...] = ()
    fails: tuple[str, ...] = ()
    errors: str = ""

    def verdicts(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The verdicts that each requirement may have."""
        known = sorted(names)
        failed = (*FAILED, "error") if self.errors else FAILED
        passing = {name for group in self.passes for name in group.of(known)} - set(self.fails)
        silent = {name for group in self.unjudged for name in group.of(known)}
        return {name: UNJUDGED if name in silent else PASSED if name in passing else failed for name in known}


@cache
def expected() -> Mapping[str, Expected]:
    """What is committed, by impostor."""
    source = yaml.safe_load(EXPECTED.read_text())["impostors"]
    return {name: _expected(entry) for name, entry in source.items()}


def _expected(entry: Mapping[str, Any]) -> Expected:
    def groups(key: str) -> tuple[Group, ...]:
        return tuple(Group(one["because"], tuple(one["requirements"].split())) for one in entry.get(key, ()))

    return Expected(
        groups("passes"), groups("unjudged"), tuple(entry.get("fails", "").split()), entry.get("errors", "")
    )


def differences(name: str, result: Result) -> Iterator[str]:
    """Whatever an impostor got that it should not have got, a line each."""
    if result.reasons.get("run"):
        yield f"{name}: no verdicts: {result.reasons['run']}"
    due = expected()[name].verdicts(by_default(judged()))
    for requirement in sorted(due.keys() | result.verdicts.keys()):
        got, want = result.verdicts.get(requirement, "not judged"), due.get(requirement, ("not judged",))
        if got not in want:
            yield f"{name}: {requirement} got {got}, want {' or '.join(want)}: {result.reasons.get(requirement, '')}"


def chosen(names: Sequence[str]) -> list[Impostor]:
    """The impostors of these names; all of them without any."""
    return [one for one in IMPOSTORS if not names or one.name in names]


HEAD = """# Null controls: what passes without a mesh

A suite that can be passed by something that is no mesh proves nothing. So it is run against {count} impostors on the
[model](../model.md): they claim every feature, and nothing is asked of them before they are judged, not even that
servers are closed when a scenario gets them. {judged} requirements are judged, at the stable versions and where access
is enforced. Each of them fails by its own assertion, but for those that an impostor really meets:

| impostor | what it does | fails | passes |
| --- | --- | --- | --- |
{rows}

`python -m selftest.proof.null_controls` runs them and tells every difference to what is written here, in either
direction (`selftest/proof/null_controls.yaml`); `tox -e proof` does so for all of them, `tox` for {quick}.
"""


def page() -> str:
    """docs/proof/null-controls.md: what is expected, with the reasons."""
    names = by_default(judged())
    rows = "\n".join(_row(one, expected()[one.name], names) for one in IMPOSTORS)
    quick = " and ".join(f"`{name}`" for name in QUICK)
    head = HEAD.format(count=len(IMPOSTORS), judged=len(names), rows=rows, quick=quick)
    return head + "".join(_section(one, expected()[one.name], names) for one in IMPOSTORS)


QUICK = ("admits-everything", "fake-200")
"""The two that stand furthest apart: nothing is denied, and nothing arrives."""


def _row(impostor: Impostor, due: Expected, names: Iterable[str]) -> str:
    verdicts = list(due.verdicts(names).values())
    passes = verdicts.count(PASSED)
    fails = len(verdicts) - passes - verdicts.count(UNJUDGED)
    return f"| [{impostor.name}](#{impostor.name}) | {impostor.text} | {fails} | {passes} |"


def _section(impostor: Impostor, due: Expected, names: Iterable[str]) -> str:
    lines = [f"\n## {impostor.name}\n", f"{impostor.text[0].upper()}{impostor.text[1:]}.\n"]
    for group in due.passes:
        found = [name for name in group.of(names) if name not in due.fails]
        lines.append(f"- {len(found)} pass, because {group.because}: {' '.join(found)}")
    lines += [f"- no verdict, because {group.because}: {' '.join(group.of(names))}" for group in due.unjudged]
    lines += [f"- {len(due.fails)} fail: {' '.join(due.fails)}"] if due.fails else ["- all else fails"]
    lines += [f"- of these some are errors and no failures, because {due.errors}"] if due.errors else []
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """The command line above; the exit code is 1 when anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m selftest.proof.null_controls", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(one.name for one in IMPOSTORS))
    parser.add_argument("--page", action="store_true", help="write the page and run nothing")
    given = parser.parse_args(argv)
    if unknown := sorted(set(given.names) - {one.name for one in IMPOSTORS}):
        parser.error(f"unknown impostor {unknown[0]}; known: {', '.join(one.name for one in IMPOSTORS)}")
    if given.page:
        PAGE.write_text(page())
        return 0
    wrong = [line for name, result in judge(chosen(given.names)) for line in differences(name, result)]
    sys.stdout.write("".join(f"{line}\n" for line in wrong) or "as it should be\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
