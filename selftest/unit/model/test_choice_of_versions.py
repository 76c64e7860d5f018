"""Which versions a run judges, and which ones go together."""

from __future__ import annotations

import pytest

from smi_conformance.model.versions import (
    BASELINE,
    COMPATIBLE,
    JUDGED,
    VERSIONS,
    best,
    companions,
    selected,
    served,
    words,
)

STABLE = {group: (BASELINE[group],) for group in JUDGED}


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ((), {}),
        (("stable",), {}),
        (("access=v1alpha2",), {"access": ("v1alpha2",)}),
        (("access=v1alpha2,v1alpha1", "access=v1alpha4"), {"access": ("v1alpha1", "v1alpha2", "v1alpha4")}),
        (("all",), {group: VERSIONS[group] for group in JUDGED}),
        (("all", "split=v1alpha1"), {**{group: VERSIONS[group] for group in JUDGED}, "split": ("v1alpha1",)}),
    ],
)
def test_what_a_choice_selects(given: tuple[str, ...], changed: dict[str, tuple[str, ...]]) -> None:
    """One group is named and the others stay; the oldest version comes first."""
    assert selected(given) == STABLE | changed


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("latest", "stable, all or GROUP"), ("access=v9", "no version access v9"), ("access=v1=2", "access v1=2:"),
        ("x=v1alpha1", "not 'x=v1alpha1'; groups: access, specs, split$"), ("access=", "stable, all or GROUP"),
        ("access=v1alpha1,", "stable, all or GROUP"),
    ],
)  # fmt: skip
def test_a_choice_that_means_nothing(word: str, told: str) -> None:
    """The error says what can be written."""
    with pytest.raises(ValueError, match=told):
        selected([word])


@pytest.mark.parametrize(
    ("given", "claimed", "access"),
    [
        ((), ["v1alpha2", "v1alpha1"], ("v1alpha1", "v1alpha2")),
        ((), ["v1alpha2", "v1alpha3"], ("v1alpha3",)),
        ((), [], ("v1alpha3",)),
        (("stable",), ["v1alpha2"], ("v1alpha3",)),
        (("split=v1alpha4",), ["v1alpha2"], ("v1alpha2",)),
        (("access=v1alpha1",), ["v1alpha2"], ("v1alpha1",)),
        (("all",), ["v1alpha2"], VERSIONS["access"]),
    ],
)
def test_a_mesh_that_claims_others_than_the_stable_version(
    given: tuple[str, ...], claimed: list[str], access: tuple[str, ...]
) -> None:
    """It is judged at those, unless something is chosen. The groups that it says nothing of are judged as ever."""
    assert selected(given, {"access": claimed})["access"] == access
    if "all" not in given:
        assert selected(given, {"access": claimed}) == {**STABLE, "access": access}


def test_a_choice_can_be_written_again() -> None:
    """A recorded run is repeated at the versions that it had, also one that had a single version of each group."""
    assert selected(words(selected(["all", "access=v1alpha2"]))) == selected(["all", "access=v1alpha2"])
    assert selected(words({"access": "v1alpha2"})) == selected(["access=v1alpha2"])


@pytest.mark.parametrize(("group", "version"), [(group, v) for group in JUDGED for v in VERSIONS[group]])
def test_companions_are_declared_to_work_together(group: str, version: str) -> None:
    """Each access and split version has a specs version that it is compatible with, the stable one where it can."""
    chosen = companions(group, version)
    assert chosen[group] == version
    for other in ("access", "split"):
        assert chosen["specs"] in COMPATIBLE.get((other, chosen[other]), VERSIONS["specs"])


def test_the_stable_versions_go_together() -> None:
    """Whichever group is judged."""
    assert {frozenset(companions(group, BASELINE[group]).items()) for group in JUDGED} == {
        frozenset({("access", "v1alpha3"), ("specs", "v1alpha4"), ("split", "v1alpha4")})
    }


def test_companions_are_served_where_something_is() -> None:
    """The compatible ones of what is served, else what is served at all."""
    assert companions("access", "v1alpha1", {"specs": ["v1alpha1", "v1alpha4"]})["specs"] == "v1alpha1"
    assert companions("split", "v1alpha3", {"specs": ["v1alpha4"]})["specs"] == "v1alpha4"
    assert companions("access", "v1alpha2", {"specs": []})["specs"] == "v1alpha3"


def test_the_best_version_is_the_stable_one_else_the_newest_released() -> None:
    """An unreleased version comes last."""
    assert best("access", VERSIONS["access"]) == "v1alpha3"
    assert best("access", ["v1alpha1", "v1alpha2", "v1alpha4"]) == "v1alpha2"
    assert best("access", ["v1alpha4"]) == "v1alpha4"


def test_served_versions_are_those_of_the_first_kind_of_a_group() -> None:
    """Nothing is known where no such kind is."""
    found = served([("tcproutes.specs.smi-spec.io", ["v1"]), ("trafficsplits.split.smi-spec.io", ["v1alpha2"])])
    assert found == {"access": (), "specs": (), "split": ("v1alpha2",)}
    assert served([("widgets.example.org", ["v1"])]) == {}
