"""Profiles: checked on loading, with one line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from smi_conformance.cluster.model.switchboard import faults
from smi_conformance.lab.mesh.faults import FAULTS
from smi_conformance.locations import REGISTER
from smi_conformance.meshes.install import faults_of
from smi_conformance.meshes.profile import ProfileError, available, load
from smi_conformance.model.register import load_register

MINE = "name: mine\ntitle: My mesh\nversion: '1'\nclaims: {access: v1alpha3}\n"


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_built_in_profiles_name_features_of_the_register() -> None:
    """A feature that the register does not know would never be looked up."""
    known = load_register(REGISTER).features
    assert all(set(profile.features) <= set(known) for profile in available())


def test_partial_and_absent_features_have_reasons() -> None:
    """Whoever declares less than full says why."""
    claims = [feature for profile in available() for feature in profile.features.values()]
    assert all(feature.reason for feature in claims if feature.claim != "full")


def test_profile_from_a_file(tmp_path: Path) -> None:
    """The least that a profile needs."""
    assert load(write(tmp_path, MINE)).title == "My mesh"


def test_images_and_resources_of_a_mesh(tmp_path: Path) -> None:
    """Told in the profile, for what has to be there before a run."""
    mine = MINE + "images: ['docker.io/library/nats:2.9-alpine']\ncrds: {traffictargets.access.smi-spec.io: v1alpha3}\n"
    profile = load(write(tmp_path, mine))
    assert profile.images == ["docker.io/library/nats:2.9-alpine"]
    assert profile.crds == {"traffictargets.access.smi-spec.io": ("v1alpha3",)}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{]", "no YAML"),
        ("name: mine", "title"),
        (MINE + "colour: red\n", "colour"),
        (MINE.replace("name: mine", "name: My Mesh"), "name"),
        (MINE + "features: {access.http: {claim: maybe}}\n", "claim"),
    ],
)
def test_bad_profiles_name_the_place(tmp_path: Path, text: str, word: str) -> None:
    """The message names the field."""
    with pytest.raises(ProfileError, match=word):
        load(write(tmp_path, text))


def test_unknown_name_lists_the_known_ones() -> None:
    """A typing error."""
    with pytest.raises(ProfileError, match=r"known: app-mesh, consul-adapter, .*reference"):
        load("istoi")


def test_only_our_own_meshes_can_be_broken() -> None:
    """Fault switches belong to the mesh that has them."""
    switches = {profile.name: faults_of(profile) for profile in available()}
    assert {name: known for name, known in switches.items() if known} == {"reference": dict(FAULTS), "model": faults()}
