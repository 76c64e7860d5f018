"""The switches, against the register of requirements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from selftest.lab.mesh.objects_for_tests import representative, split, state
from smi_conformance.lab.mesh.faults import FAULTS, NOT_SWITCHABLE, Switches
from smi_conformance.lab.mesh.generator import generate
from smi_conformance.lab.mesh.model import State

REGISTER = Path(__file__).parents[3] / "conformance" / "requirements.yaml"


@pytest.fixture(scope="module")
def slugs() -> set[str]:
    """All faults of the register."""
    entries = yaml.safe_load(REGISTER.read_text())["requirements"]
    return {f"{entry['id']}/{fault['id']}" for entry in entries for fault in entry.get("faults", [])}


def test_every_switch_is_in_the_register(slugs: set[str]) -> None:
    assert FAULTS.keys() <= slugs
    assert not FAULTS.keys() & NOT_SWITCHABLE.keys()


def test_a_requirement_has_all_its_switches_or_a_reason(slugs: set[str]) -> None:
    begun = {name.partition("/")[0] for name in FAULTS}
    assert {slug for slug in slugs if slug.partition("/")[0] in begun} == FAULTS.keys() | NOT_SWITCHABLE.keys()


def test_no_switch_leaves_the_mesh_sound() -> None:
    assert generate(representative(), Switches()) == generate(representative(), Switches([]))


def weights(switches: Switches, seen: State) -> list[int]:
    return [backend.weight for backend in switches.state(seen).splits[0].backends]


def one_split(**given: int) -> State:
    return state(trafficsplits=[split("s", "web", {f"web-{name}": weight for name, weight in given.items()})])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("SP-010/weights-ignored", [1, 1, 1]),
        ("SP-010/weights-swapped", [0, 10, 90]),
        ("SP-010/heaviest-takes-all", [90, 0, 0]),
        ("SP-010/five-points-off", [8500, 1500, 0]),
        ("SP-013/zero-read-as-one", [90, 10, 90]),
        ("SP-013/one-percent-to-zero", [891000, 99000, 10000]),
    ],
)
def test_weights(fault: str, expected: list[int]) -> None:
    assert weights(Switches([fault]), one_split(v1=90, v2=10, v3=0)) == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("SP-032/first-weights-kept", [[1, 2], [1, 2], [1, 2]]),
        ("SP-032/one-update-behind", [[1, 2], [1, 2], [3, 4]]),
        ("SP-013/zero-keeps-old-share", [[1, 2], [3, 4], [3, 6]]),
    ],
)
def test_switches_that_remember(fault: str, expected: list[list[int]]) -> None:
    switches = Switches([fault])
    seen = [one_split(v1=1, v2=2), one_split(v1=3, v2=4), one_split(v1=0, v2=6)]
    assert [weights(switches, one) for one in seen] == expected


def test_memory_stays_when_another_switch_is_turned() -> None:
    switches = Switches(["SP-032/needs-recreate"])
    weights(switches, one_split(v1=1, v2=2))
    more = Switches(["SP-032/needs-recreate", "SP-020/fqdn-only"], switches)
    assert weights(more, one_split(v1=3, v2=4)) == [1, 2]


def test_denial_ends_with_the_last_target() -> None:
    switches = Switches(["TA-010/last-delete-reopens"])
    empty = replace(representative(), targets=())
    assert [switches.state(one).posture for one in (empty, representative(), empty)] == ["deny", "deny", "permissive"]
