"""Pieces of Envoy configuration that listeners, clusters and the bootstrap share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from smi_conformance.lab.mesh.access_log import FORMATS
from smi_conformance.lab.mesh.model import ANYONE, Json

TYPE = "type.googleapis.com/envoy."
OUTBOUND_PORT, INBOUND_PORT = 15001, 15006
#: Marks of the proxy's own connections, which the capture rules let pass: to other pods, and to its application.
OUTBOUND_MARK, INBOUND_MARK = 0x539, 0x53A
#: Files of the agent's, private to the sidecar's container: the proxy's own certificate, and the mesh's CA.
IDENTITY_FILE, CA_FILE = "/tmp/refmesh/identity.json", "/tmp/refmesh/ca.pem"  # noqa: S108
#: The server name by which proxies know each other's TLS from an application's own.
SERVER_NAME = "smi-reference.mesh"
INTERNAL_HEADER = "x-smi-reference-"


@dataclass
class Resources:
    """What one sidecar is given: Envoy's JSON, and what is for the agent beside it. Each item has a name of its own."""

    clusters: list[Json] = field(default_factory=list)
    listeners: list[Json] = field(default_factory=list)
    routes: list[Json] = field(default_factory=list)
    datagrams: list[Json] = field(default_factory=list)

    def managers(self, listener: str) -> Iterator[Json]:
        """The HTTP connection managers of a listener."""
        for item in self.listeners:
            if item["name"] == listener:
                for chain in item["filter_chains"]:
                    yield from (f["typed_config"] for f in chain["filters"] if f["name"] == "http")

    def route_configuration(self, name: str) -> Json:
        """The route configuration of that name. Raises StopIteration if there is none."""
        return next(item for item in self.routes if item["name"] == name)


def typed(kind: str, **fields: object) -> Json:
    """A message packed with its type."""
    return {"@type": TYPE + kind, **fields}


def named(name: str, kind: str, **fields: object) -> Json:
    """An extension: name and typed configuration."""
    return {"name": name, "typed_config": typed(kind, **fields)}


def marked(mark: int) -> Json:
    """Sets SO_MARK on connections before they are bound."""
    option = {"level": 1, "name": 36, "int_value": mark, "state": "STATE_PREBIND"}
    return {"source_address": {"address": "0.0.0.0", "port_value": 0}, "socket_options": [option]}  # noqa: S104


def identity() -> Json:
    """Where a proxy finds its own certificate; the agent renews the file."""
    source = {"path_config_source": {"path": IDENTITY_FILE}, "resource_api_version": "V3"}
    return {"name": "identity", "sds_config": source}


def san_matchers(patterns: Sequence[str]) -> list[Json]:
    """Certificates with one of these identities; with ANYONE among them every certificate of the mesh."""
    if ANYONE in patterns:
        return []
    return [{"san_type": _san_type(pattern), "matcher": string_matcher(pattern)} for pattern in patterns]


def _san_type(pattern: str) -> str:
    """Accounts have SPIFFE IDs, single pods have DNS names."""
    return "URI" if pattern.startswith("spiffe://") else "DNS"


def string_matcher(pattern: str) -> Json:
    """Exact, or by prefix if the pattern ends in `*`."""
    return {"prefix": pattern.removesuffix("*")} if pattern.endswith("*") else {"exact": pattern}


def _tls_common(sans: list[Json]) -> Json:
    validation: Json = {"trusted_ca": {"filename": CA_FILE}}
    if sans:
        validation["match_typed_subject_alt_names"] = sans
    return {"tls_certificate_sds_secret_configs": [identity()], "validation_context": validation}


def upstream_tls(sources: Sequence[str], server_name: str = SERVER_NAME) -> Json:
    """Mutual TLS towards a server with one of the identities."""
    kind = "extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    return named("tls", kind, sni=server_name, common_tls_context=_tls_common(san_matchers(sources)))


def downstream_tls(sources: Sequence[str]) -> Json:
    """Mutual TLS for clients with one of the identities."""
    kind = "extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    common = _tls_common(san_matchers(sources))
    return named("tls", kind, require_client_certificate=True, common_tls_context=common)


def listener(name: str, port: int, chains: list[Json], filters: Sequence[str], default: Json | None = None) -> Json:
    """A listener that finds back the destination from before the redirect."""
    kinds = {"original_dst": "original_dst.v3.OriginalDst", "tls_inspector": "tls_inspector.v3.TlsInspector"}
    made: Json = {
        "name": name,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},  # noqa: S104
        "listener_filters": [named(f, f"extensions.filters.listener.{kinds[f]}") for f in filters],
        "listener_filters_timeout": "0.5s",
        "filter_chains": chains,
    }
    return made | ({"default_filter_chain": default} if default else {})


def tcp_proxy(**fields: object) -> Json:
    """Passes bytes on; connections may be idle for as long as they like."""
    kind = "extensions.filters.network.tcp_proxy.v3.TcpProxy"
    return named("tcp", kind, **({"stat_prefix": "tcp", "idle_timeout": "0s"} | fields))


def access_log(side: str) -> Json:
    """A line on standard output, which the agent reads, for each request."""
    text = {"text_format_source": {"inline_string": FORMATS[side] + "\n"}}
    return named("requests", "extensions.access_loggers.stream.v3.StdoutAccessLog", log_format=text)


def http_manager(routes: str, side: str, filters: list[Json], **fields: object) -> Json:
    """Takes requests apart, changes nothing in them, and asks the control plane for the routes."""
    return named(
        "http",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        **(
            {
                "stat_prefix": routes,
                "access_log": [access_log(side)],
                "rds": {"route_config_name": routes, "config_source": ads()},
                "http_filters": [*filters, router()],
                "use_remote_address": False,
                "skip_xff_append": True,
                "generate_request_id": False,
                "server_header_transformation": "PASS_THROUGH",
                "stream_idle_timeout": "0s",
                "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "none"},
                "upgrade_configs": [{"upgrade_type": "websocket"}],
            }
            | fields
        ),
    )


def router() -> Json:
    """The last HTTP filter."""
    return named("router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True)


def ads() -> Json:
    """The one stream to the control plane."""
    return {"resource_api_version": "V3", "ads": {}}


def cluster(name: str, mark: int, *, http: bool, **fields: object) -> Json:
    """A cluster without limits whose connections carry a mark."""
    limits = {
        "max_connections": 65535,
        "max_pending_requests": 65535,
        "max_requests": 65535,
        "max_retries": 65535,
    }
    made: Json = {
        "name": name,
        "connect_timeout": "2s",
        "upstream_bind_config": marked(mark),
        "circuit_breakers": {"thresholds": [limits]},
        **fields,
    }
    if http:
        kind = "extensions.upstreams.http.v3.HttpProtocolOptions"
        same: Json = {"http_protocol_options": {}, "http2_protocol_options": {}}
        made["typed_extension_protocol_options"] = {f"envoy.{kind}": typed(kind, use_downstream_protocol_config=same)}
    return made


def original_destination(name: str, mark: int, *, http: bool = False, **fields: object) -> Json:
    """A cluster that connects to where the client wanted to go."""
    return cluster(name, mark, http=http, type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED", **fields)
