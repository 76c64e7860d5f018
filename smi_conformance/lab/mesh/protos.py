"""Resources as proxies get them over gRPC: Envoy's own messages, made from the JSON that everything else works on.

Only the control plane imports this: the messages take a moment to load.
"""

from __future__ import annotations

import importlib
import json
from functools import lru_cache

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.service.discovery.v3.discovery_pb2 import Resource
from google.protobuf.json_format import ParseDict

from smi_conformance.lab.mesh.snapshot import CLUSTERS, LISTENERS, ROUTES, digest

KINDS = {CLUSTERS: Cluster, ROUTES: RouteConfiguration, LISTENERS: Listener}
#: Where the extensions are defined that configurations name by `@type`: a message is known once its module is loaded.
EXTENSIONS = (
    "access_loggers.stream.v3.stream_pb2",
    "filters.http.header_mutation.v3.header_mutation_pb2",
    "filters.http.lua.v3.lua_pb2",
    "filters.http.rbac.v3.rbac_pb2",
    "filters.http.router.v3.router_pb2",
    "filters.listener.http_inspector.v3.http_inspector_pb2",
    "filters.listener.original_dst.v3.original_dst_pb2",
    "filters.listener.tls_inspector.v3.tls_inspector_pb2",
    "filters.network.http_connection_manager.v3.http_connection_manager_pb2",
    "filters.network.rbac.v3.rbac_pb2",
    "filters.network.tcp_proxy.v3.tcp_proxy_pb2",
    "http.early_header_mutation.header_mutation.v3.header_mutation_pb2",
    "matching.common_inputs.network.v3.network_inputs_pb2",
    "transport_sockets.tls.v3.tls_pb2",
    "upstreams.http.v3.http_protocol_options_pb2",
)
MODULES = (
    *(f"envoy.extensions.{name}" for name in EXTENSIONS),
    "envoy.type.matcher.v3.http_inputs_pb2",
    "google.protobuf.wrappers_pb2",
)
#: Most resources are the same for all proxies, and stay the same from one change to the next.
REMEMBERED = 8192

for module in MODULES:
    importlib.import_module(module)


@lru_cache(REMEMBERED)
def packed(kind: str, text: str) -> Resource:
    """A resource, with a digest of its text as version. Raises ParseError for a field or type that Envoy does not have.

    The message is shared: not to be changed.
    """
    fields = json.loads(text)
    message = ParseDict(fields, KINDS[kind]())
    made = Resource(name=fields["name"], version=digest(text))
    made.resource.Pack(message, deterministic=True)
    return made
