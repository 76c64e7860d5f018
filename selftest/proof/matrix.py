"""Which fault fails which requirements: what was seen, held against what is committed.

    python -m selftest.proof.model_runs --whole-suite --out FOLDER --resume      judge each fault by the whole suite
    python -m selftest.proof.matrix check FOLDER                                 tell every difference to kills.yaml
    python -m selftest.proof.matrix accept FOLDER [FOLDER ...]                   write what was seen into it, to be read
    python -m selftest.proof.matrix page                                         write docs/proof/matrix.md and .csv

Several folders hold runs of different seeds: what not all of them saw is a matter of chance.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from selftest.proof.kills import KILLS, Kill, Kills, accepted, differences, load, written
from selftest.proof.model_runs import judged, kept, wanted
from smi_conformance.cluster.model.switchboard import UNOBSERVABLE
from smi_conformance.locations import REGISTER, SUITE
from smi_conformance.model.register import load_register

PAGE = SUITE / "docs" / "proof" / "matrix.md"
TABLE = SUITE / "docs" / "proof" / "matrix.csv"
SHOWN = 12  # ids of a fault that the page names; the table has them all

HEAD = """# The matrix: which fault fails which requirements

The whole suite is run on the [model](../model.md) against one fault after the other. {measured} of {switches} switches
have been tried so; {listed} faults stand in the register, and those without a switch stand in [model.md](../model.md)'s
list of what no traffic can show ({unobservable}) or belong to requirements that no scenario judges yet.
Each of the {measured} fails its own requirement by assertion, none by an error or as blocked.
{alone} fail nothing else; the median is {median} more, the most {most}.
These runs were made before traffic metrics had scenarios: what fails TM-010 to TM-074 and TM-090 to TM-094 is not
known yet.

What a fault fails is committed (`selftest/proof/kills.yaml`), and each of it has a cause. `python -m
selftest.proof.matrix check FOLDER` tells every difference between that and the results of a run, in both directions;
`tox -e proof` makes the run. All of it is in [matrix.csv](matrix.csv): `f` fails, `u` cannot be judged (blocked, or an
error since objects are refused that the scenario needs), `c` differs by chance from seed to seed, `o` is the own one.

## Why a fault fails more than its own requirement

| cause | faults | verdicts |
| --- | --- | --- |
{causes}

## From area to area

Verdicts beside the own one. Rows: the area of the fault. Columns: that of the requirement.

{areas}

## Requirements

| requirement | own faults tried | fails at other faults |
| --- | --- | --- |
{requirements}

## Faults

| fault | what else fails | cannot be judged |
| --- | --- | --- |
{faults}
"""


def page(kills: Kills) -> str:
    """docs/proof/matrix.md."""
    sizes = sorted(len(kill.all) for kill in kills.of.values())
    register = load_register(REGISTER)
    return HEAD.format(
        measured=len(kills.of), switches=len(wanted()), listed=sum(len(one.faults) for one in register.requirements),
        unobservable=len(UNOBSERVABLE), alone=sizes.count(0), median=sizes[len(sizes) // 2], most=sizes[-1],
        causes="\n".join(_causes(kills)), areas="\n".join(_areas(kills)),
        requirements="\n".join(_requirements(kills)), faults="\n".join(_faults(kills.of)),
    )  # fmt: skip


def _causes(kills: Kills) -> Iterator[str]:
    verdicts, faults = Counter[str](), defaultdict[str, set[str]](set)
    for fault, kill in kills.of.items():
        for name in kill.all:
            cause = kills.cause(fault, name)
            verdicts[cause] += 1
            faults[cause].add(fault)
    for cause, count in verdicts.most_common():
        yield f"| {cause} | {len(faults[cause])} | {count} |"


def _area(name: str) -> str:
    return load_register(REGISTER).get(name.partition("/")[0]).area


def _areas(kills: Kills) -> Iterator[str]:
    found = Counter((_area(fault), _area(name)) for fault, kill in kills.of.items() for name in kill.all)
    areas = sorted({area for pair in found for area in pair})
    yield f"| | {' | '.join(areas)} |"
    yield "| --- " * (len(areas) + 1) + "|"
    for row in areas:
        yield f"| {row} | {' | '.join(str(found[row, column]) for column in areas)} |"


def _requirements(kills: Kills) -> Iterator[str]:
    own = Counter(fault.split("/")[0] for fault in kills.of)
    others = Counter(name for kill in kills.of.values() for name in kill.all)
    for name in sorted(own.keys() | others.keys()):
        yield f"| {name} | {own[name]} | {others[name]} |"


def _faults(of: Mapping[str, Kill]) -> Iterator[str]:
    for fault, kill in sorted(of.items()):
        chance = f"; by chance: {_named(kill.chance)}" if kill.chance else ""
        yield f"| `{fault}` | {_named(kill.fails)}{chance} | {_named(kill.unjudged)} |"


def _named(names: frozenset[str]) -> str:
    few = " ".join(sorted(names)[:SHOWN])
    return f"{few} and {len(names) - SHOWN} more" if len(names) > SHOWN else few


def table(kills: Kills) -> str:
    """docs/proof/matrix.csv: a line for each fault, a column for each requirement."""
    names = sorted(judged())
    lines = [",".join(["fault", *names])]
    for fault, kill in sorted(kills.of.items()):
        own = fault.split("/")[0]
        lines.append(",".join([fault, *("o" if name == own else _letter(kill, name) for name in names)]))
    return "\n".join(lines) + "\n"


def _letter(kill: Kill, name: str) -> str:
    letters = {"f": kill.fails, "u": kill.unjudged, "c": kill.chance}
    return next((letter for letter, names in letters.items() if name in names), "")


def write() -> None:
    """Write both."""
    kills = load()
    PAGE.write_text(page(kills))
    TABLE.write_text(table(kills))


def main(argv: Sequence[str] | None = None) -> int:
    """The command line above; the exit code is 1 when anything is not as it is committed."""
    parser = argparse.ArgumentParser(prog="python -m selftest.proof.matrix", description=__doc__)
    parser.add_argument("what", choices=("check", "accept", "page"))
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="results of model_runs --whole-suite")
    given = parser.parse_args(argv)
    if (given.what == "page") == bool(given.folders):
        parser.error("check and accept take folders of results, page takes none")
    folders = [kept(folder) for folder in given.folders]
    if given.what == "page":
        write()
        return 0
    if given.what == "accept":
        KILLS.write_text(written(accepted(load(), folders), KILLS.read_text().partition("kills:\n")[0]))
    committed = load()
    wrong = [line for folder in folders for result in folder for line in differences(result, committed)]
    wrong += committed.unexplained()
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.stdout.write(f"{sum(map(len, folders))} faults, {len(wrong)} differences\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
