"""Reading a register from a file: every field of an entry, and what makes a file none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from smi_conformance.model.register import (
    PROFILES,
    Fault,
    Reading,
    RegisterError,
    Requirement,
    UnknownRequirement,
    load_register,
)

ENTRY = {
    **{"id": "SP-010", "area": "split", "group": "split", "versions": ["v1alpha3", "v1alpha4"], "level": "must"},
    **{"ground": "text", "state": "settled", "posture": "any", "feature": "split.http", "core": True},
    **{"clause": "4.1", "statement": "Weights count.", "observe": "Send."},
}
FAULTS = [
    {"id": "even", "fault": "all the same", "where": "proxy", "also_fails": ["SP-011"]},
    {"id": "swapped", "fault": "the other way round", "where": "controller"},
]
FEATURES = {"split.http": "HTTP", "split.tcp": "TCP"}


def written(path: Path, *entries: dict[str, Any], **changes: Any) -> Path:
    """A register with these entries."""
    content = {"requirements": list(entries), "features": FEATURES, "spec": {"commit": "c0ffee"}, **changes}
    path.write_text(yaml.safe_dump(content))
    return path


def test_every_field_of_an_entry_is_read(tmp_path: Path) -> None:
    """With its faults and readings; what is left out is empty."""
    readings = [{"id": "first", "meaning": "The first acts."}]
    noted = {"meaning": "m", "differs_how": "d", "quote_at": "q", "quote_sha256": "0", "notes": "n"}
    second = {**ENTRY, "id": "SP-011", "readings": readings, **noted}
    register = load_register(written(tmp_path / "r.yaml", {**ENTRY, "faults": FAULTS}, second))

    one, other = register.requirements
    same = {**ENTRY, "versions": ("v1alpha3", "v1alpha4")}
    assert one == Requirement(
        **same,  # type: ignore[arg-type]
        faults=(
            Fault("even", "all the same", "proxy", ("SP-011",)),
            Fault("swapped", "the other way round", "controller"),
        ),
    )
    assert (one.faults[1].also_fails, one.readings, one.notes, one.meaning) == ((), (), "", None)
    assert (other.readings, other.notes, other.quote_at) == ((Reading("first", "The first acts."),), "n", "q")
    assert (register.features, register.spec_commit, register.profiles) == (FEATURES, "c0ffee", PROFILES)
    assert len(register.sha256) == 64


def test_requirements_and_faults_are_found(tmp_path: Path) -> None:
    """By id, by a glob over ids in any case, or over features; a fault by the id and its own."""
    tcp = {**ENTRY, "id": "TC-020", "feature": "split.tcp"}
    register = load_register(written(tmp_path / "r.yaml", {**ENTRY, "faults": FAULTS}, {**ENTRY, "id": "SP-011"}, tcp))

    assert register.get("SP-011") == register.requirements[1]
    assert [one.id for one in register.find("sp-*")] == ["SP-010", "SP-011"]
    assert [one.id for one in register.find("split.t*")] == ["TC-020"]
    assert register.fault("SP-010/swapped") == (register.requirements[0], register.requirements[0].faults[1])


def test_what_is_not_found_gets_advice(tmp_path: Path) -> None:
    """Up to three names that are near, first those that begin alike; none where nothing is."""
    ids = ["SP-010", "SP-011", "SP-012", "SP-013", "AP-010"]
    register = load_register(written(tmp_path / "r.yaml", *({**ENTRY, "id": one, "faults": FAULTS} for one in ids)))

    with pytest.raises(UnknownRequirement, match=r"^no requirement 'sp-01'; did you mean SP-010 or SP-011 or SP-012\?"):
        register.get("sp-01")
    with pytest.raises(UnknownRequirement, match=r"^no requirement 'split.htp'; did you mean split\.http"):
        register.find("split.htp")
    with pytest.raises(UnknownRequirement, match=r"^no requirement 'zzz'$"):
        register.find("zzz")
    with pytest.raises(UnknownRequirement, match=r"^SP-010 has no fault 'evn'; did you mean even\?"):
        register.fault("SP-010/evn")
    with pytest.raises(UnknownRequirement, match=r"^SP-010 has no fault ''$"):
        register.fault("SP-010")
    with pytest.raises(UnknownRequirement, match="no requirement 'SP-099'"):
        register.fault("SP-099/even")


def test_ids_are_used_once_and_features_are_known(tmp_path: Path) -> None:
    """Either is told with the file."""
    twice = written(tmp_path / "twice.yaml", ENTRY, {**ENTRY, "id": "SP-011"}, ENTRY)
    with pytest.raises(RegisterError, match=r"twice\.yaml: ids used twice: \['SP-010'\]; unknown features: \[\]$"):
        load_register(twice)
    unknown = written(tmp_path / "odd.yaml", ENTRY, {**ENTRY, "id": "SP-011", "feature": "split.odd"})
    with pytest.raises(RegisterError, match=r"odd\.yaml: ids used twice: \[\]; unknown features: \['split\.odd'\]$"):
        load_register(unknown)


@pytest.mark.parametrize(
    ("entry", "said"), [({**ENTRY, "colour": "red"}, "TypeError: .*colour"), ({"id": "SP-010"}, "KeyError: 'versions'")]
)
def test_an_entry_that_is_none(tmp_path: Path, entry: dict[str, Any], said: str) -> None:
    """What is wrong with it is said with the file."""
    with pytest.raises(RegisterError, match=rf"r\.yaml is no register: {said}"):
        load_register(written(tmp_path / "r.yaml", entry))
