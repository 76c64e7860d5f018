"""The backend behind `--cluster model`: an API server and a mesh in this process."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kubernetes import client
from urllib3.response import HTTPResponse

from smi_conformance.cluster.backends import Backend
from smi_conformance.cluster.journal import Journal
from smi_conformance.cluster.model.apiserver import HOST, ApiServer, parsed
from smi_conformance.cluster.model.clock import VirtualClock
from smi_conformance.cluster.model.cluster import ModelCluster
from smi_conformance.cluster.model.late import Late
from smi_conformance.cluster.model.mesh import Mesh
from smi_conformance.cluster.model.metrics import Metrics
from smi_conformance.cluster.model.prometheus import ModelPrometheus
from smi_conformance.cluster.model.switchboard import Switches
from smi_conformance.cluster.model.traffic import Traffic
from smi_conformance.meshes.numbers import Prometheus
from smi_conformance.meshes.profile import Onboarding

STATUS_TEXTS = {200: "OK", 201: "Created", 404: "Not Found", 409: "Conflict", 422: "Unprocessable Entity"}


class ModelBackend(Backend):
    """An API server, a mesh with its faults, and the clock of both. `seed` decides all that is random.

    `delay`: seconds that an object takes at most to reach the mesh. `suffix`: what follows `SERVICE.NAMESPACE` in names
    that the mesh has of its own. `prometheus`: where its numbers are, if it has no metrics API.
    """

    def __init__(
        self,
        onboarding: Onboarding,
        posture: str,
        faults: Iterable[str] = (),
        seed: int = 0,
        delay: float = 0.0,
        suffix: str = "",
        prometheus: Prometheus | None = None,
    ) -> None:
        super().__init__("model", None, None, self._end, owned=True)
        self._onboarding = onboarding
        switches = Switches(faults)
        self.clock = VirtualClock()
        self.server = ApiServer(self._sidecar, switches)
        late = Late(delay, seed) if delay else None
        self.mesh = Mesh(self.server, switches, onboarding.sidecar or "", posture, late=late, suffix=suffix)
        self.traffic = Traffic(self.mesh, seed)
        if onboarding.sidecar:
            self._measure(delay, prometheus)

    def _measure(self, delay: float, prometheus: Prometheus | None) -> None:
        """The mesh has a metrics server, or a Prometheus."""
        metrics = Metrics(self.mesh, self.clock, delay)
        self.traffic.told, self.traffic.behind_tls = metrics.note, metrics.direct
        if prometheus:
            self.server.pass_on(prometheus.service.path, ModelPrometheus(metrics, prometheus).answer)
        else:
            metrics.register()

    def turn(self, posture: str) -> None:
        self.mesh.turn(posture)

    def cluster(self, journal: Journal) -> ModelCluster:
        return ModelCluster(self.server, self.traffic, self.clock, journal)

    def api(self) -> client.ApiClient:
        """An ordinary client whose requests stay in this process."""
        api = client.ApiClient(client.Configuration(host=f"https://{HOST}"))
        api.rest_client.pool_manager = _Pool(self.server)
        return api

    def _sidecar(self, pod: Mapping[str, Any]) -> str | None:
        """Pods of onboarded namespaces get a proxy, unless they opt out."""
        wants, meta = self._onboarding, pod["metadata"]
        namespace = (self.server.store.find("namespaces", meta["namespace"]) or {"metadata": {}})["metadata"]
        asked = (
            (namespace.get("labels"), wants.namespace_labels),
            (namespace.get("annotations"), wants.namespace_annotations),
            (meta.get("labels"), wants.pod_labels),
            (meta.get("annotations"), wants.pod_annotations),
        )
        joined = all(_carries(given, wanted) for given, wanted in asked if wanted)
        out = _carries(meta.get("labels"), wants.opt_out_labels) or _carries(
            meta.get("annotations"), wants.opt_out_annotations
        )
        return wants.sidecar if joined and not out else None

    def _end(self) -> None:
        self.server.close()


def _carries(given: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    return bool(wanted) and wanted.items() <= (given or {}).items()


class _Pool:
    """Stands in for the connection pool of a client."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        fields: Any = None,
        **_: Any,
    ) -> HTTPResponse:
        """Answer by the API server."""
        query = "&".join(f"{name}={value}" for name, value in fields or ())
        call = parsed(method, f"{url}?{query}" if query else url, body, headers or {})
        status, answer = self._server.call(call)
        return HTTPResponse(
            encoded(answer), {"Content-Type": "application/json"}, status, reason=STATUS_TEXTS.get(status)
        )

    def clear(self) -> None:
        """There is nothing to be closed."""


def encoded(answer: Any) -> bytes:
    """The body of an answer."""
    return answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
