"""The lab's API server, called without a socket: a request in, status and body out, and the controllers at rest."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from smi_conformance.cluster.model.conversion import ModelConverter
from smi_conformance.cluster.model.node import Node
from smi_conformance.cluster.model.switchboard import API, CRD, SERVED, Switches
from smi_conformance.lab.api.bootstrap import bootstrap
from smi_conformance.lab.api.controllers import Controllers
from smi_conformance.lab.api.discovery import OPEN_PATHS, VERSION, describe
from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.pki import Pki
from smi_conformance.lab.api.rbac import Authorizer, attributes_of
from smi_conformance.lab.api.registry import Registry
from smi_conformance.lab.api.requests import group_version, is_true, resource_path
from smi_conformance.lab.api.store import Event, Store, copy_json
from smi_conformance.lab.api.tokens import ADMIN, Authenticator, Identity, TokenIssuer
from smi_conformance.lab.api.verbs import Call, Verbs

T = TypeVar("T")
Answer = tuple[int, Any]
HOST = "model.invalid"
QUIET = 4  # rounds of the loop without a change after which the controllers are at rest
MOST_ROUNDS = 2_000
NODE_INFO = (
    *("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion"),
    *("machineID", "operatingSystem", "osImage", "systemUUID"),
)
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "lab-node"},
}
IDLE_NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "idle-node"}}
NODE_STATUS = {
    "conditions": [{"type": "Ready", "status": "True"}],
    "nodeInfo": dict.fromkeys(NODE_INFO, "model"),
}


@dataclass(frozen=True)
class ApiCall:
    """A request to the API server. `body` is an object, or bytes or text as they came."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    account: tuple[str, str] | None = None
    """Name and namespace of the ServiceAccount that asks; None: somebody who may do everything."""

    @property
    def parts(self) -> list[str]:
        """The path, word by word."""
        return [unquote(part) for part in self.path.split("/") if part]


class ApiServer:
    """One API server with its controllers and its node. Everything happens within a call: there are no threads."""

    def __init__(self, sidecar: Callable[[Object], str | None], switches: Switches) -> None:
        self.store, self._switches = Store(), switches
        # A selector without a descriptor of its own: the proof forks processes that hold a server.
        self._loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self.order: dict[str, int] = {}
        """Uids by the order in which their objects were made."""
        self.store.observe(self._number)
        pki = Pki()
        self._node = Node(self.store, sidecar)
        self._registry = Registry(self.store)
        self._registry.converter = ModelConverter(self.store, self._registry.webhooks, switches)
        self._authorizer = Authorizer(self.store)
        tokens = TokenIssuer(self.store, pki)
        self._verbs = Verbs(self._registry, tokens, Authenticator(tokens, "not used"))
        self._answer = switches.around(API, self._served)
        self._controllers: asyncio.Task[None] | None = None
        self._rested_at = -1  # the version of the store that left the controllers nothing to do
        self._behind: dict[str, Callable[[ApiCall], Answer]] = {}
        self._run(self._start(pki))

    async def _start(self, pki: Pki) -> None:
        bootstrap(self.store, pki)
        if self.store.find("nodes", "lab-node") is None:
            self.store.create("nodes", NODE)
        self.store.create("nodes", IDLE_NODE)
        self.store.merge("nodes", "idle-node", {"status": NODE_STATUS}, subresource="status")
        self.store.merge("nodes", "lab-node", {"status": NODE_STATUS}, subresource="status")
        self._controllers = asyncio.ensure_future(Controllers(self.store).run())
        await self._settle()

    def _number(self, event: Event) -> None:
        self.order.setdefault(event.object["metadata"]["uid"], len(self.order))

    def extend(self, group: str, answer: Callable[[ApiCall], Answer]) -> None:
        """Let somebody else answer for an API group, as an APIService does."""
        self.pass_on(f"/apis/{group}", answer)

    def pass_on(self, path: str, answer: Callable[[ApiCall], Answer]) -> None:
        """Let somebody else answer for all paths at or below this one, as the proxy to a Service does."""
        self._behind[f"{path}/"] = answer

    def call(self, call: ApiCall) -> Answer:
        """Answer a request, and let the controllers do what follows from it."""
        answer: Answer = self._answer(call)
        return answer

    def _served(self, call: ApiCall) -> Answer:
        status, body = self._run(self._settled(call))
        if call.path.startswith("/apis/") and isinstance(body, dict) and self._switches.any(SERVED):
            body = self._changed(body)
        return status, body

    def _changed(self, body: Object) -> Object:
        if isinstance(body.get("items"), list):
            kind = str(body.get("kind", "")).removesuffix("List")
            version = body.get("apiVersion")
            items = [self._changed({"kind": kind, "apiVersion": version, **copy_json(o)}) for o in body["items"]]
            return {**body, "items": items}
        if ".smi-spec.io/" not in str(body.get("apiVersion", "")) or "metadata" not in body:
            return body
        return self._switches.manifest(SERVED, copy_json(body)) or body

    async def _settled(self, call: ApiCall) -> Answer:
        try:
            answer = await self._respond(call)
        except ApiError as error:
            return error.code, error.status()
        if self.store.version != self._rested_at:
            await self._settle()
        return answer

    async def _respond(self, call: ApiCall) -> Answer:
        parts = call.parts
        if call.account:
            name, place = call.account
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{place}", "system:authenticated")
            who = Identity(f"system:serviceaccount:{place}:{name}", groups=groups)
            self._authorizer.demand(who, attributes_of(call.method, parts, call.query))
        if parts and parts[0] in OPEN_PATHS:
            return 200, VERSION if parts == ["version"] else "ok"
        for below, answer in self._behind.items():
            if f"{call.path}/".startswith(below):
                return answer(call)
        if not parts:
            return 200, {"paths": ["/api", "/apis", "/healthz", "/version"]}
        if len(parts) <= (2 if parts[0] == "api" else 3):
            return 200, describe(self.store.resources, parts, HOST)
        group, version, rest = group_version(parts)
        path = resource_path(self.store.resources, group, version, rest)
        body = self._body(call)
        asked = Call(call.method, path, call.query, call.content_type, call.accept, body, ADMIN)
        if call.method == "GET" and is_true(call.query, "watch"):
            return 200, await self._events(asked)
        return await self._verbs.answer(asked)

    async def _events(self, call: Call) -> str:
        """The lines of a watch that has come to its end: nothing more can happen while it is answered."""
        async for lines in self._verbs.watcher(call).lines():
            return lines.decode()
        return ""

    def _body(self, call: ApiCall) -> bytes:
        body = call.body
        if isinstance(body, dict) and body.get("kind") == "CustomResourceDefinition" and self._switches.any(CRD):
            body = self._switches.manifest(CRD, copy_json(body))
        if body is None:
            return b""
        if isinstance(body, bytes | str):
            return body.encode() if isinstance(body, str) else body
        return json.dumps(body).encode()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    async def _settle(self) -> None:
        """Let the controllers work until nothing changes any more."""
        quiet, version = 0, self.store.version
        for _ in range(MOST_ROUNDS):
            await asyncio.sleep(0)
            quiet = quiet + 1 if self.store.version == version else 0
            version = self.store.version
            if quiet >= QUIET:
                break
        self._rested_at = version

    def close(self) -> None:
        """End the controllers."""
        if self._controllers:
            self._controllers.cancel()
            self._run(_ended(self._controllers))
        self._loop.close()


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.gather(task, return_exceptions=True)


def parsed(method: str, url: str, body: Any, headers: Mapping[str, str]) -> ApiCall:
    """A call from a URL and headers, as a client sends them."""
    parts = urlsplit(url)
    lower = {name.lower(): value for name, value in headers.items()}
    return ApiCall(
        method,
        parts.path,
        dict(parse_qsl(parts.query, keep_blank_values=True)),
        body,
        lower.get("content-type", "application/json"),
        lower.get("accept", "application/json"),
    )
