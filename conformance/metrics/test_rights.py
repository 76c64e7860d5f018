"""Who may read metrics."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.metrics_api import MetricsApi
from fixtures.readers import Backdoor, Readers
from fixtures.sights import BASE
from smi_conformance.plugin import requirement

ALL = "*"


@requirement("TM-090")
def test_role_for_edges_of_pods(readers: Readers) -> None:
    """A role for the sub-resource pods/edges lets its holder read edges of pods and nothing else of the API."""
    reader = readers.one().may("pods/edges")
    reader.reads(readers.edges("pods"))

    reader.is_refused(readers.object("pods"), readers.list("pods", readers.measured.here))
    reader.is_refused(readers.edges("deployments"))


@requirement("TM-091")
def test_nobody_reads_without_a_role(readers: Readers) -> None:
    """An account without a role reads no metrics."""
    paths = [readers.list("pods"), readers.object("pods"), readers.edges("pods")]
    readers.one().is_refused(*paths)
    readers.one().may(ALL).reads(*paths)


@requirement("TM-092")
def test_role_of_a_namespace(readers: Readers) -> None:
    """A namespaced role opens the metrics of its namespace only."""
    reader = readers.one().may(ALL, namespace=readers.measured.here)
    reader.reads(readers.list("pods", readers.measured.here), readers.object("pods"))

    reader.is_refused(readers.list("pods", readers.measured.there), readers.object("pods", "x"))
    reader.is_refused(readers.list("pods"))


@requirement("TM-093")
def test_no_way_around_the_api_server(backdoor: Backdoor, clients: Actors, metrics_api: MetricsApi) -> None:
    """The metrics server answers only the Kubernetes API server, so that RBAC cannot be gone around."""
    metrics_api.answers(f"{BASE}/pods")
    backdoor.refuses(clients.outsider, f"{BASE}/pods")
    backdoor.forged(clients.outsider, f"{BASE}/pods")


@requirement("TM-094")
def test_role_for_all_resources(readers: Readers) -> None:
    """A role with the star for resources opens every resource and its edges."""
    reader = readers.one()
    reader.is_refused(readers.object("pods"), readers.edges("pods"))

    reader.may(ALL).reads(readers.list("pods"), readers.object("deployments"), readers.object("namespaces"))
    reader.reads(readers.edges("pods"), readers.edges("deployments"))
