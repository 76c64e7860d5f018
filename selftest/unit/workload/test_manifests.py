"""The manifests of the cast: what Kubernetes and the strictest of meshes ask of them."""

from __future__ import annotations

import json
import re
from itertools import chain

import pytest
import yaml

from fixtures import cast, roles, split, workload
from fixtures.parts import GROUPS, NEEDS, NO_ACCOUNT, Part
from smi_conformance.cluster.workload import Workload
from smi_conformance.locations import WORKLOAD

PARTS = list(chain.from_iterable(GROUPS.values()))
DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")


def test_names_are_unique_and_short() -> None:
    """A part is found by its name alone; Services have at most 20 characters."""
    names = [part.name for part in PARTS]
    services = [f"{part.name}-tcp" for part in PARTS]

    assert len(names) == len(set(names))
    assert all(DNS_LABEL.fullmatch(name) and len(name) <= 20 for name in names + services)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_ports_of_a_pod(part: Part) -> None:
    """Each has a name of its own, and the program listens on all of them."""
    pod = workload.deployment(part, "ns", {}, {}, Workload())["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    names = [port["name"] for port in container["ports"]]
    listening = {int(port) for word in container["command"] if word[0].isdigit() for port in word.split(",")}

    assert len(names) == len(set(names))
    assert all(DNS_LABEL.fullmatch(name) and len(name) <= 15 for name in names)
    assert {port["containerPort"] for port in container["ports"]} == listening - set(part.hidden)
    assert (pod["serviceAccountName"] is None) == (part.account == NO_ACCOUNT)


def test_one_protocol_per_service() -> None:
    """Some meshes take no other."""
    made = workload.service("web", "ns", {"app": "web"}, {9000: 9000, 9001: "named"}, "udp", names={9001: "other"})
    ports = [[p["name"], p["port"], p["targetPort"], p["protocol"], p["appProtocol"]] for p in made["spec"]["ports"]]

    assert ports == [["udp-9000", 9000, 9000, "UDP", "udp"], ["other", 9001, "named", "UDP", "udp"]]
    assert "clusterIP" not in made["spec"]
    assert workload.service("web", "ns", {}, {80: 80}, headless=True)["spec"]["clusterIP"] == "None"


def test_every_group_is_asked_for_by_a_fixture() -> None:
    """And every fixture that asks for one exists."""
    known = {name for module in (cast, roles, split) for name in vars(module)}

    assert set(chain.from_iterable(NEEDS.values())) == set(GROUPS)
    assert set(NEEDS) <= known


def test_the_program_fits_into_a_configmap() -> None:
    """With its library; and by hand a person deploys the same sources."""
    made = workload.program("ns")
    listed = yaml.safe_load((WORKLOAD / "kustomization.yaml").read_text())["configMapGenerator"][0]["files"]

    assert len(json.dumps(made)) < 1 << 19
    assert sorted(made["data"]) == sorted(listed) == sorted(path.name for path in WORKLOAD.glob("*.py"))
