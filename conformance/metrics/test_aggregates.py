"""Objects that contain pods."""

from __future__ import annotations

from fixtures.measured import Measured
from smi_conformance.plugin import requirement

OTHERS = ("replicasets", "statefulsets", "daemonsets", "jobs", "replicationcontrollers")


@requirement("TM-070", numbers=True, schedule="first")  # with it goes the burst: its window passes meanwhile
def test_counts_are_sums_over_pods(measured: Measured) -> None:
    """The counts of a deployment or namespace are the sums over the pods it contains, also over one that is gone."""
    measured.counts(*measured.members("pods"))
    measured.counts(*measured.members("deployments"))
    measured.counts(*measured.members("namespaces"))
    measured.outlives_its_pods()


@requirement("TM-072")
def test_counts_of_other_kinds(measured: Measured) -> None:
    """The counts of every other served kind that owns pods are likewise the sums over those pods."""
    measured.counts(*measured.members_served(*OTHERS))
    measured.nodes_count_their_pods()


@requirement("TM-073", numbers=True)
def test_percentiles_of_aggregates(measured: Measured) -> None:
    """Percentiles of an aggregate are computed from the traffic of its pods, neither added up nor averaged."""
    measured.latencies(measured.ref("deployments", "b"))
    measured.not_above(measured.ref("deployments", "b"), measured.every("b"))


@requirement("TM-074", numbers=True)
def test_counts_of_services(measured: Measured) -> None:
    """The counts of a Service are the sums over the pods behind it, by whichever name they were called."""
    measured.received(measured.ref("services", "b"), measured.service("tm-back"))
