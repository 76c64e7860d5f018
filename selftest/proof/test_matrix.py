"""Each fault fails what is committed for it and nothing else, and each of that has a cause.

By default one fault of each area is tried; `--all-faults` tries all.
"""

from __future__ import annotations

import zlib

import pytest

from selftest.proof import kills, matrix
from selftest.proof.kills import Kill
from selftest.proof.model_runs import Result, prove, wanted
from smi_conformance.cluster.model.switchboard import faults
from smi_conformance.locations import REGISTER
from smi_conformance.model.register import load_register

COMMITTED = kills.load()


@pytest.fixture(scope="session", autouse=True)
def _lab_is_possible() -> None:
    """Nothing here needs a lab."""


def sample() -> list[str]:
    """Of each area one fault that fails something else, but nothing by chance."""
    telling = {name for name, kill in COMMITTED.of.items() if kill.fails and len(kill.all) < SMALL and not kill.chance}
    areas = {load_register(REGISTER).fault(name)[0].area: name for name in sorted(telling, key=_place)}
    return sorted(areas.values())


SMALL = 20


def _place(name: str) -> int:
    return zlib.crc32(name.encode())


def test_what_is_committed_is_about_switches() -> None:
    """And each verdict beside the own one has a cause."""
    assert COMMITTED.of.keys() - faults().keys() == set()
    assert list(COMMITTED.unexplained()) == []


def test_no_cause_is_idle() -> None:
    """Each is that of something, unless none of its faults has been tried by the whole suite yet."""
    used = {COMMITTED.cause(fault, name) for fault, kill in COMMITTED.of.items() for name in kill.all}
    tried = [one for one in COMMITTED.causes if any(one.concerns(fault) for fault in COMMITTED.of)]
    assert [one.because for one in tried if one.because not in used] == []


def test_the_pages_are_up_to_date() -> None:
    """`python -m selftest.proof.matrix page` writes them."""
    assert matrix.PAGE.read_text() == matrix.page(COMMITTED)
    assert matrix.TABLE.read_text() == matrix.table(COMMITTED)


def test_faults_fail_what_is_committed(request: pytest.FixtureRequest) -> None:
    """By the whole suite."""
    chosen = wanted() if request.config.getoption("--all-faults") else sample()
    found = [line for result in prove(chosen, whole=True) for line in kills.differences(result, COMMITTED)]
    assert found == []


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ({"TA-050": "fail", "TA-051": "fail"}, []),
        ({"TA-050": "fail", "TA-051": "fail", "TA-054": "tentative-fail"}, []),
        ({"TA-050": "error", "TA-051": "fail"}, ["its own requirement ends as error"]),
        ({"TA-050": "fail", "TA-051": "pass"}, ["TA-051 is pass; committed is that it fails"]),
        ({"TA-050": "fail", "TA-051": "blocked"}, ["TA-051 is blocked;", "TA-051 is not judged, and should not"]),
        ({"TA-050": "fail", "TA-051": "fail", "SP-010": "fail"}, ["SP-010 fails, and should not"]),
    ],
)
def test_a_difference_is_told_in_both_directions(verdicts: dict[str, str], told: list[str]) -> None:
    """What is too much, what is too little, and an own requirement that did not fail by assertion."""
    fault = "TA-050/last-policy-wins"
    committed = kills.Kills({fault: Kill(frozenset({"TA-051"}), chance=frozenset({"TA-054"}))})
    found = list(kills.differences(Result(fault, 1, verdicts=verdicts), committed))
    assert len(found) == len(told)
    assert all(part in line for part, line in zip(told, found, strict=True))


def test_what_only_some_runs_saw_is_chance() -> None:
    """Of several seeds."""
    fault = "TA-050/last-policy-wins"
    one = Result(fault, 1, verdicts={"TA-050": "fail", "TA-051": "fail", "TA-052": "fail"})
    two = Result(fault, 1, verdicts={"TA-050": "fail", "TA-051": "fail", "TA-053": "blocked"})
    assert Kill.seen([one, two]) == Kill(frozenset({"TA-051"}), frozenset(), frozenset({"TA-052", "TA-053"}))
