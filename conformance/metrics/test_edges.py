"""Edges: who exchanged traffic with whom."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.measured import Measured
from fixtures.outsider import Outsider
from fixtures.readings import Readings
from fixtures.silence import Silence
from smi_conformance.plugin import requirement


@requirement("TM-050")
def test_an_item_for_every_peer(measured: Measured) -> None:
    """The edges of an object are a list that names the object and holds an item for every peer."""
    measured.names_the_object(measured.ref("pods", "a"))
    measured.peers(measured.ref("pods", "a"))
    measured.absent(measured.ref("pods", "a"), measured.ref("pods", "d"))
    measured.edge_counts(measured.ref("pods", "a"))


@requirement("TM-051")
def test_both_ends_of_an_edge(measured: Measured) -> None:
    """Each edge has the object as resource and the peer in edge.resource."""
    measured.names_both_ends(measured.ref("pods", "a"))
    measured.names_both_ends(measured.ref("pods", "b"))


@requirement("TM-052", numbers=True)
def test_direction_of_an_edge(measured: Measured) -> None:
    """edge.direction is to when the object sends to the peer, and from when it receives from the peer."""
    pods = [measured.ref("pods", role) for role in ("a", "b", "c")]
    measured.peers(*pods)
    measured.edge_counts(*pods)


@requirement("TM-053")
def test_side_is_client_or_server(measured: Measured) -> None:
    """edge.side, where present, is client or server."""
    measured.sides()


@requirement("TM-054", numbers=True)
def test_edges_need_no_declaration(measured: Measured) -> None:
    """Edges appear for all mesh traffic, of new pods and on every port, without any declaration."""
    measured.peers(measured.ref("pods", "x"))
    measured.edge_counts(measured.ref("pods", "c"))
    measured.steady_edge()


@requirement("TM-055")
def test_side_is_told(measured: Measured) -> None:
    """Every item carries edge.side."""
    measured.sides_are_told()


@requirement("TM-056", numbers=True)
def test_item_without_a_peer_is_the_sum(measured: Measured) -> None:
    """An item with direction from and a blank edge resource counts all that the object received."""
    measured.sum_of_edges(measured.ref("pods", "b"))
    measured.sum_of_edges(measured.ref("pods", "c"))


@requirement("TM-057")
def test_sides_of_one_edge(measured: Measured, readings: Readings) -> None:
    """Where both sides are offered, the client side may show latency and failures that the server side does not."""
    readings.report(*measured.both_sides())


@requirement("TM-058")
def test_one_edge_by_name(measured: Measured, readings: Readings) -> None:
    """A single edge cannot be asked for by name, so such a request may answer in any way."""
    measured.peers(measured.ref("pods", "a"))
    readings.report(*measured.edge_by_name())


@requirement("TM-059", numbers=True)
def test_edges_of_aggregates(measured: Measured) -> None:
    """Edges exist for aggregates such as deployments and namespaces too, with peers of the same kind."""
    deployment, namespace = measured.ref("deployments", "a"), measured.ref("namespaces", "a")
    measured.peers(deployment)
    measured.names_both_ends(deployment)
    measured.absent(deployment, measured.ref("deployments", "d"))
    measured.peers(namespace)
    measured.names_both_ends(namespace)


@requirement("TM-060", numbers=True)
def test_edges_stand_for_traffic(measured: Measured) -> None:
    """Edges appear only between objects that exchanged traffic, whatever policies and Services there are."""
    measured.peers(*(measured.ref("pods", role) for role in ("a", "b", "c")))
    measured.absent(measured.ref("pods", "a"), measured.ref("pods", "d"), measured.ref("pods", "t"))


@requirement("TM-061", schedule="afterwards", numbers=True)
def test_edges_are_of_the_moment(silence: Silence) -> None:
    """The edge of a pair that no longer exchanges traffic drops out or falls to zero counts."""
    silence.edges_are_forgotten(silence.ref("pods", "a"))
    silence.edges_are_forgotten(silence.ref("pods", "c"))
    silence.steady_edge_stays()


@requirement("TM-062", schedule="afterwards")
def test_sources_outside_the_mesh(outsider: Outsider, clients: Actors, readings: Readings) -> None:
    """Requests from sources outside the mesh may be counted or left out."""
    readings.report(*outsider.counted(clients.outsider))


@requirement("TM-063", numbers=True)
def test_peer_has_its_namespace(measured: Measured) -> None:
    """The peer of an edge carries its namespace, and is not taken for its namesake in another."""
    measured.peers(measured.ref("deployments", "a"))
    measured.peers(measured.ref("pods", "a"))
    measured.absent(measured.ref("deployments", "a"), measured.ref("deployments", "t"))
    measured.edge_counts(measured.ref("deployments", "x"))
