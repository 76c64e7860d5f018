"""`mesh`: what it prints, what it asks, and how it ends; the cluster is the model's API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from selftest.unit.cli.conftest import Command
from smi_conformance.cli import mesh
from smi_conformance.cluster import reaper
from smi_conformance.cluster.journal import Unrecorded
from smi_conformance.cluster.model.backend import ModelBackend
from smi_conformance.cluster.model.cluster import ModelCluster
from smi_conformance.meshes import crds
from smi_conformance.meshes.profile import load


class NoReaper:
    """Stands in for the process that cleans up after one that was killed."""

    def __init__(self, *_: object) -> None:
        pass

    def dismiss(self) -> None:
        """There is nothing to be ended."""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelCluster]:
    """The cluster that every command reaches."""
    backend = ModelBackend(load("osm").onboarding, "deny")
    made = backend.cluster(Unrecorded())
    monkeypatch.setattr(mesh, "_cluster", lambda kubeconfig, context: made)
    monkeypatch.setattr(reaper, "Reaper", NoReaper)
    yield made
    backend.close()


def test_list_tells_how_far_each_profile_was_tried(command: Command) -> None:
    """One line each; what never ran is unverified."""
    code, out, _ = command("mesh", "list")
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert code == 0
    assert "unverified" in lines["osm"]
    assert "run: embedded lab" in lines["reference"]
    assert command("list", "--meshes")[1] == out


def test_show_prints_the_profile(command: Command) -> None:
    """In sections, with reasons and links."""
    code, out, _ = command("mesh", "show", "osm")
    assert code == 0
    assert "\nclaims\n  access v1alpha3; specs v1alpha4; split v1alpha2\n" in out
    assert "  access.udp: none (there is no UDPRoute, and only TCP is intercepted)\n" in out
    assert "https://github.com/openservicemesh/osm/issues/5297" in out
    assert "sha256:6a072c797c90fe53effaa9b7d6712aadb74ddaa40186a2dad31bf3b5983083fa" in out


def test_dry_run_prints_the_commands(command: Command) -> None:
    """For the posture that is asked for; nothing is fetched, and no cluster is reached."""
    code, out, _ = command("mesh", "install", "osm", "--dry-run", "--posture", "permissive")
    assert code == 0
    assert out.splitlines()[0] == "# <chart> is chart osm 1.2.4 of https://openservicemesh.github.io/osm"
    assert out.splitlines()[1].startswith("helm upgrade --install osm '<chart>' ")
    assert "osm.enablePermissiveTrafficPolicy=true" in out


def test_dry_run_on_the_server(command: Command, cluster: ModelCluster) -> None:
    """1 while something could not be tried, 0 when everything was accepted."""
    assert command("mesh", "install", "osm", "--dry-run=server")[:2][0] == 1
    for definition in crds.of(load("osm")):
        cluster.apply(definition)
    code, out, _ = command("mesh", "install", "osm", "--dry-run=server")
    assert (code, out.splitlines()[-1]) == (0, "11 accepted, 0 refused, 0 not tried")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("install", "linkerd"),
            "nobody has said the checksum of linkerd (command linkerd stable-2.14.10): give --checksum",
        ),
        (("install", "app-mesh"), "is not installed by the suite: App Mesh never had SMI"),
        (("install", "osm", "--dry-run=twice"), "unknown --dry-run 'twice'; known: client, server"),
        (("install", "osm", "--posture", "open"), "unknown posture 'open'; known: deny, permissive"),
        (("install", "osm", "--lock", "absent"), "absent is no lock file of a mesh"),
        (("lock", "reference"), "is installed from nothing that would have to be fetched"),
        (("show", "osmm"), "unknown mesh 'osmm': did you mean osm?"),
        (("show", "./absent.yaml"), "cannot be read"),
        (("uninstall", "kuma"), "is not installed by the suite"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    command: Command, cluster: ModelCluster, words: tuple[str, ...], told: str
) -> None:
    """And exit 2."""
    code, _, err = command("mesh", *words)
    assert (code, err.count("\n")) == (2, 1)
    assert told in err


def test_what_an_installation_needs_is_looked_for_first(command: Command, cluster: ModelCluster) -> None:
    """Before anything is fetched."""
    code, _, err = command("mesh", "install", "istio-adapter")
    assert code == 2
    assert "there is no CustomResourceDefinition virtualservices.networking.istio.io: install Istio 1.5.10" in err


def test_uninstall_asks(command: Command, cluster: ModelCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lists what goes, and goes on only with --yes where nobody can answer."""
    for definition in crds.of(load("linkerd-builtin")):
        cluster.apply(definition)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    listed = [
        "Linkerd with its own TrafficSplit: 1 objects",
        "  CustomResourceDefinition trafficsplits.split.smi-spec.io",
    ]
    code, out, err = command("mesh", "uninstall", "linkerd-builtin")
    assert (code, out.splitlines()[:2], "give --yes" in err) == (2, listed, True)
    assert command("mesh", "uninstall", "linkerd-builtin", "--dry-run")[0] == 0
    assert "1 objects" in command("mesh", "uninstall", "linkerd-builtin", "--yes")[1]
    assert (
        command("mesh", "uninstall", "linkerd-builtin", "--yes")[1] == "Linkerd with its own TrafficSplit: 0 objects\n"
    )


def test_uninstall_can_leave_the_smi_resources(command: Command, cluster: ModelCluster) -> None:
    """For another mesh."""
    for definition in crds.of(load("linkerd-builtin")):
        cluster.apply(definition)
    assert "0 objects" in command("mesh", "uninstall", "linkerd-builtin", "--yes", "--keep-crds")[1]


def test_verify_names_what_is_not_so(command: Command, cluster: ModelCluster) -> None:
    """1 with a problem, 0 without."""
    code, out, _ = command("mesh", "verify", "osm")
    assert (code, out.splitlines()[-1]) == (1, "Open Service Mesh: 9 problems found")
    for definition in crds.stable():
        cluster.apply(definition)
    code, out, _ = command("mesh", "verify", "none")
    assert (code, out.splitlines()[-2:]) == (
        0,
        ["ok       canary pod: ready, with workload", "no mesh (null control) is running"],
    )


def test_lock_says_where_the_checksums_are(command: Command, tmp_path: Path) -> None:
    """And what to do with them; here there is no helm to fetch the chart."""
    code, _, err = command("mesh", "lock", "linkerd", "--output", str(tmp_path / "x"))
    assert code in (2, 3)
    assert "linkerd is not on the PATH" in err
