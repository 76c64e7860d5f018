"""All defects the mesh can be given, by the names the register of requirements has for them."""

from __future__ import annotations

from smi_conformance.lab.mesh import (
    faults_access,
    faults_clients,
    faults_events,
    faults_metric_aggregates,
    faults_metric_edges,
    faults_metric_splits,
    faults_metric_values,
    faults_metrics,
    faults_ports,
    faults_proxy,
    faults_routes,
    faults_split,
    faults_tcp,
    faults_udp,
    faults_versions,
)
from smi_conformance.lab.mesh.switchboard import FAULTS, Switches

__all__ = ["FAULTS", "NOT_SWITCHABLE", "Switches"]

#: Defects of the register that this mesh cannot have, and why.
NOT_SWITCHABLE: dict[str, str] = {
    "API-061/wrong-layout-allows-all": "the API server refuses the layout of another version, for fields are missing",
    "TA-106/reused-connection-pool": "a proxy of raw TCP opens a connection to its application for each one it takes",
    "TS-073/unspecified-refused": "the resources are the cluster's: the mesh refuses none",
    "TM-010/private-endpoint-only": "the APIService is made by whoever installs the mesh",
    "TM-010/wrong-group-or-version": "the APIService is made by whoever installs the mesh",
    "TM-054/second-port-unmonitored": "an edge that the server's proxy did not see is told from the client's side",
    "TM-072/node-shows-cluster": "the lab has one node, which has all the traffic of the cluster",
    "SP-089/bytes-spread": "Envoy sends all bytes of a connection to one host",
}

#: Importing them registers their switches.
MODULES = (
    faults_access,
    faults_clients,
    faults_events,
    faults_metric_aggregates,
    faults_metric_edges,
    faults_metric_splits,
    faults_metric_values,
    faults_metrics,
    faults_ports,
    faults_proxy,
    faults_routes,
    faults_split,
    faults_tcp,
    faults_udp,
    faults_versions,
)
