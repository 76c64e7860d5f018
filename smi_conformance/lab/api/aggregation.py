"""APIServices: groups and versions that a server behind this one serves.

Requests go to the cluster IP of its Service over TLS. That server knows by the client certificate that the API server
asks, and by headers on whose behalf.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from smi_conformance.lab.api.errors import Cause, Object
from smi_conformance.lab.api.pki import Pki
from smi_conformance.lab.api.store import Store
from smi_conformance.lab.api.tokens import Identity

API_SERVICES = "apiservices.apiregistration.k8s.io"
USER, GROUP, EXTRA = "X-Remote-User", "X-Remote-Group", "X-Remote-Extra-"
CHECK_SECONDS = 5.0
_PER_HOP = ("connection", "keep-alive", "te", "trailers", "transfer-encoding", "upgrade", "content-length", "host")


class Unreachable(Exception):
    """The server behind could not be asked."""


def api_service_causes(service: Object, current: Object | None) -> Iterator[Cause]:
    """What is wrong with an APIService."""
    spec, name = service.get("spec") or {}, service["metadata"].get("name", "")
    expected = f"{spec.get('version', '')}.{spec.get('group', '')}"
    if name != expected:
        problem = f'Invalid value: "{name}": must be `spec.version+"."+spec.group`: "{expected}"'
        yield "FieldValueInvalid", "metadata.name", problem
    for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        value = spec.get(field, 0)
        if not isinstance(value, int) or not 0 < value <= most:
            problem = f"Invalid value: {value}: must be positive and less than {most}"
            yield "FieldValueInvalid", f"spec.{field}", problem
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        problem = 'Invalid value: true: may not be true if "caBundle" is present'
        yield "FieldValueInvalid", "spec.insecureSkipTLSVerify", problem


def condition_of(service: Object) -> Object:
    """The condition Available; empty before it was looked at."""
    conditions = service.get("status", {}).get("conditions") or ()
    found: Object = next((c for c in conditions if c["type"] == "Available"), {})
    return found


class Aggregator:
    """Finds the APIService of a request and passes it on."""

    def __init__(self, store: Store, pki: Pki) -> None:
        self._store = store
        self.behind = Behind(store, pki)

    def serves(self, parts: list[str]) -> Object | None:
        """The APIService that a path belongs to; None for what this server answers itself."""
        if len(parts) < 3 or parts[0] != "apis":
            return None
        found = self._store.find(API_SERVICES, f"{parts[2]}.{parts[1]}")
        return found if found is not None and found["spec"].get("service") else None

    def versions(self) -> list[tuple[str, str]]:
        """Groups and versions that are served behind this server."""
        specs = [service["spec"] for service in self._store.walk(API_SERVICES) if service["spec"].get("service")]
        return [(spec["group"], spec["version"]) for spec in specs]

    async def close(self) -> None:
        """Give up all connections."""
        await self.behind.close()

    async def answer(self, request: web.BaseRequest, service: Object, user: Identity) -> web.StreamResponse:
        """What the server behind answers, as it comes; 503 in plain text when it is known to be unavailable."""
        if condition_of(service).get("status") != "True":
            return web.Response(status=503, text="service unavailable\n")
        headers = on_behalf_of(request.headers, user)
        try:
            reply = await self.behind.ask(service, request.method, request.raw_path, headers, await request.read())
        except Unreachable as error:
            return web.Response(status=503, text=f"{error}\n")
        async with reply:
            return await _passed_on(request, reply)


class Behind:
    """A client of the servers behind."""

    def __init__(self, store: Store, pki: Pki) -> None:
        self._store, self._pki = store, pki
        self._session: aiohttp.ClientSession | None = None
        self._context = lru_cache(maxsize=64)(self._made)

    async def close(self) -> None:
        """Give up all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(
        self, service: Object, method: str, path: str, headers: CIMultiDict[str], body: bytes = b""
    ) -> aiohttp.ClientResponse:
        """The answer of the server behind. Raises Unreachable."""
        spec = service["spec"]
        tls = self._context(spec.get("caBundle") or "", bool(spec.get("insecureSkipTLSVerify")))
        timeout = aiohttp.ClientTimeout(sock_connect=CHECK_SECONDS)
        return await self._send(service, method, path, headers, body, tls, timeout)

    async def check(self, service: Object, path: str, headers: CIMultiDict[str]) -> aiohttp.ClientResponse:
        """The same for the condition, whatever certificate the server has: kube-apiserver does not look at it here."""
        tls = self._context("", True)
        return await self._send(service, "GET", path, headers, b"", tls, aiohttp.ClientTimeout(total=CHECK_SECONDS))

    async def _send(
        self,
        service: Object,
        method: str,
        path: str,
        headers: CIMultiDict[str],
        body: bytes,
        tls: ssl.SSLContext,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        url, name = self._target(service["spec"]["service"])
        if self._session is None:
            # A kept connection may lead to a pod that is gone.
            connector = aiohttp.TCPConnector(force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False)
        headers["Host"] = name
        try:
            return await self._session.request(
                method, URL(url + path, encoded=True), headers=headers, data=body or None, ssl=tls, timeout=timeout,
                server_hostname=name, allow_redirects=False,
            )  # fmt: skip
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unreachable(f"error trying to reach service: {str(error) or type(error).__name__}") from error

    def _target(self, service: Object) -> tuple[str, str]:
        found = self._store.find("services", service["name"], service["namespace"])
        if found is None:
            raise Unreachable(f'service "{service["name"]}" not found')
        name = f"{service['name']}.{service['namespace']}.svc"
        return f"https://{found['spec'].get('clusterIP')}:{service.get('port', 443)}", name

    def _made(self, ca_bundle: str, insecure: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=base64.b64decode(ca_bundle).decode() if ca_bundle else None)
        if insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._pki.identify_front_proxy(context)
        return context


def on_behalf_of(given: Mapping[str, str], user: Identity) -> CIMultiDict[str]:
    """The headers of a request as the server behind gets them: nothing in them is the client's word on who it is."""
    headers: CIMultiDict[str] = CIMultiDict(
        (name, value)
        for name, value in given.items()
        if name.lower() not in (*_PER_HOP, "authorization") and not name.lower().startswith("x-remote-")
    )
    headers.add(USER, user.username)
    for group in user.groups:
        headers.add(GROUP, group)
    for key, values in user.extra.items():
        for value in values:
            headers.add(EXTRA + quote(key, safe=""), value)
    return headers


async def _passed_on(request: web.BaseRequest, reply: aiohttp.ClientResponse) -> web.StreamResponse:
    kept = {name: value for name, value in reply.headers.items() if name.lower() not in _PER_HOP}
    response = web.StreamResponse(status=reply.status, headers=kept)
    await response.prepare(request)
    async for chunk in reply.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response
