"""The node agent: runs the pods that are bound to this node, and gives access to them."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from smi_conformance.lab.api.store import ApiError, Event, Object, Store, now
from smi_conformance.lab.api.tokens import TokenIssuer

from . import network, streams
from .images import Images
from .network import Network
from .pod import Node, Pod
from .runtime import ContainerRuntimeError, Runtime
from .supervisor import Supervisor

NODE_NAME = "lab-node"
_VERSION = "v1.31.0-lab"
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


class Kubelet:
    """Pods of this node; the API server's NodeAccess."""

    def __init__(self, store: Store, tokens: TokenIssuer, runtime: Runtime, net: Network, directory: Path) -> None:
        self._store = store
        self._node = Node(store, tokens, runtime, net, Images(directory / "images"), directory)
        self._pods: dict[str, Pod] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._volumes_stale = asyncio.Event()

    def register(self) -> None:
        """Make the Node object."""
        with suppress(ApiError):
            self._store.create("nodes", _node_object())

    async def run(self) -> None:
        """Follow the store until cancelled."""
        self._store.observe(self._observe)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_pods())
            group.create_task(self._refresh_volumes())

    async def _follow_pods(self) -> None:
        async for kind, pod in self._store.watch("pods"):
            if pod["spec"].get("nodeName") == NODE_NAME:
                self._handle(kind, pod)

    def _handle(self, kind: str, pod: Object) -> None:
        uid, meta = pod["metadata"]["uid"], pod["metadata"]
        known = self._pods.get(uid)
        if kind == "DELETED":
            if known is not None:
                known.destroy()
                self._forget_later(uid, known)
            return
        if known is None:
            if self._store.find("pods", meta["name"], meta["namespace"]) is None:
                return  # the event is older than the deletion that follows
            known = self._pods[uid] = Pod(self._node, pod)
        if "deletionTimestamp" in meta:
            known.terminate()
        elif pod["spec"].get("readinessGates"):
            known.changed()

    def _forget_later(self, uid: str, pod: Pod) -> None:
        async def forget() -> None:
            await pod.ended()
            self._pods.pop(uid, None)

        task = asyncio.create_task(forget())
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    def _observe(self, event: Event) -> None:
        if event.type == "DELETED":
            return
        relabelled = event.resource == "pods" and _labels_changed(event)
        if relabelled or event.resource in ("configmaps", "secrets"):
            self._volumes_stale.set()

    async def _refresh_volumes(self) -> None:
        """Changed ConfigMaps, Secrets and labels reach the files of running pods at once."""
        while True:
            await self._volumes_stale.wait()
            self._volumes_stale.clear()
            for pod in list(self._pods.values()):
                pod.volumes.update(pod.object)

    # NodeAccess

    async def exec(
        self, namespace: str, pod: str, container: str, command: list[str], *, stdin: bool, tty: bool
    ) -> streams.Command:
        """Start a command in a container. Raises ApiError 404 or 400."""
        supervisor = self._container(namespace, pod, container)
        if not supervisor.running:
            raise ApiError.bad_request(f'container not found ("{supervisor.name}")')
        try:
            return await supervisor.command(command, stdin=stdin, terminal=tty)
        except ContainerRuntimeError as failure:
            raise ApiError.internal(f"error executing command in container: {failure}") from failure

    def logs(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail: int | None, previous: bool
    ) -> AsyncIterator[bytes]:
        """The output of a container. Raises ApiError 404 or 400."""
        supervisor = self._container(namespace, pod, container)
        try:
            log = supervisor.log(previous=previous).open("rb")
        except FileNotFoundError:
            raise ApiError.bad_request(_no_log(supervisor, pod, previous=previous)) from None
        return streams.follow(log, tail, supervisor.process if follow and not previous else None)

    def _container(self, namespace: str, name: str, container: str) -> Supervisor:
        found = self._store.stored("pods", name, namespace)
        pod = self._pods.get(found["metadata"]["uid"])
        if pod is None:
            raise ApiError.bad_request(f"pod {name} does not have a host assigned")
        wanted = container or _default_container(found)
        for supervisor in pod.supervisors():
            if supervisor.name == wanted:
                return supervisor
        raise ApiError.bad_request(f"container {wanted} is not valid for pod {name}")


def _default_container(pod: Object) -> str:
    annotations = pod["metadata"].get("annotations") or {}
    return str(annotations.get(_DEFAULT_CONTAINER) or pod["spec"]["containers"][0]["name"])


def _no_log(supervisor: Supervisor, pod: str, *, previous: bool) -> str:
    if previous:
        return f'previous terminated container "{supervisor.name}" in pod "{pod}" not found'
    reason = supervisor.state.state.get("waiting", {}).get("reason", "ContainerCreating")
    return f'container "{supervisor.name}" in pod "{pod}" is waiting to start: {reason}'


def _labels_changed(event: Event) -> bool:
    if event.previous is None:
        return False
    before, after = event.previous["metadata"], event.object["metadata"]
    return any(before.get(key) != after.get(key) for key in ("labels", "annotations"))


def _node_object() -> Object:
    capacity = {
        "cpu": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 1024}Ki",
        "pods": "250",
        "ephemeral-storage": "10Gi",
    }
    since = now()
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE_NAME, "labels": _node_labels()},
        "spec": {"podCIDR": str(network.POD_RANGE), "podCIDRs": [str(network.POD_RANGE)]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": network.NODE_IP},
                {"type": "Hostname", "address": NODE_NAME},
            ],
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": [_ready(since)],
            "nodeInfo": _node_info(),
        },
    }


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _node_labels() -> dict[str, str]:
    return {
        "kubernetes.io/hostname": NODE_NAME,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": _architecture(),
        "node-role.kubernetes.io/control-plane": "",
    }


def _ready(since: str) -> Object:
    return {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": since,
        "lastTransitionTime": since,
    }


def _node_info() -> Object:
    return {
        "architecture": _architecture(),
        "bootID": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "containerRuntimeVersion": "lab://0.1",
        "kernelVersion": platform.release(),
        "kubeProxyVersion": _VERSION,
        "kubeletVersion": _VERSION,
        "machineID": "",
        "operatingSystem": "linux",
        "osImage": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        "systemUUID": "",
    }
