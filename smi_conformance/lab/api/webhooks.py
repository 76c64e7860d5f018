"""Calls of webhooks: by URL or to the cluster IP of a Service, TLS verified against their own authority."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from functools import lru_cache
from urllib.parse import urlsplit

import aiohttp

from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.store import Store


class WebhookError(Exception):
    """The webhook could not be reached or did not answer as it must."""


@lru_cache(maxsize=64)
def _context(ca_bundle: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=base64.b64decode(ca_bundle).decode() if ca_bundle else None)


class WebhookClient:
    """Posts reviews from the API server's own process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._session: aiohttp.ClientSession | None = None

    async def post(self, config: Object, review: Object, timeout: float) -> Object:
        """The `response` of the review that comes back, within `timeout` seconds. Raises WebhookError."""
        try:
            url, name = self._target(config)
            async with asyncio.timeout(timeout):
                answer = await self._send(f"{url}?timeout={timeout:g}s", name, config, review)
            response = answer["response"]
        except TimeoutError as error:
            raise WebhookError(f'Post "{url}?timeout={timeout:g}s": context deadline exceeded') from error
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
            raise WebhookError(f"{type(error).__name__}: {error}") from error
        if not isinstance(response, dict) or response.get("uid") != review["request"]["uid"]:
            raise WebhookError("the response does not carry the uid of the request")
        return response

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _target(self, config: Object) -> tuple[str, str]:
        """URL to dial, and the server's name in TLS and in the Host header."""
        service = config.get("service")
        if service is None:
            url: str = config["url"]
            return url, urlsplit(url).netloc
        name, namespace, port = service["name"], service["namespace"], service.get("port", 443)
        found = self._store.find("services", name, namespace)
        if found is None:
            raise WebhookError(f'service "{name}" not found')
        path = "/" + service.get("path", "").lstrip("/")
        return f"https://{found['spec']['clusterIP']}:{port}{path}", f"{name}.{namespace}.svc:{port}"

    async def _send(self, url: str, name: str, config: Object, review: Object) -> Object:
        if self._session is None:
            # A kept connection may lead to a pod that is gone.
            connector = aiohttp.TCPConnector(force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        async with self._session.post(
            url,
            json=review,
            headers={"Host": name, "Accept": "application/json"},
            ssl=_context(config.get("caBundle", "")),
            server_hostname=urlsplit(f"//{name}").hostname,
            allow_redirects=False,
        ) as reply:
            body = await reply.read()
            if reply.status != 200:
                raise WebhookError(f"unexpected status code {reply.status}: {body[:200]!r}")
            answer: Object = json.loads(body)
            return answer
