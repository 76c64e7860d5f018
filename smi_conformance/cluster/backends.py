"""The backends behind `--cluster`: how a run gets its cluster, and how it gives it back."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from smi_conformance.cluster.journal import Journal
from smi_conformance.cluster.kube import KubeCluster
from smi_conformance.cluster.port import ClusterError

BACKENDS = ("embedded", "kind", "current", "model")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
IN_CLUSTER = "KUBERNETES_SERVICE_HOST"  # which Kubernetes tells every pod


class UnknownBackend(Exception):
    """`--cluster` names nothing that this version has."""


@dataclass(frozen=True)
class Asked:
    """What a user says of the cluster; the `kind_*` are about one that kind has to create."""

    cluster: str
    run: str = ""
    kubeconfig: Path | None = None
    context: str | None = None
    kind_image: str | None = None
    kind_nodes: int = 1
    kind_config: Path | None = None
    images: tuple[str, ...] = ()
    """What the pods of the run will need."""
    keep: bool = False
    equip: bool = True
    """Whether a run can set the mesh up, if it takes more than its resources."""

    @property
    def name(self) -> str | None:
        """What follows the backend, as in kind:NAME."""
        return self.cluster.partition(":")[2] or None

    @property
    def of_new_clusters(self) -> dict[str, bool]:
        """The options that only a cluster can follow which is not there yet, and whether they are given."""
        return {
            "--kind-image": bool(self.kind_image),
            "--kind-nodes": self.kind_nodes > 1,
            "--kind-config": bool(self.kind_config),
        }


@dataclass
class Backend:
    """An open cluster: where its kubeconfig is, and what ends it."""

    name: str
    kubeconfig: Path | None
    context: str | None = None
    close: Callable[[], None] = field(default=lambda: None)
    owned: bool = False
    """Whether the cluster ends with the run, and everything in it."""
    title: str = ""
    """Which cluster of its kind it is."""
    folder: Path | None = None
    """What has to go when the run ends, however it does: private files, such as the kubeconfig."""

    equipped: bool = False
    """Whether the suite sets the mesh up in a cluster that stays."""

    @property
    def ours(self) -> bool:
        """Whether the suite sets the mesh up; else the owner of the cluster has done that."""
        return self.owned or self.equipped

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
    name, colon, rest = cluster.partition(":")
    if name in BACKENDS and not colon:
        return name
    if name in ("kind", "replay") and rest:
        return name
    raise UnknownBackend(f"unknown cluster '{cluster}'; known: {', '.join(BACKENDS)}, kind:NAME, replay:DIR")


def open_backend(asked: Asked, progress: Callable[[str], None]) -> Backend:
    """Start or reach the cluster. Raises ClusterError with one line that says what is missing."""
    name = check_name(asked.cluster)
    if name == "embedded":
        return _embedded(progress)
    if name == "kind":
        from smi_conformance.cluster.kind import open_kind  # noqa: PLC0415  # which stands on this module

        return open_kind(asked, progress)
    backend = Backend("current", asked.kubeconfig, asked.context)
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
    return Backend("embedded", lab.kubeconfig, None, lab.stop, owned=True)


def connect(kubeconfig: Path | None, context: str | None) -> client.ApiClient:
    """An API client from a kubeconfig (None: $KUBECONFIG, ~/.kube/config, or in a pod its own account).

    Raises ClusterError.
    """
    settings = client.Configuration()
    try:
        if _in_a_pod(kubeconfig, context):
            config.load_incluster_config(settings)
        else:
            config.load_kube_config(str(kubeconfig) if kubeconfig else None, context, settings)
    except (ConfigException, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        where = kubeconfig or "$KUBECONFIG or ~/.kube/config"
        raise ClusterError(f"kubeconfig {where} cannot be used: {_first_line(error)}") from error
    except Exception as error:  # the loader lets YAML errors of its own parser through
        raise ClusterError(f"kubeconfig {kubeconfig} is no YAML: {_first_line(error)}") from error
    settings.retries = False
    if urlsplit(settings.host).hostname in LOOPBACK:
        settings.proxy = None  # no proxy leads to this machine
    return client.ApiClient(settings)


def _in_a_pod(kubeconfig: Path | None, context: str | None) -> bool:
    """Whether there is no kubeconfig, and the process runs in a pod."""
    usual = str(config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION).split(os.pathsep)
    told = kubeconfig or context or any(Path(place).expanduser().is_file() for place in usual)
    return IN_CLUSTER in os.environ and not told


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
