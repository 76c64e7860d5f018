"""What the control plane serves over HTTPS: injection, conversion, certificates, and what is for agents."""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from smi_conformance.lab.mesh import conversion, webhook
from smi_conformance.lab.mesh.bootstrap import CONTROL_PLANE, bootstrap
from smi_conformance.lab.mesh.model import Json, Name, pod_identity
from smi_conformance.lab.mesh.xds import Node

if TYPE_CHECKING:
    from smi_conformance.lab.mesh.control_plane import ControlPlane

PORT = 8443
MAX_BODY = 8 * 1024 * 1024
SYNC_SECONDS = 25.0
RENEW_SECONDS = 8 * 3600.0
NAMES = (CONTROL_PLANE, f"{CONTROL_PLANE}.cluster.local")
LOG = logging.getLogger("server")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """One port for all: the API server comes without a client certificate, agents with theirs."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=plane.authority.pem)
        self._tls.verify_mode = ssl.CERT_OPTIONAL

    async def run(self) -> None:
        """Serve until cancelled."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_get("/ready", self._ready)
        app.router.add_post("/inject", self._inject)
        app.router.add_post("/convert", self._convert)
        app.router.add_post("/sign", self._sign)
        app.router.add_post("/synced", self._synced)
        app.router.add_post("/traffic", self._traffic)
        app.router.add_post("/v3/discovery:datagrams", self._datagrams)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, keepalive_timeout=300)
        self._renew()
        await runner.setup()
        try:
            await web.TCPSite(runner, None, PORT, ssl_context=self._tls, shutdown_timeout=0.1).start()
            while True:
                await asyncio.sleep(RENEW_SECONDS)
                self._renew()
        finally:
            await runner.cleanup()

    def _renew(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "serving.pem"
            file.write_text("".join(self._plane.authority.serving(*NAMES)))
            self._tls.load_cert_chain(file)

    async def _ready(self, _request: web.Request) -> web.Response:
        return web.Response(status=200 if self._plane.ready else 503)

    async def _inject(self, request: web.Request) -> web.Response:
        review = await request.json()
        return web.json_response(webhook.review(review, self._plane.image, self._plane.authority.pem))

    async def _convert(self, request: web.Request) -> web.Response:
        review = await request.json()
        return web.json_response(conversion.review(review, self._plane.switches.converted))

    async def _sign(self, request: web.Request) -> web.Response:
        asked = await request.json()
        pod = Name(asked["namespace"], asked["pod"])
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        LOG.info("%s asks for a certificate", pod)
        spiffe = await self._plane.identity(token, pod)
        if spiffe is None:
            raise web.HTTPForbidden(text="the token does not fit the pod")
        try:
            certificate = self._plane.authority.sign_csr(asked["csr"].encode(), spiffe, pod_identity(pod))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        LOG.info("%s gets one for %s", pod, spiffe)
        return web.json_response({"certificate": certificate, "bootstrap": bootstrap(pod)})

    async def _synced(self, request: web.Request) -> web.Response:
        asked = await request.json()
        node = await self._node(request, Name(asked["namespace"], asked["pod"]))
        return web.json_response({"synced": await node.synced(SYNC_SECONDS)})

    async def _traffic(self, request: web.Request) -> web.Response:
        asked = await request.json()
        pod = Name(asked["namespace"], asked["pod"])
        await self._node(request, pod)
        return web.json_response(self._plane.collector.take(pod, asked, self._plane.switches))

    async def _datagrams(self, request: web.Request) -> web.Response:
        asked: Json = await request.json()
        namespace, _, pod = asked["node"]["id"].partition("/")
        node = await self._node(request, Name(namespace, pod))
        node.started(asked["node"]["metadata"]["boot"])
        found = await node.poll(asked["version_info"])
        if found is None:
            return web.Response(status=304)
        return web.Response(body=found.body, content_type="application/json")

    async def _node(self, request: web.Request, pod: Name) -> Node:
        """The sidecar that asks, if its certificate is one of the pod's account."""
        transport = request.transport
        names = ((transport.get_extra_info("peercert") or {}) if transport else {}).get("subjectAltName", ())
        node = await self._plane.node_of(pod, [name for kind, name in names if kind == "URI"])
        if node is None:
            raise web.HTTPForbidden(text=f"the certificate does not fit pod {pod}")
        return node
