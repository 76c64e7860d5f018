"""The model's mesh: what its proxies decide, with every fault around the step that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from smi_conformance.cluster.model.apiserver import ApiServer
from smi_conformance.cluster.model.history import History
from smi_conformance.cluster.model.late import Late
from smi_conformance.cluster.model.notices import Notice, Teller, notices
from smi_conformance.cluster.model.reading import Reader
from smi_conformance.cluster.model.switchboard import (
    ADMISSION,
    CHOICES,
    ENDPOINTS,
    EVENTS,
    LOOKUP,
    MANIFEST,
    PAST,
    PROXY,
    VIEW,
    WORLD,
    Switches,
)
from smi_conformance.model.oracle import Choice, Choices, Endpoint, Endpoints, Oracle, Request
from smi_conformance.model.readings import Readings
from smi_conformance.model.world import Key, Pod, Service, World

Admit = Callable[[World, Request, Pod, int], bool]
Choose = Callable[[World, Request], Choices]
Locate = Callable[[World, Choice, Request], Endpoints]
Lookup = Callable[[World, Pod, str], "Service | Pod | None"]
Spread = list[tuple[float, "Endpoint | None"]]
CLUSTER = ".svc.cluster.local"


class Mesh:
    """Decides by the oracle. It follows the API server at once, or as one that is `late`."""

    def __init__(
        self,
        server: ApiServer,
        switches: Switches,
        sidecar: str,
        posture: str = "deny",
        readings: Readings | None = None,
        late: Late | None = None,
        suffix: str = "",
    ) -> None:
        self.server, self.switches, self.sidecar = server, switches, sidecar
        self.posture, self.late = posture, late
        self.oracle = Oracle(readings or Readings())
        self._read_at = -1
        self._reader = Reader(server.store, server.order, switches, sidecar)
        self._views: dict[tuple[int, str], World] = {}
        self.history = History()
        self._teller = Teller(server.store)
        self.admits: Admit = switches.around(ADMISSION, self._admits)
        self.choices: Choose = switches.around(CHOICES, self._choices)
        self.endpoints: Locate = switches.around(ENDPOINTS, self._endpoints)
        # Some meshes have names of their own, such as web.shop.traefik.mesh: what is before the suffix is looked up.
        own: Lookup = lambda world, sender, host: lookup(world, sender, host.removesuffix(suffix))  # noqa: E731
        self.lookup: Lookup = switches.around(LOOKUP, own if suffix else lookup)
        self._remembers, self._differs = switches.any(PAST), switches.any(VIEW)
        self._routes_equally = not switches.any(CHOICES, ENDPOINTS)
        self.plain = not switches.any(ADMISSION, CHOICES, ENDPOINTS, PROXY, PAST)
        """Whether all equal requests have the same places and are admitted alike."""

    def turn(self, posture: str) -> None:
        """Enforce access (deny) or not (permissive) from now on."""
        self.posture, self._read_at = posture, -1

    def world(self, now: float) -> World:
        """What the mesh knows at this moment."""
        if self._read_at != self.server.store.version:
            self._read_at = self.server.store.version
            self.history.add(now, self._read())
            self._views.clear()
        return self.late.world(self.history, now) if self.late else self.history.at(now)

    def notice(self, now: float) -> None:
        """Take note of a change. Without a fault that may remember what was before, the next request is soon enough."""
        if self.late or self.switches.any(MANIFEST, WORLD, PAST):
            self.world(now)

    def tell(self, now: float) -> None:
        """Write Events about what makes no sense."""
        found: list[Notice] = notices(self.world(now), self.oracle)
        self._teller.tell(self.switches.value(EVENTS, found))

    def _read(self) -> World:
        return self.switches.value(WORLD, self._reader.world(self.posture))

    def view(self, world: World, pod: Pod, now: float) -> World:
        """The world as the proxy of one pod knows it."""
        if self._remembers:
            world = self.switches.value(PAST, world, self.history, pod, now)
        if not self._differs:
            return world
        key = (id(world), pod.uid)
        if key not in self._views:
            self._views[key] = self.switches.value(VIEW, world, pod)
        return self._views[key]

    # What the oracle says does not change within a world, however often a fault asks for it.

    def _admits(self, world: World, request: Request, pod: Pod, port: int) -> bool:
        known, key = world.worked_out, (self, "admits", request.asked, pod, port)
        if key not in known:
            known[key] = self.oracle.admits(world, request, pod, port)
        return bool(known[key])

    def _choices(self, world: World, request: Request) -> Choices:
        known, key = world.worked_out, (self, "choices", request.asked)
        if key not in known:
            known[key] = self.oracle.choices(world, request)
        found: Choices = known[key]
        return found

    def _endpoints(self, world: World, choice: Choice, request: Request) -> Endpoints:
        known, key = world.worked_out, (self, "endpoints", choice, request.transport)
        if key not in known:
            known[key] = self.oracle.endpoints(world, choice, request)
        found: Endpoints = known[key]
        return found

    def spread(self, world: World, request: Request) -> Spread:
        """The endpoints of a request on a Service with their weights; None where requests fail."""
        if not self._routes_equally:
            return self._spread(world, request)
        known, key = world.worked_out, (self, "spread", request.asked)
        if key not in known:
            known[key] = self._spread(world, request)
        found: Spread = known[key]
        return found

    def _spread(self, world: World, request: Request) -> Spread:
        places = [(float(choice.weight), ends or (None,)) for choice, ends in self.places(world, request)]
        return [(weight / len(ends), end) for weight, ends in places for end in ends] or [(1.0, None)]

    def places(self, world: World, request: Request) -> list[tuple[Choice, Endpoints]]:
        """Where a request on a Service may go; outside the mesh it goes where plain Kubernetes sends it."""
        assert request.service
        own = (Choice(request.service.key, request.port),)
        if not request.client.meshed:
            return [(choice, self.oracle.endpoints(world, choice, request)) for choice in own]
        return [(choice, self.endpoints(world, choice, request)) for choice in self.choices(world, request)]


def lookup(world: World, client: Pod, name: str) -> Service | Pod | None:
    """What a name or an address stands for, as the cluster's DNS and network tell it."""
    if name in world.by_address:
        return world.by_address[name]
    if name in world.by_ip:
        return world.by_ip[name]
    parts = name.removesuffix(".").removesuffix(CLUSTER).removesuffix(".svc").split(".")
    if len(parts) > 2:
        return None
    service = world.services.get(Key(parts[1] if len(parts) == 2 else client.key.namespace, parts[0]))
    if service is not None and service.external:
        return lookup(world, client, service.external)
    if service is not None and not service.address:
        return next((pod for pod in world.pods_of(service) if pod.ready), None)
    return service


def addressed(world: World, request: Request, found: Service | Pod, name: str) -> Request:
    """A request with what its destination stands for."""
    if isinstance(found, Pod):
        return replace(request, pod=found, by="pod IP")
    return replace(request, service=found, by="cluster IP" if name in world.by_address else "name")
