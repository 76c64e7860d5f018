"""The port behind the APIService v1alpha1.metrics.smi-spec.io.

Only the Kubernetes API server is answered: who asks it has been authorized there. It shows a client certificate of the
authority in the ConfigMap kube-system/extension-apiserver-authentication, under one of the names that stand there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from aiohttp import web

from smi_conformance.lab.mesh.bootstrap import CONTROL_PLANE
from smi_conformance.lab.mesh.kube import Kube, KubeError
from smi_conformance.model.metrics.answers import NotServed, parse_path

if TYPE_CHECKING:
    from smi_conformance.lab.mesh.control_plane import ControlPlane

PORT = 8445
AUTHENTICATION = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
LOOK_SECONDS, RETRY_SECONDS = 60.0, 1.0
LOG = logging.getLogger("metrics")


class Trust(NamedTuple):
    """By what the API server is known; no names: any certificate of the authority will do."""

    authority: str
    names: frozenset[str]


class MetricsServer:
    """HTTPS with a certificate of the mesh's own CA."""

    def __init__(self, plane: ControlPlane, kube: Kube) -> None:
        self._plane, self._kube = plane, kube

    async def run(self) -> None:
        """Serve until cancelled; begin anew whenever the API server's authority changes."""
        trust = await self._trust(None)
        while True:
            trust = await self._serve(trust)

    async def _trust(self, known: Trust | None) -> Trust:
        """What stands in the ConfigMap; asked until it can be read, for nobody is believed before."""
        while True:
            try:
                data = (await self._kube.request("GET", AUTHENTICATION))["data"]
                names = json.loads(data.get("requestheader-allowed-names") or "[]")
                return Trust(data["requestheader-client-ca-file"], frozenset(names))
            except (KubeError, aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
                LOG.warning("whom to believe is not known: %r", error)
                if known is not None:
                    return known
                await asyncio.sleep(RETRY_SECONDS)

    async def _serve(self, trust: Trust) -> Trust:
        """Serve until the trust is another, which is returned."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return self._answer(request, trust)

        runner = web.ServerRunner(web.Server(handle, access_log=None))
        tls = self._context(trust)
        await runner.setup()
        try:
            await web.TCPSite(runner, None, PORT, ssl_context=tls, shutdown_timeout=0.1).start()
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                self._certify(tls)
                found = await self._trust(trust)
                if found != trust:
                    return found
        finally:
            await runner.cleanup()

    def _context(self, trust: Trust) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=trust.authority)
        context.verify_mode = ssl.CERT_OPTIONAL
        self._certify(context)
        return context

    def _certify(self, context: ssl.SSLContext) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "serving.pem"
            file.write_text("".join(self._plane.authority.serving(CONTROL_PLANE)))
            context.load_cert_chain(file)

    def _answer(self, request: web.BaseRequest, trust: Trust) -> web.Response:
        try:
            if not self._plane.switches.guarded(is_front_proxy(request, trust), request.headers):
                raise NotServed(401, "Unauthorized", "only the Kubernetes API server is answered")
            if request.method != "GET":
                message = "the server does not allow this method on the requested resource"
                raise NotServed(405, "MethodNotAllowed", message)
            ask = parse_path(request.path, request.query.get("labelSelector", ""))
        except NotServed as error:
            return web.json_response(error.status, status=error.code)
        code, body = self._plane.collector.answer(ask, self._plane.switches)
        return web.json_response(body, status=code)


def is_front_proxy(request: web.BaseRequest, trust: Trust) -> bool:
    """Whether the API server asks: by its certificate's common name."""
    peer = request.transport.get_extra_info("peercert") if request.transport else None
    names = {value for part in (peer or {}).get("subject", ()) for key, value in part if key == "commonName"}
    return bool(peer) and (not trust.names or bool(names & trust.names))
