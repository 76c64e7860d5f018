"""The cluster port: the few things that a scenario may ask of a cluster.

Backends implement it (`kube` for everything that speaks the Kubernetes API, `replay` for a recorded run).
Every call is recorded, so a run can be judged again without a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from smi_conformance.judge.convergence import Clock
from smi_conformance.judge.observation import Observation, Plan
from smi_conformance.judge.verdict import HarnessError

Manifest = dict[str, Any]


class ClusterError(HarnessError):
    """The cluster, or the way to it, failed: never counted against the mesh."""


def api_root(api_version: str) -> str:
    """The path at the API server under which the resources of a group and version, or of the core, lie."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


@dataclass(frozen=True)
class Ref:
    """Address of one object."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> Ref:
        meta = manifest["metadata"]
        return cls(manifest["apiVersion"], manifest["kind"], meta["name"], meta.get("namespace"))

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Pod:
    """A running pod of the suite's workload."""

    namespace: str
    name: str
    uid: str
    ip: str
    containers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Pod:
        return cls(**{**data, "containers": tuple(data["containers"])})


@dataclass(frozen=True)
class Answer:
    """What the API server answered: the HTTP status, and the body as JSON, or as text when it is none."""

    status: int
    body: dict[str, Any] | str

    @property
    def message(self) -> str:
        """What a Status says, in one line; the text of any other answer, cut short."""
        text = self.body if isinstance(self.body, str) else str(self.body.get("message") or self.body)
        return " ".join(text.split())[:400]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Cluster(Protocol):
    """What scenarios and fixtures use; every method raises ClusterError when the cluster fails."""

    @property
    def clock(self) -> Clock: ...

    def apply(self, manifest: Manifest) -> None:
        """Create the object, or merge the manifest into the one that exists."""

    def delete(self, ref: Ref) -> None:
        """Delete the object; one that is gone already is fine."""

    def get(self, ref: Ref) -> Manifest | None:
        """The object as it is served, or None."""

    def api(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        account: tuple[str, str] | None = None,
    ) -> Answer:
        """One request to the API server as it stands; `path` may carry a query, `body` is JSON data.

        It is made with the rights of the suite, or by a ServiceAccount: its name and namespace.

        A refusal is an answer like any other, also a 5xx that a webhook or an APIService of the mesh causes. A watch
        has to end by itself (timeoutSeconds).
        """

    def pods(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        """Ready pods that carry the labels and are not being deleted, by name."""

    def observe(self, prefix: str, client: Pod, plan: Plan, servers: Sequence[Pod]) -> Observation:
        """Let the client pod carry out the plan; returns its replies and what arrived at the servers under `prefix`.

        Raises Starved when requests were lost on a crowded machine.
        """

    def start_stream(self, stream: str, client: Pod, plan: Plan) -> None:
        """Let the client pod send in the background until stop_stream."""

    def window(self, prefix: str, client: Pod, servers: Sequence[Pod]) -> Observation:
        """What arrived at the servers under `prefix` since the last window (no replies: the stream goes on)."""

    def stop_stream(self, stream: str, client: Pod, plan: Plan) -> Observation:
        """End the stream; returns its replies."""

    def dump(self, namespaces: Sequence[str]) -> dict[str, Any]:
        """Objects, events and the end of container logs, for a failed scenario."""
