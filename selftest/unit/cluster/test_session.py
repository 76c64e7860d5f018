"""An exec that cannot be opened: whose fault it is."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from smi_conformance.cluster import session
from smi_conformance.cluster.port import ClusterError, Pod
from smi_conformance.cluster.session import Session

POD = Pod("ns", "web", "uid", "10.0.0.1", ("workload",))


def opened(monkeypatch: pytest.MonkeyPatch, cause: BaseException) -> Session:
    """A session whose websocket meets this on its way, which the client tells as an ApiException."""

    def stream(*_: Any, **__: Any) -> None:
        try:
            raise cause
        except BaseException as error:
            raise ApiException(status=0, reason=str(error))  # noqa: B904  # as the client does

    monkeypatch.setattr(session, "stream", stream)
    return Session(client.ApiClient(client.Configuration(host="https://nowhere")), POD)


def test_an_interrupt_is_no_failure_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client takes Ctrl-C for a failure of the websocket; the run has to end all the same."""
    with pytest.raises(KeyboardInterrupt):
        opened(monkeypatch, KeyboardInterrupt())


def test_a_failure_is_told_with_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClusterError, match="exec into pod ns/web failed: 0 connection refused"):
        opened(monkeypatch, OSError("connection refused"))
