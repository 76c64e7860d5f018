"""What Envoy starts with: its name, its own certificate, and the way to the control plane."""

from __future__ import annotations

import secrets

from smi_conformance.lab.mesh import envoy
from smi_conformance.lab.mesh.model import Json, Name

CONTROL_PLANE = "control-plane.smi-reference.svc"
PORT = 443
ADMIN = "/tmp/refmesh/admin.sock"  # noqa: S108 private to the sidecar's container
MAX_REGEX_SIZE = 1_000_000


def bootstrap(pod: Name) -> Json:
    """Envoy's static configuration; every one names a new process in the node's metadata."""
    source = {"resource_api_version": "V3", "api_config_source": envoy.rest_source()}
    runtime = {
        "re2.max_program_size.error_level": MAX_REGEX_SIZE,
        "re2.max_program_size.warn_level": MAX_REGEX_SIZE,
    }
    return {
        "node": {"id": str(pod), "cluster": "smi-reference", "metadata": {"boot": secrets.token_hex(8)}},
        "admin": {"address": {"pipe": {"path": ADMIN}}},
        "dynamic_resources": {"lds_config": source, "cds_config": source},
        "static_resources": {"clusters": [_control_plane()]},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": runtime}]},
        "stats_config": {"stats_matcher": {"reject_all": True}},
    }


def _control_plane() -> Json:
    address = {"socket_address": {"address": f"{CONTROL_PLANE}.cluster.local.", "port_value": PORT}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    tls = envoy.upstream_tls([], CONTROL_PLANE)
    validation = tls["typed_config"]["common_tls_context"]["validation_context"]
    validation["match_typed_subject_alt_names"] = [{"san_type": "DNS", "matcher": {"exact": CONTROL_PLANE}}]
    return envoy.cluster(
        "xds",
        envoy.OUTBOUND_MARK,
        http=False,
        type="STRICT_DNS",
        dns_lookup_family="V4_ONLY",
        load_assignment={"cluster_name": "xds", "endpoints": endpoints},
        transport_socket=tls,
    )
