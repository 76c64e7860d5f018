"""The way back of a run, when something else is at work on the same namespaces."""

from __future__ import annotations

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from smi_conformance.cluster import reaper


class Core:
    """An API server on which the deletion of a namespace meets these answers, one after the other."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.deleted = list(answers), list[str]()

    def list_namespace(self, **_: object) -> client.V1NamespaceList:
        names = [f"ns-{number}" for number in range(len(self.answers))]
        return client.V1NamespaceList(items=[client.V1Namespace(metadata=client.V1ObjectMeta(name=n)) for n in names])

    def delete_collection_namespaced_pod(self, name: str, **_: object) -> None:
        pass

    def delete_namespace(self, name: str, **_: object) -> None:
        self.deleted.append(name)
        if (status := self.answers.pop(0)) != 200:
            raise ApiException(status=status)


def removed(core: Core, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(client, "CoreV1Api", lambda _: core)
    return reaper.remove(client.ApiClient(client.Configuration(host="https://nowhere")), "abcde")


def test_what_is_gone_meanwhile_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    core = Core(404, 200)
    assert removed(core, monkeypatch) == core.deleted == ["ns-0", "ns-1"]


def test_a_refusal_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ApiException, match="403"):
        removed(Core(403), monkeypatch)
