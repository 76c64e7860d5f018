"""The CustomResourceDefinitions of SMI: one file for each version of a group, put together as a mesh serves them.

`python -m smi_conformance.meshes.crds | kubectl apply -f -` serves every version, for the reference mesh; with the name
of a profile, what its mesh brings.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Collection, Iterable, Mapping
from functools import cache

import yaml

from smi_conformance.cluster.port import Manifest
from smi_conformance.locations import CRDS
from smi_conformance.meshes.profile import Profile, load
from smi_conformance.model.versions import BASELINE, VERSIONS

#: The versions differ in layout, so somebody has to convert objects: the control plane of the reference mesh, which
#: puts the CA of its certificate beside this itself.
BY_REFERENCE_MESH: Manifest = {
    "strategy": "Webhook",
    "webhook": {
        "conversionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "smi-reference", "name": "control-plane", "path": "/convert"}},
    },
}


def stable() -> list[Manifest]:
    """Only the stable version of each group; needs no conversion."""
    return _documents("stable")


def every_version(conversion: Manifest) -> list[Manifest]:
    """All versions, objects stored in the stable one of their group; `conversion` is the field of that name."""
    made: dict[str, Manifest] = {}
    for group in ("access", "specs", "split"):
        for version in VERSIONS[group]:
            for definition in _documents(f"{group}-{version}"):
                known = made.setdefault(definition["metadata"]["name"], definition)
                if known is not definition:
                    known["spec"]["versions"] += definition["spec"]["versions"]
    return [_served(definition, conversion) for definition in made.values()]


def of(profile: Profile) -> list[Manifest]:
    """The definitions that a mesh comes with, at its versions; for a profile that names none, by what it claims."""
    if profile.installer == "reference":
        return every_version(BY_REFERENCE_MESH)
    if profile.installer == "model":
        return every_version({"strategy": "None"})
    made = {definition["metadata"]["name"]: definition for definition in every_version({"strategy": "None"})}
    wanted = profile.crds or _by_claims(made, profile.claims)
    return [_cut(made[name], versions) for name, versions in wanted.items()]


def _by_claims(made: Mapping[str, Manifest], claims: Mapping[str, Collection[str]]) -> dict[str, Collection[str]]:
    groups = {name: claims.get(definition["spec"]["group"].partition(".")[0], ()) for name, definition in made.items()}
    there = {name: {one["name"] for one in definition["spec"]["versions"]} for name, definition in made.items()}
    return {name: versions for name, versions in groups.items() if there[name] & set(versions)}


def _cut(definition: Manifest, versions: Collection[str]) -> Manifest:
    definition["spec"]["versions"] = [one for one in definition["spec"]["versions"] if one["name"] in versions]
    return _served(definition, {"strategy": "None"})


def _served(definition: Manifest, conversion: Manifest) -> Manifest:
    spec = definition["spec"]
    names = [version["name"] for version in spec["versions"]]
    wanted = BASELINE[spec["group"].partition(".")[0]]
    stored = wanted if wanted in names else names[-1]
    for version in spec["versions"]:
        version["storage"] = version["name"] == stored
    if len(names) > 1:
        spec["conversion"] = conversion
    return definition


def converted_by_reference_mesh(definition: Manifest) -> bool:
    """Whether a definition, as the cluster has it, needs the reference mesh."""
    webhook = definition["spec"].get("conversion", {}).get("webhook") or {}
    service = webhook.get("clientConfig", {}).get("service") or {}
    return bool(service.get("namespace") == "smi-reference")


def without_conversion(definition: Manifest) -> Manifest:
    """As a merge patch, a definition that takes back what `every_version` set."""
    conversion = {"strategy": "None", "webhook": None}
    return {**definition, "spec": {**definition["spec"], "conversion": conversion}}


def _documents(name: str) -> list[Manifest]:
    return copy.deepcopy(_parsed(name))


@cache
def _parsed(name: str) -> list[Manifest]:
    """Read once: the parser takes longer than all that is made of a dozen files."""
    return list(yaml.safe_load_all((CRDS / f"{name}.yaml").read_text()))


def as_yaml(definitions: Iterable[Manifest]) -> str:
    """One document for each definition."""
    # Every definition by itself, for what two of them share would become a reference.
    return "---\n".join(yaml.safe_dump(definition, sort_keys=False) for definition in definitions)


if __name__ == "__main__":
    sys.stdout.write(as_yaml(of(load(sys.argv[1] if sys.argv[1:] else "reference"))))
