"""The metrics API: registered, discovered, and complete."""

from __future__ import annotations

from fixtures.metrics_api import MetricsApi
from smi_conformance.plugin import requirement

OTHERS = (
    *("daemonsets", "jobs", "nodes", "replicasets", "replicationcontrollers"),
    *("services", "statefulsets"),
)


@requirement("TM-010")
def test_api_is_registered(metrics_api: MetricsApi) -> None:
    """The metrics API is registered as the APIService v1alpha1.metrics.smi-spec.io, which is available."""
    metrics_api.is_registered()
    metrics_api.is_served()


@requirement("TM-011")
def test_discovery_lists_traffic_metrics(metrics_api: MetricsApi) -> None:
    """Every entry of the discovery has kind TrafficMetrics, the verbs get and list, and the scope of its kind."""
    metrics_api.is_a_list_of_resources()
    metrics_api.lists_what_it_names()


@requirement("TM-012")
def test_discovery_names_the_main_kinds(metrics_api: MetricsApi) -> None:
    """Discovery names pods, deployments and namespaces."""
    metrics_api.names("pods", "deployments", "namespaces")


@requirement("TM-013")
def test_discovery_names_the_other_kinds(metrics_api: MetricsApi) -> None:
    """Discovery names the other kinds that contain pods, and services."""
    metrics_api.names(*OTHERS)


@requirement("TM-014")
def test_discovery_names_splits(metrics_api: MetricsApi) -> None:
    """A mesh that claims metrics of splits names trafficsplits in discovery, and lists them."""
    metrics_api.names("trafficsplits")
    metrics_api.is_namespaced("trafficsplits")
    metrics_api.answers(metrics_api.list_of("trafficsplits"))
