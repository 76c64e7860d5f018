"""The cast of a run as the oracle sees it: pods and Services by place, and the calls that stand for probes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from fixtures.calls import Call, Destination
from fixtures.cast import Cast
from fixtures.parts import Part
from fixtures.services import Services
from fuzz.cases import BEAT, HOME, HTTP_PORTS, ROOT, Named, Probe
from smi_conformance.cluster.port import Pod as PodRef
from smi_conformance.model.objects import RouteGroup, Split, TcpRoute, TrafficTarget
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Key, Placed, Pod, Protocol, Service, ServicePort, World, keyed
from smi_conformance.plugin.worker import Scene

GROUPS = ("clients", "namesakes", "pool")
"""The groups of the cast that take part."""
POOL = {"family": "pool"}
ACCESS = "v1alpha3"


@dataclass(frozen=True)
class Scenery:
    """Everything that stands still: the same for all cases of a run."""

    scene: Scene
    cast: Cast

    @classmethod
    def built(cls, scene: Scene, cast: Cast) -> Scenery:
        """Make the pods and the root Services. Raises ClusterError when they do not come up."""
        cast.ensure(*GROUPS)
        services = Services(scene, cast)
        for name in (ROOT, BEAT):
            services.selecting(POOL, {port: port for port in HTTP_PORTS}, name=name)
        return cls(scene, cast)

    @property
    def places(self) -> dict[str, str]:
        """The namespaces of the run, by place."""
        return {place: self.cast.namespace(place) for place in "abu"}

    @cached_property
    def servers(self) -> tuple[PodRef, ...]:
        """Every pod where a request may arrive; s1, which nothing opens, is behind the roots alone."""
        return tuple(pod for part, pods in self._parts if part.labels == POOL for pod in pods)

    @property
    def _parts(self) -> list[tuple[Part, tuple[PodRef, ...]]]:
        return list(self.cast.parts.values())

    def world(self, objects: Iterable[Named]) -> World:
        """The world with these SMI objects, which stand in the first namespace, in their order."""
        placed = [Placed(Key(HOME, name), thing, created=n, version=ACCESS) for n, (name, thing) in enumerate(objects)]
        return replace(
            self._bare,
            targets=tuple(one for one in placed if isinstance(one.thing, TrafficTarget)),  # type: ignore[misc]
            groups=keyed(one for one in placed if isinstance(one.thing, RouteGroup)),  # type: ignore[misc]
            tcp_routes=keyed(one for one in placed if isinstance(one.thing, TcpRoute)),  # type: ignore[misc]
            splits=tuple(one for one in placed if isinstance(one.thing, Split)),  # type: ignore[misc]
        )

    @cached_property
    def _bare(self) -> World:
        pods = tuple(_pod(part, pod) for part, found in self._parts for pod in found)
        own = [_service(part.name, {"instance": part.name}, part) for part, _ in self._parts if part.labels == POOL]
        roots = [Service(Key(HOME, name), selector=POOL, ports=_ports("http", HTTP_PORTS)) for name in (ROOT, BEAT)]
        listed = [service for pair in own for service in pair] + roots
        return World(pods=pods, services={service.key: service for service in listed})

    def request(self, world: World, probe: Probe) -> Request:
        """A probe as the oracle takes it."""
        part, pods = self.cast.parts[probe.client]
        client = next(pod for pod in world.pods if pod.uid == pods[0].uid)
        name = probe.service if probe.protocol == "http" else f"{probe.service}-tcp"
        protocol: Protocol = "http" if probe.protocol == "http" else "tcp"
        return Request(
            client, protocol, probe.port, service=world.services[Key(HOME, name)],
            identity=Key(part.place, part.account) if client.meshed else None,
            method=probe.method, path=probe.path, headers=probe.headers,
        )  # fmt: skip

    def call(self, probe: Probe) -> Call:
        """A probe as a client sends it; every server is watched."""
        to = Destination(probe.service, self.cast.namespace(HOME), self.servers, http=probe.port)
        if probe.protocol == "tcp":
            return to.tcp(probe.port)
        return to.call(probe.method, probe.path, probe.headers)


def _pod(part: Part, pod: PodRef) -> Pod:
    labels = {**part.labels, "instance": part.name}
    key, account = Key(part.place, pod.name), Key(part.place, part.account)
    return Pod(key, pod.uid, pod.ip, account, labels, meshed=part.meshed and part.place != "u")


def _service(name: str, selector: Mapping[str, str], part: Part) -> tuple[Service, Service]:
    http = Service(Key(HOME, name), selector=selector, ports=_ports("http", part.ports("http")))
    tcp = Service(Key(HOME, f"{name}-tcp"), selector=selector, ports=_ports("tcp", part.ports("tcp")))
    return http, tcp


def _ports(protocol: Protocol, numbers: Iterable[int]) -> tuple[ServicePort, ...]:
    return tuple(ServicePort(number, protocol, number) for number in numbers)


def label(scenery: Scenery, pod: str) -> str:
    """The part of the cast that a pod belongs to: what a person knows it by."""
    return next((name for name, (_, pods) in scenery.cast.parts.items() if pod in {one.name for one in pods}), pod)
