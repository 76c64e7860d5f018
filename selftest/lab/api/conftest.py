"""The API server and the controllers on a loopback socket, with a fake node."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from kubernetes import client, config

from selftest.lab.api.fake_node import FakeNode
from smi_conformance.lab.api.controllers import Controllers
from smi_conformance.lab.api.pki import Pki
from smi_conformance.lab.api.server import ApiServer
from smi_conformance.lab.api.store import Store

T = TypeVar("T")
ADMIN = "the-administrators-token"


@dataclass
class Running:
    """A server in a thread of its own."""

    url: str
    ca: str
    store: Store
    node: FakeNode
    loop: asyncio.AbstractEventLoop

    def within(self, action: Callable[[], T]) -> T:
        """Run something in the server's thread, which owns the store."""

        async def run() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(5)

    def api(self, token: str | None = ADMIN) -> client.ApiClient:
        """A client of this server."""
        configuration = client.Configuration(host=self.url)
        configuration.ssl_ca_cert = self.ca
        if token is not None:
            configuration.api_key = {"authorization": f"Bearer {token}"}
        return client.ApiClient(configuration)

    def kubeconfig(self, folder: Path) -> Path:
        """For kubectl and for the client's own way of reading it."""
        authority = base64.b64encode(Path(self.ca).read_bytes()).decode()
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": "admin", "user": {"token": ADMIN}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
            "current-context": "lab",
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path


async def _serve(ready: Callable[[Any], None], listening: socket.socket, stop: asyncio.Event) -> None:
    store, pki = Store(), Pki()
    node = FakeNode(store)
    server = ApiServer(store, node, pki, ADMIN)
    running = [server.serve(listening), Controllers(store).run(), node.run()]
    tasks = [asyncio.create_task(r) for r in running]
    ready((store, pki, node))
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    made: list[tuple[Store, Pki, FakeNode]] = []
    listening = socket.create_server(("127.0.0.1", 0))
    is_ready = threading.Event()

    def ready(parts: tuple[Store, Pki, FakeNode]) -> None:
        made.append(parts)
        is_ready.set()

    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(ready, listening, stop),))
    thread.start()
    assert is_ready.wait(10)
    store, pki, node = made[0]
    ca = tmp_path_factory.mktemp("pki") / "ca.crt"
    ca.write_text(pki.ca_pem)
    yield Running(f"https://127.0.0.1:{listening.getsockname()[1]}", str(ca), store, node, loop)
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()
    listening.close()


@pytest.fixture(scope="session")
def core(running: Running) -> Iterator[client.CoreV1Api]:
    api = running.api()
    yield client.CoreV1Api(api)
    api.close()


@pytest.fixture
def namespace(core: client.CoreV1Api, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name.partition("[")[0].replace("_", "-")[:60].rstrip("-")
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)


@pytest.fixture
def dynamic(running: Running, tmp_path: Path) -> Iterator[Any]:
    """The dynamic client, as it comes from a kubeconfig."""
    from kubernetes.dynamic import DynamicClient  # noqa: PLC0415

    api = config.new_client_from_config(str(running.kubeconfig(tmp_path)))
    yield DynamicClient(api, cache_file=str(tmp_path / "discovery.json"))
    api.close()
