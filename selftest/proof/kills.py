"""What each fault fails: what was seen in runs, held against what is committed (kills.yaml)."""

from __future__ import annotations

import fnmatch
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from selftest.proof.model_runs import Result, verdict_of
from smi_conformance.locations import REGISTER
from smi_conformance.model.register import load_register

KILLS = Path(__file__).with_suffix(".yaml")
FORESEEN = "the register foresees it (`also_fails` of the fault)"
FAILED, UNJUDGED = ("fail", "tentative-fail"), ("error", "blocked")


@dataclass(frozen=True)
class Kill:
    """What a fault does beside failing its own requirement: what fails, what cannot be judged, and what may do both."""

    fails: frozenset[str] = frozenset()
    unjudged: frozenset[str] = frozenset()
    chance: frozenset[str] = frozenset()

    @classmethod
    def seen(cls, results: Sequence[Result]) -> Kill:
        """What one fault did in one run or in several."""
        fails = [_of(result, FAILED) for result in results]
        unjudged = [_of(result, UNJUDGED) for result in results]
        always = (frozenset.intersection(*fails), frozenset.intersection(*unjudged))
        return cls(*always, frozenset.union(*fails, *unjudged) - always[0] - always[1])

    @property
    def all(self) -> frozenset[str]:
        return self.fails | self.unjudged | self.chance


@dataclass(frozen=True)
class Cause:
    """Why such faults also stop such requirements from passing."""

    because: str
    faults: tuple[str, ...]
    requirements: tuple[str, ...]

    def concerns(self, fault: str) -> bool:
        """Whether it is about this fault."""
        return _fits(fault, self.faults)

    def explains(self, fault: str, requirement: str) -> bool:
        """Whether it is why this fault stops that requirement from passing."""
        return self.concerns(fault) and _fits(requirement, self.requirements)


@dataclass(frozen=True)
class Kills:
    """What is committed: of each fault what it does, and the causes."""

    of: Mapping[str, Kill] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()

    def cause(self, fault: str, requirement: str) -> str:
        """Why a fault fails a requirement that is not its own; empty where nothing explains that."""
        if requirement in load_register(REGISTER).fault(fault)[1].also_fails:
            return FORESEEN
        return next((one.because for one in self.causes if one.explains(fault, requirement)), "")

    def unexplained(self) -> Iterator[str]:
        """What no cause is given for, a line for each fault."""
        for fault, kill in self.of.items():
            if strange := sorted(name for name in kill.all if not self.cause(fault, name)):
                yield f"{fault}: nothing explains {' '.join(strange)}"


def _of(result: Result, verdicts: Iterable[str]) -> frozenset[str]:
    own = result.fault.split("/")[0]
    return frozenset(name for name, verdict in result.verdicts.items() if verdict in verdicts and name != own)


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, one) for one in patterns)


def load(path: Path = KILLS) -> Kills:
    """What is committed."""
    source = yaml.safe_load(path.read_text())
    causes = [Cause(c["because"], tuple(c["faults"].split()), tuple(c["fails"].split())) for c in source["causes"]]
    return Kills({name: _kill(entry or {}) for name, entry in (source["kills"] or {}).items()}, tuple(causes))


def _kill(entry: Mapping[str, str]) -> Kill:
    return Kill(*(frozenset(entry.get(key, "").split()) for key in KEYS))


KEYS = ("fails", "unjudged", "by chance")


def differences(result: Result, committed: Kills) -> Iterator[str]:
    """Whatever a fault did that is not committed, and the other way round: a line each."""
    if verdict_of(result) != "caught":
        yield f"{result.fault}: its own requirement ends as {verdict_of(result)}, want a failed assertion"
    if result.fault not in committed.of:
        yield f"{result.fault}: nothing is committed; `accept` it, and read what it fails"
        return
    seen, due = Kill.seen([result]), committed.of[result.fault]
    pairs = ((seen.fails, due.fails, "fails"), (seen.unjudged, due.unjudged, "is not judged"))
    for got, want, what in pairs:
        for name in sorted(got - want - due.chance):
            yield f"{result.fault}: {name} {what}, and should not: {result.reasons.get(name, '')}"
        for name in sorted(want - got):
            yield f"{result.fault}: {name} is {result.verdicts.get(name, 'not there')}; committed is that it {what}"


def accepted(committed: Kills, folders: Sequence[Sequence[Result]]) -> Kills:
    """The same with what was seen; faults that were not tried stay as they are."""
    runs = defaultdict[str, list[Result]](list)
    for result in (one for folder in folders for one in folder):
        runs[result.fault].append(result)
    return Kills({**committed.of, **{name: Kill.seen(results) for name, results in runs.items()}}, committed.causes)


def written(kills: Kills, head: str) -> str:
    """The text of kills.yaml: `head`, which ends with the causes, and the faults in their order."""
    return head + "kills:\n" + "".join(_entry(name, kill) for name, kill in sorted(kills.of.items()))


def _entry(name: str, kill: Kill) -> str:
    values = zip(KEYS, (kill.fails, kill.unjudged, kill.chance), strict=True)
    lines = [_folded(key, sorted(names)) for key, names in values if names]
    return f"  {name}:\n" + "".join(lines)


def _folded(key: str, names: Sequence[str]) -> str:
    return textwrap.fill(f"{key}: {' '.join(names)}", 120, initial_indent="    ", subsequent_indent="      ") + "\n"
