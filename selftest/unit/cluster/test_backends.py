"""Backends: names, kubeconfigs."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubernetes import client

from smi_conformance.cluster.backends import UnknownBackend, check_name, connect, reachable
from smi_conformance.cluster.port import ClusterError

SILENT = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


@pytest.mark.parametrize("name", ["embedded", "kind", "kind:mine", "current", "replay:somewhere"])
def test_known_backends(name: str) -> None:
    """What this version has."""
    assert check_name(name) == name.split(":", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("clowd", "known: embedded"),
        ("kind:", "kind:NAME"),
        ("embedded:x", "known: embedded"),
        ("replay:", "replay:DIR"),
    ],
)
def test_unknown_backends_tell_what_to_write(name: str, advice: str) -> None:
    """The message names the way out."""
    with pytest.raises(UnknownBackend, match=advice):
        check_name(name)


@pytest.mark.parametrize("text", ["{]", "- a\n- list", "", "apiVersion: v1\nkind: Config\n"])
def test_kubeconfig_that_is_none(tmp_path: Path, text: str) -> None:
    """One line that names the file, whatever is wrong with it."""
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ClusterError, match=r"kubeconfig .*config") as raised:
        connect(path, None)
    assert "\n" not in str(raised.value)


def test_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    """A missing file."""
    with pytest.raises(ClusterError, match="nowhere"):
        connect(tmp_path / "nowhere", None)


def test_unknown_context(tmp_path: Path) -> None:
    """A context that the file does not hold."""
    path = tmp_path / "config"
    path.write_text(SILENT)
    with pytest.raises(ClusterError, match="other"):
        connect(path, "other")


def test_nobody_answers(tmp_path: Path) -> None:
    """A server that is not there."""
    path = tmp_path / "config"
    path.write_text(SILENT)
    with pytest.raises(ClusterError, match=r"no API server answers at https://127\.0\.0\.1:1"):
        reachable(connect(path, None))


def test_no_proxy_leads_to_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says of proxies: clusters of kind and the lab are on the loopback."""
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    path = tmp_path / "config"
    path.write_text(SILENT)
    assert connect(path, None).configuration.proxy is None
    path.write_text(SILENT.replace("127.0.0.1", "203.0.113.1"))
    assert connect(path, None).configuration.proxy == "http://proxy.example:3128"


def test_a_pod_uses_its_own_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kubeconfig; with one, that one wins."""

    def own(settings: client.Configuration) -> None:
        settings.host = "https://10.0.0.1:443"

    monkeypatch.setattr("kubernetes.config.load_incluster_config", own)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert connect(None, None).configuration.host == "https://10.0.0.1:443"
    path = tmp_path / "config"
    path.write_text(SILENT)
    assert connect(path, None).configuration.host == "https://127.0.0.1:1"
