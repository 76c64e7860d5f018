"""Backends: names, kubeconfigs."""

from __future__ import annotations

from pathlib import Path

import pytest

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


@pytest.mark.parametrize("name", ["embedded", "current", "replay:somewhere"])
def test_known_backends(name: str) -> None:
    """What this version has."""
    assert check_name(name) == name.split(":", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("name", "advice"),
    [("clowd", "known: embedded"), ("kind", "kind create cluster"), ("replay:", "replay:DIR")],
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
