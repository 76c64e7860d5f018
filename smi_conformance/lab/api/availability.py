"""Whether the servers behind APIServices can be asked, as the condition Available says it."""

from __future__ import annotations

import asyncio

from multidict import CIMultiDict

from smi_conformance.lab.api.aggregation import (
    API_SERVICES,
    Behind,
    Unreachable,
    condition_of,
    on_behalf_of,
)
from smi_conformance.lab.api.controllers.base import Controller, Key
from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.registry import Registry
from smi_conformance.lab.api.store import Store, now
from smi_conformance.lab.api.tokens import Identity
from smi_conformance.lab.api.watch import Event

_ASKS = Identity("system:kube-aggregator", groups=("system:masters",))
_AGAIN, _AFTER_FAILURE = 30.0, 1.0  # seconds
Verdict = tuple[str, str, str]
"""Status, reason and message of the condition."""


class Availability(Controller):
    """Looks at an APIService when it, its Service or its endpoints change, and from time to time."""

    def __init__(self, store: Store, registry: Registry, behind: Behind) -> None:
        super().__init__(store, registry)
        self._behind = behind
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def concerns(self, event: Event) -> None:
        """An APIService itself, or what it stands on."""
        if event.resource == API_SERVICES:
            self.look(("", event.object["metadata"]["name"]))
        elif event.resource in ("services", "endpoints"):
            meta = event.object["metadata"]
            for service in self.store.walk(API_SERVICES):
                behind = service["spec"].get("service") or {}
                if (behind.get("namespace"), behind.get("name")) == (meta["namespace"], meta["name"]):
                    self.look(("", service["metadata"]["name"]))

    async def reconcile(self, key: Key) -> None:
        """Set the condition, and look again later."""
        service = self.store.find(API_SERVICES, key[1])
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if service is None:
            return
        status, reason, message = await self._verdict(service)
        if self.store.find(API_SERVICES, key[1]) is None:
            return
        known = condition_of(service)
        if (known.get("status"), known.get("reason"), known.get("message")) != (status, reason, message):
            since = known.get("lastTransitionTime") if known.get("status") == status else None
            told = {"type": "Available", "status": status, "reason": reason, "message": message}
            condition = {**told, "lastTransitionTime": since or now()}
            self.store.merge(API_SERVICES, key[1], {"status": {"conditions": [condition]}}, subresource="status")
        if service["spec"].get("service"):
            delay = _AGAIN if status == "True" else _AFTER_FAILURE
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self.look, key)

    async def _verdict(self, service: Object) -> Verdict:
        spec = service["spec"]
        behind = spec.get("service")
        if not behind:
            return "True", "Local", "Local APIServices are always available"
        missing = self._missing(behind["name"], behind["namespace"], behind.get("port", 443))
        return missing or await self._discovery(service, f"/apis/{spec['group']}/{spec['version']}")

    def _missing(self, name: str, namespace: str, number: int) -> Verdict | None:
        """What of the Service is not there."""
        shown = f'service/{name} in "{namespace}"'
        service = self.store.find("services", name, namespace)
        if service is None:
            return "False", "ServiceNotFound", f"{shown} is not present"
        ports = [port for port in service["spec"].get("ports") or () if port["port"] == number]
        if not ports:
            return "False", "ServicePortError", f"{shown} is not listening on port {number}"
        endpoints = self.store.find("endpoints", name, namespace)
        if endpoints is None:
            return "False", "EndpointsNotFound", f"cannot find endpoints for {shown}"
        wanted = ports[0].get("name", "")
        if not any(_has(subset, wanted) for subset in endpoints.get("subsets") or ()):
            return "False", "MissingEndpoints", f'endpoints for {shown} have no addresses with port name "{wanted}"'
        return None

    async def _discovery(self, service: Object, path: str) -> Verdict:
        headers: CIMultiDict[str] = on_behalf_of({"Accept": "application/json"}, _ASKS)
        try:
            async with await self._behind.check(service, path, headers) as reply:
                status = reply.status
        except (Unreachable, TimeoutError) as error:
            return "False", "FailedDiscoveryCheck", f"failing or missing response from {path}: {error}"
        if not 200 <= status < 300:
            problem = f"failing or missing response from {path}: bad status from {path}: {status}"
            return "False", "FailedDiscoveryCheck", problem
        return "True", "Passed", "all checks passed"


def _has(subset: Object, port: str) -> bool:
    return bool(subset.get("addresses")) and any(one.get("name", "") == port for one in subset.get("ports") or ())
