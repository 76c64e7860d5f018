"""At which versions a scenario judges what."""

from __future__ import annotations

import pytest

from smi_conformance.judge.verdict import Blocked
from smi_conformance.locations import REGISTER
from smi_conformance.model.register import load_register
from smi_conformance.model.versions import selected
from smi_conformance.plugin.judging import Judging, judging, require_served, served_versions
from smi_conformance.plugin.outcome import Unsupported
from smi_conformance.plugin.scenario import Scenario

REGISTERED = load_register(REGISTER)
SAME = "TA-010"  # at all four versions of access, with the same meaning
SPECS = "TS-010"  # at all four versions of specs


def at(version: str, *ids: str, api: tuple[str, ...] = ("all",), **served: tuple[str, ...]) -> Judging:
    """A scenario of these requirements at a version of the first one."""
    scenario = Scenario(f"test_x[{version}]", "t", ids or (SAME,), version=version)
    return judging(scenario, REGISTERED, selected(api), served)


def evidence(plan: Judging) -> list[tuple[str, str, str | None]]:
    """The rows."""
    return [(row.id, row.version, row.evidence_at) for row in plan.rows]


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2", "v1alpha4"])
def test_versions_of_one_meaning_share_the_evidence_of_the_stable_one(version: str) -> None:
    """They are checked lightly, and name where the full evidence is."""
    plan = at(version)
    assert (plan.light, evidence(plan)) == (True, [(SAME, version, "v1alpha3")])


@pytest.mark.parametrize(
    ("version", "api", "served"),
    [
        ("v1alpha3", ("all",), ()),
        ("v1alpha2", ("access=v1alpha2,v1alpha4",), ()),
        ("v1alpha2", ("all",), ("v1alpha1", "v1alpha2")),
    ],
)
def test_the_best_of_what_is_judged_carries_the_full_evidence(
    version: str, api: tuple[str, ...], served: tuple[str, ...]
) -> None:
    """The stable version; where the run or the cluster does not have it, the newest released one."""
    plan = at(version, api=api, **({"access": served} if served else {}))
    assert (plan.light, evidence(plan)) == (False, [(SAME, version, None)])


def test_a_limited_scenario_carries_its_own_evidence() -> None:
    """What runs at older versions only has no fuller sibling."""
    scenario = Scenario("test_x[v1alpha2]", "t", (SAME,), version="v1alpha2", versions=("v1alpha1", "v1alpha2"))
    assert not judging(scenario, REGISTERED, selected(["all"]), {}).light


def test_versions_that_differ_are_judged_in_full() -> None:
    """Each needs its own evidence."""
    differs = next(one for one in REGISTERED.requirements if one.meaning == "differs" and one.group == "access")
    assert not any(at(version, differs.id).light for version in differs.versions)


def test_requirements_of_another_group_are_judged_at_the_version_that_goes_with_it() -> None:
    """Once: access v1alpha4 goes with specs v1alpha4 too, which access v1alpha3 is already there for."""
    assert evidence(at("v1alpha2", SAME, SPECS))[1] == (SPECS, "v1alpha3", "v1alpha4")
    assert evidence(at("v1alpha3", SAME, SPECS))[1] == (SPECS, "v1alpha4", None)
    assert evidence(at("v1alpha4", SAME, SPECS)) == [(SAME, "v1alpha4", "v1alpha3")]


def test_a_name_is_the_same_at_every_version() -> None:
    """A node id without its version."""
    cases = {"test_x[v1alpha2]": "test_x", "test_x[v1alpha2-a-b]": "test_x[a-b]"}
    assert {Scenario(one, "t", (SAME,), version="v1alpha2").name for one in cases} == set(cases.values())


CLAIMS = {"access": ("v1alpha2", "v1alpha3")}
SERVED = {"access": ("v1alpha3", "v1alpha4")}


def test_a_version_that_is_served_is_judged() -> None:
    """Claimed or not; and where nothing is known of what is served."""
    for version in ("v1alpha3", "v1alpha4"):
        require_served(REGISTERED.get(SAME), version, SERVED, CLAIMS)
    require_served(REGISTERED.get(SAME), "v1alpha1", {}, {})


def test_neither_claimed_nor_served_is_unsupported() -> None:
    """With the reason."""
    with pytest.raises(Unsupported, match="does not claim access v1alpha1, and the cluster does not serve it"):
        require_served(REGISTERED.get(SAME), "v1alpha1", SERVED, CLAIMS)


def test_claimed_and_not_served_blocks_all_but_the_requirement_to_serve() -> None:
    """That one is judged, and fails."""
    require_served(REGISTERED.get("API-010"), "v1alpha2", SERVED, CLAIMS)
    with pytest.raises(Blocked, match="blocked by API-010: access v1alpha2 is claimed and not served"):
        require_served(REGISTERED.get(SAME), "v1alpha2", SERVED, CLAIMS)


def test_what_is_served_is_read_from_the_start_of_a_run() -> None:
    """So that a recorded run is judged at the same versions again."""
    crds = [{"name": "traffictargets.access.smi-spec.io", "versions": ["v1alpha2"], "sha256": "0"}]
    assert served_versions({"cluster": {"crds": crds}})["access"] == ("v1alpha2",)
    assert served_versions({}) == {}
