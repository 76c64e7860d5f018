"""Each profile before any run: which versions are judged with it, how objects look, and what is left out and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fixtures import workload
from fixtures.calls import Destination, host_of
from fixtures.parts import Part
from fixtures.policy import header, udp
from fixtures.writing import written
from selftest.proof.profiles_page import page
from smi_conformance.cluster.workload import Workload
from smi_conformance.locations import REGISTER, SUITE
from smi_conformance.meshes import crds, proof, samples
from smi_conformance.meshes.profile import Profile, available, load
from smi_conformance.model.objects import RouteGroup, Split
from smi_conformance.model.register import load_register
from smi_conformance.model.versions import BASELINE, JUDGED, VERSIONS
from smi_conformance.plugin import catalogue
from smi_conformance.plugin.judging import judging
from smi_conformance.plugin.outcome import Unsupported
from smi_conformance.plugin.scenario import Scenario, requirements_of
from smi_conformance.plugin.settings import RunOptions
from smi_conformance.plugin.worker import Scene

PROFILES = available()
MESHES = [profile for profile in PROFILES if profile.role != "control"]
every = pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)


@pytest.fixture(scope="module")
def scenarios() -> Sequence[Scenario]:
    """All scenarios at all versions; collected once."""
    return catalogue.scenarios()


def options(profile: Profile, **more: Any) -> RunOptions:
    return RunOptions(mesh=profile.name, cluster="model", **more)


@every
def test_the_versions_that_are_claimed_are_judged(profile: Profile, scenarios: Sequence[Scenario]) -> None:
    """The stable one where it is claimed, else those that are; and there are scenarios for each of them."""
    chosen = options(profile).versions
    for group in JUDGED:
        claimed = profile.claims.get(group, ())
        wanted = tuple(claimed) if claimed and BASELINE[group] not in claimed else (BASELINE[group],)
        assert chosen[group] == wanted
    register = load_register(REGISTER)
    judged = {(requirements_of(one, register)[0].group, one.version) for one in scenarios}
    assert {(group, version) for group, few in chosen.items() for version in few} <= judged


@every
def test_the_other_groups_are_written_at_versions_of_the_mesh(profile: Profile, scenarios: Sequence[Scenario]) -> None:
    """Whatever a scenario judges, all of its objects are at versions that the mesh serves, where it serves any."""
    chosen, register = options(profile), load_register(REGISTER)
    there = {group: profile.claims.get(group, ()) for group in JUDGED}
    for scenario in scenarios:
        group = requirements_of(scenario, register)[0].group
        if scenario.version in chosen.versions.get(group, ()) and scenario.version in there.get(group, ()):
            plan = judging(scenario, register, chosen.versions, there)
            assert all(version in there[name] for name, version in plan.versions.items() if there[name]), scenario


def test_words_on_the_command_line_win() -> None:
    """`stable` is the release, whatever is claimed."""
    assert options(load("osm"), api=("stable",)).versions["split"] == ("v1alpha4",)
    assert options(load("osm"), api=("split=v1alpha3",)).versions == {
        "access": ("v1alpha3",),
        "specs": ("v1alpha4",),
        "split": ("v1alpha3",),
    }


@every
def test_the_resources_of_a_mesh_can_be_served(profile: Profile) -> None:
    """At exactly its versions, one of them stored; every claimed version is among them."""
    served = {
        one["metadata"]["name"]: tuple(version["name"] for version in one["spec"]["versions"])
        for one in crds.of(profile)
    }
    assert not profile.crds or {name: set(few) for name, few in served.items()} == {
        name: set(few) for name, few in profile.crds.items()
    }
    assert all(sum(version["storage"] for version in one["spec"]["versions"]) == 1 for one in crds.of(profile))
    for group in JUDGED:
        there = {version for name, few in profile.crds.items() if f".{group}." in name for version in few}
        assert set(profile.claims.get(group, ())) <= there


@every
def test_objects_have_the_shape_of_their_version(profile: Profile) -> None:
    """The fields at the top level in the old layouts, under spec in the new ones."""
    for manifest in samples.objects(profile):
        group, _, version = manifest["apiVersion"].partition(".smi-spec.io/")
        assert version in VERSIONS[group]
        old = (group, version) in {("access", "v1alpha1"), ("specs", "v1alpha1"), ("specs", "v1alpha2")}
        assert ("spec" in manifest) != old, manifest["apiVersion"]


def scene(profile: Profile) -> Scene:
    """A scenario of access control at the versions of a profile."""
    few = {group: found[0] for group, found in options(profile).versions.items()}
    worker: Any = SimpleNamespace(options=options(profile))
    return Scene(worker, "x", ("TA-010",), few)


@pytest.mark.parametrize(
    ("name", "thing", "reason"),
    [
        ("osm", udp(5000), "the profile declares access.udp: none (there is no UDPRoute"),
        ("osm", Split("web", (), ("g",)), "the profile declares split.matches: none (split v1alpha2 has no matches)"),
        ("istio-adapter", RouteGroup((header("x", "y"),)), "specs.http.header: none (specs v1alpha1 has no headers)"),
        ("linkerd", RouteGroup(()), "the profile names no resource HTTPRouteGroup among those of the mesh"),
    ],
)
def test_what_a_mesh_lacks_is_unsupported_with_its_reason(name: str, thing: Any, reason: str) -> None:
    """Before anything is sent to the cluster."""
    with pytest.raises(Unsupported) as found:
        written(scene(load(name)), thing, "x", "y")
    assert reason in str(found.value)


def test_a_version_of_another_group_that_cannot_say_it_is_no_error() -> None:
    """It says which version of which group would have to say what."""
    older = load("osm").model_copy(update={"features": {}})
    worker: Any = SimpleNamespace(options=SimpleNamespace(profile=older, register=load_register(REGISTER)))
    made = Scene(worker, "x", ("TA-010",), {"access": "v1alpha3", "specs": "v1alpha4", "split": "v1alpha2"})
    with pytest.raises(Unsupported, match="more than split has at v1alpha2: matches exist from v1alpha3 on"):
        written(made, Split("web", (), ("g",)), "x", "y")


@every
def test_declared_absences_have_reasons_and_features_are_known(profile: Profile) -> None:
    """A reader of the report sees why something was not judged."""
    known = load_register(REGISTER)
    assert set(profile.features) <= set(known.features)
    assert all(one.reason for one in profile.features.values() if one.claim != "full")
    ids = {entry.id for entry in known.requirements}
    assert {one.requirement for one in profile.deviations} <= ids
    assert all(one.link for one in profile.deviations)


@pytest.mark.parametrize("profile", MESHES, ids=lambda one: one.name)
def test_a_profile_without_a_run_is_unverified(profile: Profile) -> None:
    """It says where its facts are from, and why combinations cannot be brought up any more."""
    assert profile.verified is None
    assert proof.told(profile).startswith("unverified")
    assert profile.sources
    assert profile.combinations
    assert profile.about
    assert profile.installation


# The ways in which meshes differ


def test_services_tell_their_ports_as_the_mesh_wants_it() -> None:
    """By name, by appProtocol, and by annotation."""
    made = workload.service("s", "n", {}, {7100: 7100}, "tcp", told=load("osm").ports)
    port = made["spec"]["ports"][0]
    assert (port["name"], port["appProtocol"]) == ("tcp-server-first-7100", "tcp-server-first")
    made = workload.service("s", "n", {}, {7000: 7000}, "tcp", told=load("traefik-mesh").ports)
    assert made["metadata"]["annotations"] == {"mesh.traefik.io/traffic-type": "tcp"}
    assert made["spec"]["ports"][0]["name"] == "tcp-7000"


def test_clients_call_by_the_names_of_the_mesh() -> None:
    """Also within a namespace."""
    traefik = load("traefik-mesh")
    call = Destination("web", "shop", ()).get()
    assert host_of(call, "shop", traefik.address, traefik.address_elsewhere) == "web.shop.traefik.mesh"
    assert traefik.suffix == ".traefik.mesh"
    assert load("osm").suffix == ""


@pytest.mark.parametrize("profile", MESHES, ids=lambda one: one.name)
def test_pods_join_by_labels_and_annotations(profile: Profile) -> None:
    """Of their namespace, or their own."""
    wants, part = profile.onboarding, Part("c", "sa")
    space = workload.namespace("n", "run", wants.namespace_labels, wants.namespace_annotations)
    assert wants.namespace_labels.items() <= space["metadata"]["labels"].items()
    pod = workload.deployment(part, "n", wants.pod_labels, wants.pod_annotations, Workload())["spec"]["template"]
    assert wants.pod_annotations.items() <= pod["metadata"]["annotations"].items()


# What was proven


def test_the_record_is_of_these_profiles() -> None:
    """After a change: python -m selftest.proof.profiles NAME, with --kubeconfig where there is a cluster."""
    assert [profile.name for profile in PROFILES if "rendered" not in proof.record(profile)] == []


def test_the_page_shows_the_record() -> None:
    """After a change: python -m selftest.proof.profiles --page > docs/proof/profiles.md."""
    path = SUITE / "smi_conformance" / "meshes" / "proof.json"
    made = page(cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8"))), PROFILES)
    assert (SUITE / "docs" / "proof" / "profiles.md").read_text(encoding="utf-8") == made


def test_a_changed_profile_has_no_record() -> None:
    """What was proven was proven of another one."""
    osm = load("osm")
    assert proof.record(osm)
    assert proof.record(osm.model_copy(update={"address": "{svc}.{ns}"})) == {}
    assert proof.record(osm.model_copy(update={"about": "said otherwise"}))
