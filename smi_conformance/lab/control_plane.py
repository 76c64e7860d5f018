"""Everything that runs inside the sandbox, in one asyncio loop: process 1 of the lab."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from smi_conformance.lab.api.controllers import Controllers
from smi_conformance.lab.api.pki import Pki
from smi_conformance.lab.api.server import ApiServer
from smi_conformance.lab.api.store import Store
from smi_conformance.lab.api.tokens import TokenIssuer
from smi_conformance.lab.node import network
from smi_conformance.lab.node.dns import Dns
from smi_conformance.lab.node.kubelet import Kubelet
from smi_conformance.lab.node.network import Network
from smi_conformance.lab.node.proxy import ServiceProxy
from smi_conformance.lab.node.runtime import Runtime
from smi_conformance.lab.node.sandbox import RUN

KUBECONFIG = "kubeconfig"


def run(state: Path, channel: socket.socket, host_socket: socket.socket, ready: Callable[[], None]) -> None:
    """Run the lab until the process is ended; `ready` is called when the API answers."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    tempfile.tempdir = str(state / RUN)  # nothing temporary may outlive the sandbox
    asyncio.run(_serve(state, channel, host_socket, ready))


async def _serve(state: Path, channel: socket.socket, host_socket: socket.socket, ready: Callable[[], None]) -> None:
    net = Network()
    net.prepare_node()
    pki, store, admin_token = Pki(), Store(), secrets.token_urlsafe(32)
    kubelet = Kubelet(store, TokenIssuer(store, pki), Runtime(channel), net, state / RUN)
    proxy, dns, controllers = ServiceProxy(store), Dns(store), Controllers(store)
    proxy.prepare()
    kubelet.register()
    api = ApiServer(store, kubelet, pki, admin_token)
    inner = socket.create_server((network.API_IP, 443), backlog=512)
    _write_kubeconfig(state / KUBECONFIG, pki.ca_pem, admin_token, host_socket.getsockname()[1])
    async with asyncio.TaskGroup() as group:  # the first that fails ends the lab, with its traceback in the log
        group.create_task(controllers.run())
        group.create_task(proxy.run())
        group.create_task(kubelet.run())
        group.create_task(dns.serve(*_dns_sockets()))
        group.create_task(api.serve(host_socket, inner))
        ready()


def _dns_sockets() -> tuple[socket.socket, socket.socket]:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((network.DNS_IP, 53))
    return udp, socket.create_server((network.DNS_IP, 53))


def _write_kubeconfig(path: Path, ca_pem: str, token: str, port: int) -> None:
    # By name and not as data: clients copy data to a file of their own, which stays when they are killed.
    authority = path.with_name("ca.crt")
    authority.write_text(ca_pem)
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": authority.name}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": server}],
        "users": [{"name": "lab-admin", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab-admin", "namespace": "default"}}],
        "current-context": "lab",
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(config, file)
