"""The API server: TLS, authentication, and the way from a request to what answers it."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from smi_conformance.lab.api.aggregation import Aggregator
from smi_conformance.lab.api.availability import Availability
from smi_conformance.lab.api.bootstrap import bootstrap
from smi_conformance.lab.api.discovery import OPEN_PATHS, VERSION, describe
from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.pki import Pki
from smi_conformance.lab.api.ports import NodeAccess
from smi_conformance.lab.api.rbac import Authorizer, attributes_of
from smi_conformance.lab.api.registry import Registry
from smi_conformance.lab.api.requests import Path, group_version, is_true, resource_path
from smi_conformance.lab.api.store import Store
from smi_conformance.lab.api.streams import PodStreams
from smi_conformance.lab.api.tokens import Authenticator, Identity, TokenIssuer
from smi_conformance.lab.api.verbs import Call, Verbs

_LARGEST_BODY = 3 * 2**20
_LARGEST_LINE = 2**20
_OPENAPI_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_log = logging.getLogger(__name__)


class _Server(web.Server):
    """Takes bodies as large as Kubernetes takes them."""

    def _make_request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)


class ApiServer:
    """Serves the store to the clients of one lab."""

    def __init__(self, store: Store, node: NodeAccess, pki: Pki, admin_token: str) -> None:
        self._store, self._pki = store, pki
        self._registry = Registry(store)
        tokens = TokenIssuer(store, pki)
        self._authenticator = Authenticator(tokens, admin_token)
        self._verbs = Verbs(self._registry, tokens, self._authenticator)
        self._authorizer = Authorizer(store)
        self._aggregator = Aggregator(store, pki)
        self._availability = Availability(store, self._registry, self._aggregator.behind)
        self._streams = PodStreams(store, node)
        bootstrap(store, pki)

    async def serve(self, *sockets: socket.socket) -> None:
        """Answer on every given listening socket, until cancelled."""
        server = _Server(
            self._handle,
            handler_cancellation=True,
            max_line_size=_LARGEST_LINE,
            max_field_size=_LARGEST_LINE,
            access_log=None,
        )
        runner = web.ServerRunner(server, shutdown_timeout=0)
        context = self._pki.server_context()
        await runner.setup()
        checks = asyncio.create_task(self._availability.run())
        try:
            for listening in sockets:
                await web.SockSite(runner, listening, ssl_context=context).start()
            await asyncio.get_running_loop().create_future()
        finally:
            checks.cancel()
            await self._aggregator.close()
            # Watches never end by themselves, and a client may never answer the end of TLS.
            for connection in server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
            await runner.cleanup()
            await self._registry.webhooks.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except ApiError as error:
            return _json(error.code, error.status())
        except web.HTTPException:
            raise
        except ConnectionError:
            raise
        except Exception:
            _log.exception("%s %s failed", request.method, request.rel_url.raw_path)
            return _json(500, ApiError.internal("see the log of the API server").status())

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = [unquote(p) for p in request.rel_url.raw_path.split("/") if p]
        if parts and parts[0] in OPEN_PATHS:
            return _json(200, VERSION) if parts == ["version"] else web.Response(text="ok")
        user = self._identify(request)
        self._authorizer.demand(user, attributes_of(request.method, parts, request.query))
        if (behind := self._aggregator.serves(parts)) is not None:
            return await self._aggregator.answer(request, behind, user)
        if parts[:1] == ["openapi"]:
            return _openapi(parts, request.headers.get("Accept", ""))
        if not parts:
            return _json(200, {"paths": ["/api", "/apis", "/healthz", "/version"]})
        depth = 2 if parts[0] == "api" else 3
        if len(parts) <= depth:
            return _json(200, describe(self._store.resources, parts, request.host, self._aggregator.versions()))
        group, version, rest = group_version(parts)
        return await self._on_resource(request, resource_path(self._store.resources, group, version, rest), user)

    def _identify(self, request: web.BaseRequest) -> Identity:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        identity = self._authenticator.identify(token.strip()) if scheme.lower() == "bearer" else None
        if identity is None:
            raise ApiError.unauthorized()
        return identity

    async def _on_resource(self, request: web.BaseRequest, path: Path, user: Identity) -> web.StreamResponse:
        if (path.row.name, path.subresource) == ("pods", "exec"):
            return await self._streams.exec(request, path)
        if (path.row.name, path.subresource) == ("pods", "log"):
            return await self._streams.log(request, path)
        headers = request.headers
        content_type, accept = headers.get("Content-Type", ""), headers.get("Accept", "")
        body = await request.read()
        call = Call(request.method, path, request.query, content_type, accept, body, user)
        if request.method == "GET" and is_true(request.query, "watch"):
            return await self._watch(request, call)
        code, answer = await self._verbs.answer(call)
        return _json(code, answer)

    async def _watch(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        watcher = self._verbs.watcher(call)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async for lines in watcher.lines():
            await response.write(lines)
        await response.write_eof()
        return response


def _json(code: int, body: Object) -> web.Response:
    encoded = json.dumps(body, separators=(",", ":")).encode()
    return web.Response(status=code, body=encoded, content_type="application/json")


def _openapi(parts: list[str], accept: str) -> web.Response:
    """An empty document: kubectl then leaves the validation of manifests to the server."""
    if parts != ["openapi", "v2"]:
        raise ApiError.no_such_path()
    if "protobuf" in accept:
        return web.Response(body=b"", headers={"Content-Type": _OPENAPI_PROTOBUF})
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return _json(200, {"swagger": "2.0", "info": info, "paths": {}, "definitions": {}})
