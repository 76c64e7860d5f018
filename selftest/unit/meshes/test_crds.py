"""The resources that a mesh is served with, and what is left of them when the reference mesh goes."""

from __future__ import annotations

from typing import cast

import pytest
import yaml

from smi_conformance.cluster.port import Cluster, Manifest, Ref
from smi_conformance.meshes import crds
from smi_conformance.meshes.install import uninstall
from smi_conformance.meshes.profile import load


class Recorder:
    """A cluster that has certain objects and remembers what is done to it."""

    def __init__(self, *objects: Manifest) -> None:
        self.done: list[tuple[str, str]] = []
        self.applied: list[Manifest] = []
        self._objects = {Ref.of(item): item for item in objects}

    def get(self, ref: Ref) -> Manifest | None:
        return self._objects.get(ref)

    def apply(self, manifest: Manifest) -> None:
        self.applied.append(manifest)
        self.done.append(("apply", manifest["metadata"]["name"]))

    def delete(self, ref: Ref) -> None:
        self.done.append(("delete", ref.name))


def removed(*objects: Manifest) -> Recorder:
    cluster = Recorder(*objects)
    uninstall(cast(Cluster, cluster), load("reference"))
    return cluster


def test_conversion_ends_before_the_mesh_does() -> None:
    """Without the mesh nobody could list what needs conversion."""
    cluster = removed(*crds.every_version(crds.BY_REFERENCE_MESH))
    verbs = [verb for verb, _ in cluster.done]
    assert verbs == sorted(verbs)
    assert {name.partition(".")[0] for verb, name in cluster.done if verb == "apply"} == {
        "traffictargets",
        "httproutegroups",
        "tcproutes",
        "trafficsplits",
    }
    assert all(item["spec"]["conversion"] == {"strategy": "None", "webhook": None} for item in cluster.applied)
    assert all(len(item["spec"]["versions"]) == 1 for item in cluster.applied)


@pytest.mark.parametrize("objects", [[], crds.stable(), crds.every_version({"strategy": "None"})], ids=len)
def test_resources_of_others_stay_as_they_are(objects: list[Manifest]) -> None:
    """Only what names the reference mesh is its own."""
    assert removed(*objects).applied == []


def test_written_for_kubectl() -> None:
    """One document for each definition, none of which refers to another."""
    made = crds.every_version(crds.BY_REFERENCE_MESH)
    text = crds.as_yaml(made)
    assert list(yaml.safe_load_all(text)) == made
    assert "&id" not in text
