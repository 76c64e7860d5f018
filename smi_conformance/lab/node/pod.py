"""One pod on the node, from its sandbox to its end."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from smi_conformance.lab.api.store import ApiError, Object, Store, now
from smi_conformance.lab.api.tokens import TokenIssuer

from . import network, status
from .environment import ConfigError
from .events import Recorder
from .images import Images
from .network import Network
from .runtime import ContainerRuntimeError, Runtime, Sandbox
from .supervisor import Supervisor
from .volumes import Volumes

_LOG = logging.getLogger(__name__)
_SETUP_RETRY = 0.2  # seconds between attempts while a volume refers to something missing
_GRACE = 30  # seconds, Kubernetes' default


@dataclass(frozen=True)
class Node:
    """What the pods of the node share."""

    store: Store
    tokens: TokenIssuer
    runtime: Runtime
    network: Network
    images: Images
    directory: Path


class Pod:
    """A pod bound to this node."""

    sandbox: Sandbox

    def __init__(self, node: Node, pod: Object) -> None:
        meta = pod["metadata"]
        self.name, self.namespace, self.uid = meta["name"], meta["namespace"], meta["uid"]
        self.store, self.runtime, self.images = node.store, node.runtime, node.images
        self.events = Recorder(node.store, pod)
        self.directory = node.directory / "pods" / self.uid
        self.volumes = Volumes(self.directory / "volumes", node.store, node.tokens)
        self.ip = ""
        self.etc: dict[str, str] = {}
        self._node, self._last_seen = node, pod
        self._started = now()
        self._initialized = False
        self._over = False
        self._ending: asyncio.Task[None] | None = None
        policy = pod["spec"].get("restartPolicy", "Always")
        self.init = [self._init_supervisor(spec, policy) for spec in pod["spec"].get("initContainers") or ()]
        self.containers = [Supervisor(self, spec, restart_policy=policy) for spec in pod["spec"]["containers"]]
        self._sidecars: list[asyncio.Task[None]] = []
        self._life = asyncio.create_task(self._live(), name=f"pod {self.namespace}/{self.name}")
        self._life.add_done_callback(_log_failure)

    def _init_supervisor(self, spec: Object, policy: str) -> Supervisor:
        """An init container is started again only if it failed and the pod may restart at all."""
        if not status.is_sidecar(spec):
            policy = "Never" if policy == "Never" else "OnFailure"
            return Supervisor(self, spec, restart_policy=policy, initial=True)
        return Supervisor(self, spec, restart_policy="Always")

    @property
    def object(self) -> Object:
        """The pod as the store has it, or had it last; not to be modified."""
        found = self.store.find("pods", self.name, self.namespace)
        if found is not None and found["metadata"]["uid"] == self.uid:
            self._last_seen = found
        return self._last_seen

    def supervisors(self) -> Iterable[Supervisor]:
        """All containers."""
        return (*self.init, *self.containers)

    def changed(self) -> None:
        """Write the status if it is another now."""
        pod = self.object
        with suppress(ApiError):  # deleted meanwhile
            fresh = status.compose(
                pod,
                self.ip,
                self._started,
                self.init,
                self.containers,
                initialized=self._initialized,
                over=self._over,
            )
            if any(pod.get("status", {}).get(key) != value for key, value in fresh.items()):
                self.store.merge(
                    "pods",
                    self.name,
                    {"metadata": {"uid": self.uid}, "status": fresh},
                    self.namespace,
                    subresource="status",
                )

    # Life

    async def _live(self) -> None:
        self.changed()
        await self._set_up()
        if not await self._initialize():
            await self._finish()
            return
        self._initialized = True
        self.changed()
        await asyncio.gather(*(container.run() for container in self.containers))
        await self._finish()

    async def _set_up(self) -> None:
        (self.directory / "shm").mkdir(parents=True)
        (self.directory / "shm").chmod(0o1777)
        hostname = self.object["spec"].get("hostname") or self.name
        self.sandbox = await self._make_sandbox(hostname)
        self.ip = self._node.network.attach(self.sandbox.net)
        self.etc = _etc_files(self.object, hostname, self.ip)
        self.changed()
        while True:
            try:
                self.volumes.mount(self.object)
            except (ConfigError, ApiError) as error:
                self.events.warning("FailedMount", f"MountVolume.SetUp failed: {error}")
                await asyncio.sleep(_SETUP_RETRY)
            else:
                return

    async def _make_sandbox(self, hostname: str) -> Sandbox:
        while True:
            try:
                return await self.runtime.sandbox(hostname[:63])
            except ContainerRuntimeError as failure:
                self.events.warning("FailedCreatePodSandBox", str(failure))
                await asyncio.sleep(_SETUP_RETRY)

    async def _initialize(self) -> bool:
        """Init containers, one after the other; whether all succeeded."""
        for supervisor in self.init:
            if status.is_sidecar(supervisor.spec):
                self._sidecars.append(asyncio.create_task(supervisor.run()))
                await supervisor.started.wait()
                continue
            await supervisor.run()
            if supervisor.exit_code != 0:
                return False
        return True

    async def _finish(self) -> None:
        """All containers ended for good: sidecars follow, the sandbox goes, files stay for logs."""
        deadline = asyncio.get_running_loop().time() + self._grace()
        await self._stop_sidecars(deadline)
        self._over = True
        self.changed()
        self._release()

    async def _stop_sidecars(self, deadline: float) -> None:
        """Native sidecars end after the containers, the last started first."""
        for supervisor in reversed([s for s in self.init if status.is_sidecar(s.spec)]):
            await supervisor.stop(deadline)
        for task in self._sidecars:
            task.cancel()

    def _release(self) -> None:
        if hasattr(self, "sandbox"):
            self.sandbox.close()
            del self.sandbox

    # End

    def _grace(self) -> float:
        pod = self.object
        asked = pod["metadata"].get("deletionGracePeriodSeconds")
        return float(pod["spec"].get("terminationGracePeriodSeconds", _GRACE) if asked is None else asked)

    def terminate(self) -> None:
        """The pod is being deleted: stop it within its grace period, then remove it from the store."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name=f"end of {self.namespace}/{self.name}")
            self._ending.add_done_callback(_log_failure)

    def destroy(self) -> None:
        """The pod is gone from the store: nothing of it may go on."""
        for supervisor in self.supervisors():
            supervisor.kill()
        self.terminate()

    async def ended(self) -> None:
        """Wait until nothing of the pod is left."""
        if self._ending is not None:
            await self._ending

    async def _end(self) -> None:
        deadline = asyncio.get_running_loop().time() + self._grace()
        await self._stop_containers(deadline)
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)
        await self._stop_sidecars(deadline)
        for supervisor in self.supervisors():  # started in the last moment, before the cancellation
            supervisor.kill()
            if supervisor.process is not None:
                await supervisor.process.wait()
        self._over = True
        self.changed()
        self._release()
        shutil.rmtree(self.directory, ignore_errors=True)
        found = self.store.find("pods", self.name, self.namespace)
        if found is not None and found["metadata"]["uid"] == self.uid:
            self.store.delete("pods", self.name, self.namespace, grace=0)

    async def _stop_containers(self, deadline: float) -> None:
        running = [c for c in self.supervisors() if c.running and not status.is_sidecar(c.spec)]
        for container in running:
            self.events.normal("Killing", f"Stopping container {container.name}", container.name)
        await asyncio.gather(*(c.stop(deadline) for c in self.supervisors() if not status.is_sidecar(c.spec)))


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _LOG.error("%s failed", task.get_name(), exc_info=task.exception())


def _etc_files(pod: Object, hostname: str, ip: str) -> dict[str, str]:
    """hosts, hostname and resolv.conf as the kubelet writes them."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    domain = f"{spec['subdomain']}.{namespace}.svc.cluster.local" if spec.get("subdomain") else ""
    names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
    lines = ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", f"{ip}\t{names}"]
    lines += ["\t".join([alias["ip"], *alias.get("hostnames", ())]) for alias in spec.get("hostAliases") or ()]
    return {
        "/etc/hosts": "\n".join(lines) + "\n",
        "/etc/hostname": f"{hostname}\n",
        "/etc/resolv.conf": _resolv_conf(spec, namespace),
    }


def _resolv_conf(spec: Object, namespace: str) -> str:
    config = spec.get("dnsConfig") or {}
    own = spec.get("dnsPolicy", "ClusterFirst") != "None"
    servers = [network.DNS_IP] if own else []
    searches = [f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local"] if own else []
    options = {"ndots": "5"} if own else {}
    servers += config.get("nameservers") or []
    searches += config.get("searches") or []
    options |= {option["name"]: option.get("value", "") for option in config.get("options") or ()}
    lines = [f"nameserver {server}" for server in servers]
    lines += [f"search {' '.join(searches)}"] if searches else []
    words = [f"{name}:{value}" if value else name for name, value in options.items()]
    return "\n".join([*lines, *([f"options {' '.join(words)}"] if words else [])]) + "\n"
