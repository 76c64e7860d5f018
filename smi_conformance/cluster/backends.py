"""The backends behind `--cluster`: how a run gets its cluster, and how it gives it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from smi_conformance.cluster.journal import Journal
from smi_conformance.cluster.kube import KubeCluster
from smi_conformance.cluster.port import ClusterError

BACKENDS = ("embedded", "current", "model")
PLANNED = {
    "kind": "create one with `kind create cluster`, then use --cluster current",
}


class UnknownBackend(Exception):
    """`--cluster` names nothing that this version has."""


@dataclass
class Backend:
    """An open cluster: where its kubeconfig is, and what ends it."""

    name: str
    kubeconfig: Path | None
    context: str | None = None
    close: Callable[[], None] = field(default=lambda: None)

    def api(self) -> client.ApiClient:
        """A client of its own for each caller. Raises ClusterError when the kubeconfig is of no use."""
        return connect(self.kubeconfig, self.context)

    def turn(self, posture: str) -> None:
        """Bring a mesh that is part of the backend into a posture; others have switches of their own."""

    def cluster(self, journal: Journal) -> KubeCluster:
        """The cluster port of one worker."""
        return KubeCluster(self.api(), journal)


def check_name(cluster: str) -> str:
    """The backend's name, or UnknownBackend with what to write instead."""
    name = cluster.split(":", 1)[0]
    if name in BACKENDS and name == cluster:
        return name
    if name == "replay" and cluster != "replay:":
        return name
    if name in PLANNED:
        raise UnknownBackend(f"--cluster {name} is not in this version: {PLANNED[name]}")
    raise UnknownBackend(f"unknown cluster '{cluster}'; known: {', '.join(BACKENDS)}, replay:DIR")


def open_backend(
    cluster: str, kubeconfig: Path | None, context: str | None, progress: Callable[[str], None]
) -> Backend:
    """Start or reach the cluster. Raises ClusterError with one line that says what is missing."""
    if check_name(cluster) == "embedded":
        return _embedded(progress)
    backend = Backend("current", kubeconfig, context)
    reachable(backend.api())
    return backend


def _embedded(progress: Callable[[str], None]) -> Backend:
    try:
        from smi_conformance.lab.cluster import Lab, LabError  # noqa: PLC0415  # Linux and the extra `lab` only
    except ImportError as error:
        raise ClusterError(
            f"the embedded lab needs the extra 'lab' ({error}): pip install 'smi-conformance[lab]'"
        ) from error
    try:
        lab = Lab.start(progress=progress)
    except LabError as error:
        raise ClusterError(str(error)) from error
    return Backend("embedded", lab.kubeconfig, None, lab.stop)


def connect(kubeconfig: Path | None, context: str | None) -> client.ApiClient:
    """An API client from a kubeconfig (None: $KUBECONFIG or ~/.kube/config). Raises ClusterError."""
    settings = client.Configuration()
    try:
        config.load_kube_config(str(kubeconfig) if kubeconfig else None, context, settings)
    except (ConfigException, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        where = kubeconfig or "$KUBECONFIG or ~/.kube/config"
        raise ClusterError(f"kubeconfig {where} cannot be used: {_first_line(error)}") from error
    except Exception as error:  # the loader lets YAML errors of its own parser through
        raise ClusterError(f"kubeconfig {kubeconfig} is no YAML: {_first_line(error)}") from error
    settings.retries = False
    return client.ApiClient(settings)


def reachable(api: client.ApiClient) -> Any:
    """The cluster's version. Raises ClusterError when nobody answers or the credentials are refused."""
    version = None
    try:
        version = client.VersionApi(api).get_code(_request_timeout=10)
        client.CoreV1Api(api).list_namespace(limit=1, _request_timeout=10)
    except ApiException as error:
        if error.status == 403 and version:  # known, and with few rights: which ones are missing is the doctor's to say
            return version
        remedy = "the credentials are expired or wrong" if error.status in (401, 403) else str(error.reason)
        raise ClusterError(f"{api.configuration.host} answers {error.status}: {remedy}") from error
    except (HTTPError, OSError) as error:
        raise ClusterError(f"no API server answers at {api.configuration.host}: {_first_line(error)}") from error
    return version


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
