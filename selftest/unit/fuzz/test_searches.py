"""The search: bounded, reproducible, and told once of each sort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fuzz.cases import Case
from fuzz.drawing import Menu, cases
from fuzz.expectation import Disagreement
from fuzz.search import Search
from fuzz.trial import Finding, Look
from smi_conformance.judge.verdict import HarnessError
from smi_conformance.meshes.profile import load
from smi_conformance.model.versions import BASELINE
from smi_conformance.model.world import World


class Clock:
    """Ticks by one second with each reading."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def disagreeing(case: Case) -> Finding:
    one = Disagreement(case.probes[0], "stray", "it arrives", "it does not")
    return Finding(case, (), World(), Look((one,)), 1.0)


def filtered(case: Case, _: float | None = None) -> Finding | None:
    """A mesh that is wrong wherever a match has two header filters."""
    several = any(len(match.headers) > 1 for group in case.policies.groups for match in group.matches)
    return disagreeing(case) if several else None


def search(judge: Any = filtered, **more: Any) -> Search:
    return Search(cases(Menu()), judge, **{"seed": 1, "seconds": 3600.0, "most": 300, **more})


def found_by(one: Search, stop_after: int = 1) -> list[Finding]:
    told: list[Finding] = []
    one.run(told.append, stop_after)
    return told


def test_counter_example_is_shrunk() -> None:
    """To one match with what is needed of it, and one request."""
    (finding,) = found_by(search())
    matches = [match for group in finding.case.policies.groups for match in group.matches]
    assert [len(match.headers) for match in matches] == [2]
    assert len(finding.case.probes) == len(finding.case.policies.targets) == 1


def test_seed_reproduces() -> None:
    """The same cases, the same end; another seed draws others."""

    def drawn(seed: int) -> list[Case]:
        seen: list[Case] = []
        found_by(search(lambda case, _: seen.append(case), seed=seed, most=30))
        return seen

    assert drawn(7) == drawn(7) != drawn(8)


def test_each_sort_is_told_once() -> None:
    """A mesh with one defect gives one counter-example, not one after the other until the time is over."""
    assert len({finding.main.sort for finding in found_by(search(), stop_after=9)}) == len(
        found_by(search(), stop_after=9)
    )


def test_time_and_number_bound_the_search() -> None:
    """Whichever is over first."""
    clocked = search(lambda case, _: None, seconds=20.0, clock=Clock())
    assert found_by(clocked) == []
    assert clocked.drawn < 20
    numbered = search(lambda case, _: None, most=5)
    found_by(numbered)
    assert numbered.drawn == 5


def test_shrinking_is_bounded() -> None:
    """Where the time is over, the smallest case until then is told."""
    clock = Clock()
    (finding,) = found_by(search(clock=clock, shrinking=10.0))
    assert filtered(finding.case)
    assert clock.now < 3000


def test_what_does_not_last_falls_back_to_the_first() -> None:
    """A case that was shrunk in haste and holds no longer is not told; the one that had all the time is."""
    first: list[Case] = []

    def judge(case: Case, patience: float | None) -> Finding | None:
        found = filtered(case)
        if patience is None and found and not first:
            first.append(case)
            return found
        return found if patience else None

    (finding,) = found_by(search(judge))
    assert finding.case == first[0]


@pytest.mark.parametrize("raised", [HarnessError("no cluster"), KeyboardInterrupt()])
def test_failures_are_no_counter_examples(raised: BaseException) -> None:
    """They end the search at once."""

    def judge(case: Case, _: float | None) -> Finding | None:
        raise raised

    with pytest.raises(type(raised)):
        found_by(search(judge))


def test_nothing_is_left_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis keeps notes where nobody asked for them, unless it is told not to."""
    monkeypatch.chdir(tmp_path)
    found_by(search())
    assert list(tmp_path.iterdir()) == []


def test_menu_follows_the_profile() -> None:
    """What a mesh says it lacks, or is not served, is not drawn."""
    lacks = {"split.matches": {"claim": "none", "reason": "-"}, "access.tcp": {"claim": "none", "reason": "-"}}
    profile = load("model")
    changed = profile.model_validate(profile.model_dump() | {"features": lacks})
    assert Menu.of(profile, BASELINE) == Menu()
    assert Menu.of(changed, BASELINE) == Menu(tcp=False, matches=False)
    assert not Menu.of(profile, {**BASELINE, "split": "v1alpha2"}).matches
