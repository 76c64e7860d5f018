"""The gRPC port, where proxies get their configuration: Envoy's aggregated discovery service, incremental variant."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from smi_conformance.lab.mesh.bootstrap import CONTROL_PLANE
from smi_conformance.lab.mesh.delta import Stream
from smi_conformance.lab.mesh.model import Name
from smi_conformance.lab.mesh.xds import Node

if TYPE_CHECKING:
    from smi_conformance.lab.mesh.control_plane import ControlPlane

PORT = 8444
SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
RENEW_SECONDS = 8 * 3600.0
#: A proxy that went away without a word is noticed by its silence; its own pings are no nuisance.
OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)
Context = grpc.aio.ServicerContext[DeltaDiscoveryRequest, DeltaDiscoveryResponse]


class Ads:
    """One stream for each proxy, over mutual TLS."""

    def __init__(self, plane: ControlPlane, address: str = f"0.0.0.0:{PORT}") -> None:
        self._plane = plane
        self._renewed = time.monotonic()
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream, DeltaDiscoveryRequest.FromString, DeltaDiscoveryResponse.SerializeToString
        )
        handlers = grpc.method_handlers_generic_handler(SERVICE, {"DeltaAggregatedResources": handler})
        self._server = grpc.aio.server(handlers=[handlers], options=OPTIONS)
        renewal: Any = self._renewal  # annotated as if it could not be None
        credentials = grpc.dynamic_ssl_server_credentials(self._certificates(), renewal, True)
        self.port = self._server.add_secure_port(address, credentials)

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._server.start()
        try:
            await self._server.wait_for_termination()
        finally:
            await self._server.stop(None)

    def _certificates(self) -> grpc.ServerCertificateConfiguration:
        authority = self._plane.authority
        certificate, key = authority.serving(CONTROL_PLANE)
        pairs = [(key.encode(), certificate.encode())]
        return grpc.ssl_server_certificate_configuration(pairs, authority.pem.encode())

    def _renewal(self) -> grpc.ServerCertificateConfiguration | None:
        """Asked at every handshake; None leaves the certificate as it is."""
        if time.monotonic() - self._renewed < RENEW_SECONDS:
            return None
        self._renewed = time.monotonic()
        return self._certificates()

    async def _stream(self, _requests: object, context: Context) -> None:
        first = await context.read()
        if not isinstance(first, DeltaDiscoveryRequest):
            return
        node = await self._node(first, context)
        stream = node.connect(first.node.metadata.fields["boot"].string_value)
        try:
            async with asyncio.TaskGroup() as tasks:
                hearing = tasks.create_task(_hear(node, stream, first, context))
                async for response in node.responses(stream):
                    await context.write(response)
                hearing.cancel()
        finally:
            node.disconnect(stream)

    async def _node(self, request: DeltaDiscoveryRequest, context: Context) -> Node:
        """The proxy that asks, if its certificate is one of the pod's account."""
        namespace, _, pod = request.node.id.partition("/")
        identities = [uri.decode() for uri in context.auth_context().get("peer_uri", ())]
        node = await self._plane.node_of(Name(namespace, pod), identities)
        if node is None:
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED, f"the certificate does not fit pod {request.node.id}"
            )
        return node


async def _hear(node: Node, stream: Stream, first: DeltaDiscoveryRequest, context: Context) -> None:
    request: object = first
    while isinstance(request, DeltaDiscoveryRequest):
        node.hear(stream, request)
        request = await context.read()
    node.disconnect(stream)
