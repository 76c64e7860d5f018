"""The register of requirements."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from smi_conformance.locations import REGISTER
from smi_conformance.model.register import (
    Register,
    RegisterError,
    UnknownRequirement,
    load_register,
)
from smi_conformance.model.versions import BASELINE, COMPATIBLE, VERSIONS, api_version, at_least


@pytest.fixture(scope="module")
def register() -> Register:
    return load_register(REGISTER)


def test_counts_are_those_of_the_head_of_the_file(register: Register) -> None:
    """What the file says of itself is what was read."""
    entries = register.requirements
    core, faults, readings = (
        sum(one.core for one in entries),
        sum(len(one.faults) for one in entries),
        sum(len(one.readings) for one in entries),
    )
    levels = Counter(one.level for one in entries)

    head = REGISTER.read_text().split("# Baseline")[0]
    assert f"entries {len(entries)}; core {core}; faults {faults}; readings {readings}" in head
    assert f"must {levels['must']}, should {levels['should']}, may {levels['may']}" in head


def test_entries_keep_to_their_own_rules(register: Register) -> None:
    """Versions are known, faults refer to entries, only may-entries have readings."""
    for one in register.requirements:
        assert set(one.versions) <= set(VERSIONS[one.group])
        assert (one.level == "may") == bool(one.readings)
        assert len({fault.id for fault in one.faults}) == len(one.faults)
        for fault in one.faults:
            assert all(register.get(other) for other in fault.also_fails)


def test_find_takes_ids_globs_and_features(register: Register) -> None:
    """A pattern is an id, a glob over ids in any case, or over features."""
    assert [one.id for one in register.find("SP-010")] == ["SP-010"]
    assert {one.id for one in register.find("sp-01*")} >= {"SP-010", "SP-013"}
    assert {one.feature for one in register.find("specs.http.*")} == {
        "specs.http.path",
        "specs.http.method",
        "specs.http.header",
    }


@pytest.mark.parametrize(("typo", "meant"), [("SP-01O", "SP-010"), ("split.htpt", "split.http")])
def test_unknown_names_get_advice(register: Register, typo: str, meant: str) -> None:
    """What is not found is answered with what is near."""
    with pytest.raises(UnknownRequirement, match=f"did you mean.*{meant}"):
        register.find(typo)


def test_fault_addresses(register: Register) -> None:
    """A fault is named by requirement and slug."""
    requirement, fault = register.fault("API-010/cluster-scoped")

    assert (requirement.id, fault.where) == ("API-010", "api")
    with pytest.raises(UnknownRequirement, match="cluster-scoped"):
        register.fault("API-010/cluster-scope")


def test_profiles_hold_known_features_and_core_musts(register: Register) -> None:
    """No certification profile is empty or refers to a feature that does not exist."""
    for name, features in register.profiles.items():
        assert features <= set(register.features)
        group = "metrics" if name == "METRICS" else name.split("-")[0].lower()
        here = [one for one in register.requirements if one.feature in features and BASELINE[group] in one.versions]
        assert any(one.core and one.level == "must" for one in here)


def test_what_stands_outside_the_score(register: Register) -> None:
    """An unreleased version is tentative, whatever the state of the entry."""
    settled = register.get("API-010")

    assert not settled.tentative("v1alpha3")
    assert settled.tentative("v1alpha4")
    assert register.get("API-062").tentative("v1alpha3")


@pytest.mark.parametrize("content", ["[1", "a: 1", "requirements: [{id: X}]\nfeatures: {}\nspec: {commit: c}", "3"])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    """A file that is no register is named in the error."""
    path = tmp_path / "requirements.yaml"
    path.write_text(content)

    with pytest.raises(RegisterError, match=str(path)):
        load_register(path)


def test_versions() -> None:
    """Versions are ordered, and pairs of them known."""
    assert at_least("access", "v1alpha3", "v1alpha2")
    assert not at_least("split", "v1alpha2", "v1alpha3")
    assert api_version("split", "v1alpha4") == "split.smi-spec.io/v1alpha4"
    assert BASELINE["specs"] in COMPATIBLE["access", BASELINE["access"]]
    with pytest.raises(ValueError, match=r"no version access v1: access has v1alpha1, v1alpha2, v1alpha3, v1alpha4$"):
        at_least("access", "v1", "v1alpha1")
    with pytest.raises(ValueError, match=r"no version mesh v1alpha1: groups are access, specs, split, metrics$"):
        api_version("mesh", "v1alpha1")
