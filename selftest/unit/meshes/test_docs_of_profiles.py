"""What the docs say of profiles is so."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from smi_conformance.cli import profiles
from smi_conformance.locations import SUITE
from smi_conformance.meshes import setup
from smi_conformance.meshes.profile import Profile, available, load
from smi_conformance.plugin.settings import RunOptions

DOCS = SUITE / "docs"


def between(page: str, first: str, last: str = "<!-- end -->") -> str:
    """The part of a page between two marks."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return text.split(f"{first}\n", 1)[1].split(last, 1)[0]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The profile of docs/add-a-profile.md, as a file."""
    path = tmp_path / "my-mesh.yaml"
    path.write_text(textwrap.dedent(between("add-a-profile.md", "<!-- example -->")))
    return path


def test_the_table_of_meshes_is_that_of_the_profiles() -> None:
    """After a change: smi-conformance mesh list --markdown."""
    assert between("meshes.md", "<!-- profiles -->") == profiles.markdown()


def test_every_profile_is_spoken_of() -> None:
    """In the written part, but for our own."""
    text = (DOCS / "meshes.md").read_text(encoding="utf-8").split("<!-- end -->")[1]
    assert [one.name for one in available() if one.role != "control" and f"`{one.name}`" not in text] == []


def test_the_example_can_be_used(example: Path) -> None:
    """It is loaded, and has the versions and commands that the text promises."""
    assert RunOptions(mesh=str(example), cluster="model").checked().versions["split"] == ("v1alpha4",)
    assert setup.commands(load(str(example)), "permissive")[-1] == (
        "helm upgrade --install my-mesh '<chart>' --namespace my-system --create-namespace --set default=allow --wait"
    )


def test_the_example_shows_every_field_that_a_profile_needs(example: Path) -> None:
    """All but the few that are for meshes of a special kind."""
    special = {
        "role",
        "cannot_run",
        "trust_domain",
        "metrics",
        "daemonsets",
        "statefulsets",
        "apiservices",
        "installer",
        "enforces_access",
    }
    assert set(Profile.model_fields) - load(str(example)).model_fields_set == special
