"""Tells the API server whom to trust when it calls the mesh: the CA goes into each webhook and the APIService."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

import aiohttp

from smi_conformance.lab.mesh.kube import RETRY_SECONDS, Informer, Kube, KubeError
from smi_conformance.lab.mesh.model import Json

NAME = "smi-reference"
SERVICE = {"namespace": "smi-reference", "name": "control-plane"}
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
JSON_PATCH = "application/json-patch+json"
LOG = logging.getLogger("hooks")


class Hooks:
    """The mutating webhook, the metrics API, and the conversion of those CRDs that name the control plane for it.

    It waits for nothing but these: lists of SMI objects may have to be converted before they can be read.
    """

    def __init__(self, kube: Kube, pem: str) -> None:
        self.in_place = asyncio.Event()
        self._bundle = base64.b64encode(pem.encode()).decode()
        self._kube = kube
        self._changed = asyncio.Event()
        self._webhooks = Informer(kube, WEBHOOKS, self._changed.set)
        self._definitions = Informer(kube, DEFINITIONS, self._changed.set)
        self._api_services = Informer(kube, API_SERVICES, self._changed.set)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run, each until cancelled."""
        informers = (self._webhooks, self._definitions, self._api_services)
        return [*(informer.run() for informer in informers), self._patch_forever()]

    async def _patch_forever(self) -> None:
        await self._webhooks.synced.wait()
        await self._definitions.synced.wait()
        await self._api_services.synced.wait()
        while True:
            self._changed.clear()
            try:
                await self._patch_all()
            except (KubeError, aiohttp.ClientError, TimeoutError) as error:
                LOG.warning("not patched: %r", error)
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._changed.set)
            await self._changed.wait()

    async def _patch_all(self) -> None:
        webhooks = [item for item in self._webhooks.items if item["metadata"]["name"] == NAME]
        for item in webhooks:
            await self._patch(WEBHOOKS, item, admission(item))
        for item in self._definitions.items:
            await self._patch(DEFINITIONS, item, conversion(item))
        for item in self._api_services.items:
            await self._patch(API_SERVICES, item, aggregation(item))
        if webhooks:
            self.in_place.set()

    async def _patch(self, path: str, item: Json, configs: Iterable[tuple[str, Json]]) -> None:
        patch: list[Json] = [
            {"op": "add", "path": f"{place}/caBundle", "value": self._bundle}
            for place, config in configs
            if config.get("caBundle") != self._bundle
        ]
        if patch:
            await self._kube.request("PATCH", f"{path}/{item['metadata']['name']}", patch, JSON_PATCH)


def admission(item: Json) -> list[tuple[str, Json]]:
    """The client configurations of a webhook configuration, each with its place as JSON pointer."""
    hooks = enumerate(item.get("webhooks") or [])
    return [(f"/webhooks/{number}/clientConfig", hook["clientConfig"]) for number, hook in hooks]


def conversion(item: Json) -> list[tuple[str, Json]]:
    """The same of a CRD, if the control plane is what converts its objects."""
    webhook = (item["spec"].get("conversion") or {}).get("webhook") or {}
    config = webhook.get("clientConfig") or {}
    mine = SERVICE.items() <= (config.get("service") or {}).items()
    return [("/spec/conversion/webhook/clientConfig", config)] if mine else []


def aggregation(item: Json) -> list[tuple[str, Json]]:
    """The same of an APIService that the control plane serves."""
    spec = item["spec"]
    return [("/spec", spec)] if SERVICE.items() <= (spec.get("service") or {}).items() else []
