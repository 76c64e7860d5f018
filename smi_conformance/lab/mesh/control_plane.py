"""The control plane: watches the Kubernetes API and gives every proxy its configuration.

`python -m smi_conformance.lab.mesh.control_plane`, in a pod. One asyncio loop.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import signal
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any

import aiohttp

from smi_conformance.lab.mesh import census, objects, policy, settings, splits
from smi_conformance.lab.mesh.ads import Ads
from smi_conformance.lab.mesh.ca import Authority
from smi_conformance.lab.mesh.census import Census
from smi_conformance.lab.mesh.collector import Collector
from smi_conformance.lab.mesh.events import Recorder
from smi_conformance.lab.mesh.faults import FAULTS, Switches
from smi_conformance.lab.mesh.generator import generate
from smi_conformance.lab.mesh.hooks import Hooks
from smi_conformance.lab.mesh.kube import MERGE_PATCH, Informer, Kube, KubeError
from smi_conformance.lab.mesh.metrics_server import MetricsServer
from smi_conformance.lab.mesh.model import Json, Mistake, Name, State
from smi_conformance.lab.mesh.server import Server
from smi_conformance.lab.mesh.xds import Fleet, Node

NAMESPACE = "smi-reference"
SECRETS, CONFIGMAPS = f"/api/v1/namespaces/{NAMESPACE}/secrets", f"/api/v1/namespaces/{NAMESPACE}/configmaps"
#: The versions that objects are stored in, so that no conversion is needed to read them.
WATCHED = {
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "endpoints": "/api/v1/endpoints",
    "traffictargets.access.smi-spec.io": "/apis/access.smi-spec.io/v1alpha3/traffictargets",
    "identitybindings.access.smi-spec.io": "/apis/access.smi-spec.io/v1alpha4/identitybindings",
    "httproutegroups.specs.smi-spec.io": "/apis/specs.smi-spec.io/v1alpha4/httproutegroups",
    "tcproutes.specs.smi-spec.io": "/apis/specs.smi-spec.io/v1alpha4/tcproutes",
    "udproutes.specs.smi-spec.io": "/apis/specs.smi-spec.io/v1alpha4/udproutes",
    "trafficsplits.split.smi-spec.io": "/apis/split.smi-spec.io/v1alpha4/trafficsplits",
}
DEBOUNCE_SECONDS = 0.01
STATUS_SECONDS = 0.02
LOOK_SECONDS = 2.0
SWEEP_SECONDS = 10.0
API_ERRORS = (KubeError, aiohttp.ClientError, TimeoutError)
LOG = logging.getLogger("control-plane")


class ControlPlane:
    """State, and the tasks that keep it."""

    def __init__(self, kube: Kube, authority: Authority, image: str) -> None:
        self.fleet = Fleet()
        self.authority = authority
        self.image = image
        self.state = State()
        self.switches = Switches()
        self._news = asyncio.Event()
        self._built = asyncio.Event()
        self._kube = kube
        self._recorder = Recorder(kube)
        self._dirty = asyncio.Event()
        self._settings = settings.Settings()
        self._informers = {name: Informer(kube, path, self._dirty.set) for name, path in WATCHED.items()}
        self._census = Census()
        self.collector = Collector(self._census)
        # What only metrics tell of changes nobody's configuration.
        self._others = {name: Informer(kube, path, self._count_again) for name, path in census.WATCHED.items()}
        self._config = Informer(kube, CONFIGMAPS, self._dirty.set)
        self._hooks = Hooks(kube, authority.pem)

    @property
    def ready(self) -> bool:
        """Whether everything is known, pods are being injected and objects converted."""
        return self._hooks.in_place.is_set() and self._built.is_set()

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run, each until cancelled."""
        informers = [informer.run() for informer in self._all_informers]
        own = [self._build_forever(), self._report_forever(), self._sweep_forever()]
        return [*informers, *self._hooks.tasks(), *own]

    @property
    def _all_informers(self) -> list[Informer]:
        return [*self._informers.values(), *self._others.values(), self._config]

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.collector.forget({pod.name for pod in self.state.pods})

    async def _build_forever(self) -> None:
        for informer in self._all_informers:
            await informer.synced.wait()
        while True:
            self._dirty.clear()
            self._take_settings()
            self._build()
            await self._dirty.wait()
            await asyncio.sleep(DEBOUNCE_SECONDS)
            if self._read_settings() == self._settings:
                await asyncio.sleep(self._settings.delay)

    def _read_settings(self) -> settings.Settings:
        found = [item for item in self._config.items if item["metadata"]["name"] == "refmesh-config"]
        return settings.read((found[0].get("data") or {}) if found else {}, FAULTS)

    def _take_settings(self) -> None:
        new = self._read_settings()
        if new != self._settings:
            LOG.warning("posture %s, faults %s, delay %s s %s", new.posture, new.faults, new.delay, new.problems)
            self.switches = Switches(new.faults, self.switches)
            self.collector.resize(new.window, new.interval)
            self._settings = new

    def _build(self) -> None:
        items = {name: informer.items for name, informer in self._informers.items()}
        self.state = objects.read(items, posture=self._settings.posture)
        self._count_again()
        changed = self.fleet.aim(generate(self.state, self.switches))
        LOG.info("%d pods, %d of them with news", len(self.state.pods), changed)
        self._recorder.note(self.switches.told(mistakes(self.state), self.state))
        self._built.set()
        self._news.set()
        self._news = asyncio.Event()

    def _count_again(self) -> None:
        """Note what exists, for the metrics."""
        known = {name.partition(".")[0]: one.items for name, one in (self._informers | self._others).items()}
        self._census.take(known, self.state)

    async def _report_forever(self) -> None:
        told: dict[str, str] = {}
        await self._built.wait()
        while True:
            self.fleet.changed.clear()
            status = self._status()
            try:
                if status != told:
                    await self._write_status(status)
                    told = status
            except API_ERRORS as error:
                LOG.warning("status not written: %r", error)
            # A proxy that went away without a word makes no noise: look from time to time.
            with suppress(TimeoutError):
                await asyncio.wait_for(self.fleet.changed.wait(), LOOK_SECONDS)
            await asyncio.sleep(STATUS_SECONDS)

    def _status(self) -> dict[str, str]:
        connected = self.fleet.connected
        return {
            "config": self._settings.digest,
            "in-sync": "true" if all(node.in_sync for node in connected) else "false",
            "sidecars": str(len(connected)),
            "nacks": str(self.fleet.nacks),
            "problems": "; ".join(self._settings.problems),
        }

    async def _write_status(self, status: dict[str, str]) -> None:
        body: Json = {"data": status}
        try:
            await self._kube.request("PATCH", f"{CONFIGMAPS}/refmesh-status", body, MERGE_PATCH)
        except KubeError as error:
            if error.code != 404:
                raise
            named: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "refmesh-status"}}
            await self._kube.request("POST", CONFIGMAPS, named | body)

    async def identity(self, token: str, pod: Name) -> str | None:
        """The SPIFFE ID that a ServiceAccount token gives a pod; None if it does not fit the pod."""
        spec = {"token": token, "audiences": ["smi-reference"]}
        review: Json = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        found = await self._kube.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
        status = found.get("status", {})
        if not status.get("authenticated"):
            return None
        account = await self.account_of(pod)
        user = status["user"]
        bound = (user.get("extra") or {}).get("authentication.kubernetes.io/pod-name", [pod.name])
        fits = account and user["username"] == f"system:serviceaccount:{account[0]}:{account[1]}"
        return account.spiffe if account and fits and bound == [pod.name] else None

    async def account_of(self, pod: Name, seconds: float = 5.0) -> Any:
        """The ServiceAccount of a pod, which may be so new that it is not known yet; None if it does not appear."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for known in self.state.pods:
                        if known.name == pod:
                            return known.account
                    await self._news.wait()
        except TimeoutError:
            return None

    async def node_of(self, pod: Name, identities: Collection[str]) -> Node | None:
        """The sidecar of a pod, if one of the SPIFFE IDs is its account's."""
        account = await self.account_of(pod)
        return self.fleet.node(pod) if account and account.spiffe in identities else None


def mistakes(state: State) -> list[Mistake]:
    """Everything that users should be told."""
    return [*state.mistakes, *policy.mistakes(state), *splits.mistakes(state)]


async def authority(kube: Kube) -> Authority:
    """The authority in the Secret, made if there is none, so that restarts keep it."""
    try:
        found = await kube.request("GET", f"{SECRETS}/refmesh-ca")
    except KubeError as error:
        if error.code != 404:
            raise
        fresh = Authority.new()
        data: Json = {
            "stringData": {"tls.crt": fresh.pem, "tls.key": fresh.key_pem},
            "type": "kubernetes.io/tls",
        }
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "refmesh-ca"}, **data}
        found = await kube.request("POST", SECRETS, secret)
    decoded = {key: base64.b64decode(value).decode() for key, value in found["data"].items()}
    return Authority(decoded["tls.crt"], decoded["tls.key"])


async def main() -> None:
    """Run until SIGTERM. Raises when a task that must not end has ended."""
    kube = Kube()
    plane = ControlPlane(kube, await authority(kube), os.environ["REFMESH_IMAGE"])
    running = asyncio.current_task()
    assert running
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Server(plane).run())
            tasks.create_task(Ads(plane).run())
            tasks.create_task(MetricsServer(plane, kube).run())
            for work in plane.tasks():
                tasks.create_task(work)
    except asyncio.CancelledError:
        LOG.warning("asked to stop")
    finally:
        await kube.close()


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("REFMESH_LOG", "WARNING"), format="%(asctime)s %(name)s %(message)s")
    try:
        asyncio.run(main())
    except* (aiohttp.ClientError, KubeError) as errors:
        raise SystemExit(f"the Kubernetes API failed: {errors.exceptions}") from errors
