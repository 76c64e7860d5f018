"""What Envoy starts with: its name, its own certificate, and the way to the control plane."""

from __future__ import annotations

import secrets

from smi_conformance.lab.mesh import envoy
from smi_conformance.lab.mesh.model import Json, Name

CONTROL_PLANE = "control-plane.smi-reference.svc"
PORT = 8444
HTTP2 = "extensions.upstreams.http.v3.HttpProtocolOptions"
ADMIN = "/tmp/refmesh/admin.sock"  # noqa: S108 private to the sidecar's container
MAX_REGEX_SIZE = 1_000_000


def bootstrap(pod: Name) -> Json:
    """Envoy's static configuration; every one names a new process in the node's metadata."""
    runtime = {
        "re2.max_program_size.error_level": MAX_REGEX_SIZE,
        "re2.max_program_size.warn_level": MAX_REGEX_SIZE,
    }
    return {
        "node": {"id": str(pod), "cluster": "smi-reference", "metadata": {"boot": secrets.token_hex(8)}},
        "admin": {"address": {"pipe": {"path": ADMIN}}},
        "dynamic_resources": {"ads_config": _stream(), "lds_config": envoy.ads(), "cds_config": envoy.ads()},
        "static_resources": {"clusters": [_control_plane()]},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": runtime}]},
        "stats_config": {"stats_matcher": {"reject_all": True}},
    }


def _stream() -> Json:
    """Incremental, and soon there again when the control plane was gone."""
    backoff = {"base_interval": "0.1s", "max_interval": "1s"}
    service = {"envoy_grpc": {"cluster_name": "xds", "retry_policy": {"retry_back_off": backoff}}}
    # The node lists all extensions that Envoy has, some 60 KB: said once, not with every acknowledgement.
    source: Json = {"api_type": "DELTA_GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": True}
    return source | {"grpc_services": [service]}


def _control_plane() -> Json:
    address = {"socket_address": {"address": f"{CONTROL_PLANE}.cluster.local.", "port_value": PORT}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    tls = envoy.upstream_tls([], CONTROL_PLANE)
    common = tls["typed_config"]["common_tls_context"]
    names = [{"san_type": "DNS", "matcher": {"exact": CONTROL_PLANE}}]
    common["validation_context"]["match_typed_subject_alt_names"] = names
    common["alpn_protocols"] = ["h2"]
    # A control plane that went away without a word is noticed by its silence.
    http2 = {"connection_keepalive": {"interval": "20s", "timeout": "10s"}}
    protocol = envoy.typed(HTTP2, explicit_http_config={"http2_protocol_options": http2})
    return envoy.cluster(
        "xds",
        envoy.OUTBOUND_MARK,
        http=False,
        type="STRICT_DNS",
        dns_lookup_family="V4_ONLY",
        load_assignment={"cluster_name": "xds", "endpoints": endpoints},
        transport_socket=tls,
        typed_extension_protocol_options={f"envoy.{HTTP2}": protocol},
    )
