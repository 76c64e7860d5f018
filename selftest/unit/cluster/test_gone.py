"""When a cluster counts as gone: not for one lost answer, and then with the reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client
from urllib3.exceptions import HTTPError

from smi_conformance.cluster.journal import Unrecorded
from smi_conformance.cluster.kube import KubeCluster


class Version:
    """An API server that does not answer the first so many times."""

    def __init__(self, silent: int) -> None:
        self.left = silent

    def get_code(self, **_: Any) -> None:
        self.left -= 1
        if self.left >= 0:
            raise HTTPError("connection refused")


def silence(monkeypatch: pytest.MonkeyPatch, silent: int) -> str:
    """What is said of an API server; time passes only in pauses."""
    version, now = Version(silent), [0.0]
    monkeypatch.setattr(client, "VersionApi", lambda _: version)
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr("smi_conformance.cluster.kube.time", clock)
    api = client.ApiClient(client.Configuration(host="https://there"))
    return KubeCluster(api, Unrecorded()).silence()


def test_an_answer_that_is_lost_is_no_cluster_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert silence(monkeypatch, 0) == ""
    assert silence(monkeypatch, 5) == ""


def test_a_cluster_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert silence(monkeypatch, 1000) == "no API server answers at https://there: connection refused"


def test_in_replay_nothing_is_asked() -> None:
    assert KubeCluster(None, Unrecorded()).silence() == ""
