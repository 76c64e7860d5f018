"""The model's metrics server (metrics.smi-spec.io/v1alpha1): it hears of every request, and tells what it counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from smi_conformance.cluster.model.apiserver import ApiCall, ApiServer
from smi_conformance.cluster.model.clock import VirtualClock
from smi_conformance.cluster.model.members import Members
from smi_conformance.cluster.model.mesh import Mesh
from smi_conformance.cluster.model.switchboard import ANSWERED, ASKED, COUNTED, DIRECT, LISTED, NOTED, Switches
from smi_conformance.cluster.model.traffic import EPOCH, TOOK, Answer
from smi_conformance.judge.observation import Step
from smi_conformance.lab.api.errors import ApiError
from smi_conformance.model.metrics import answers, latency
from smi_conformance.model.metrics.answers import Ask, NotServed, SplitInForce
from smi_conformance.model.metrics.items import Json, Reading
from smi_conformance.model.metrics.kinds import GROUP, KINDS, SPLITS, VERSION
from smi_conformance.model.metrics.traffic import Flow, Flows, Ref, Tally, Window, succeeded
from smi_conformance.model.oracle import Request, weight_of
from smi_conformance.model.world import World

NAME, NAMESPACE = "model-metrics", "kube-system"
STORED = {"apps/v1": "apps", "batch/v1": "batch"}
UNAUTHORIZED = Answer("status", 401)
API_SERVICES = "apiservices.apiregistration.k8s.io"


@dataclass(frozen=True)
class Span:
    """How far the numbers go back, and how fine: seconds. A mesh that scrapes has slices as long as its interval."""

    window: float = 30.0
    scrape: float = 1.0


SPAN = Span()


class Note(NamedTuple):
    """One request that ended."""

    now: float
    flow: Flow
    success: bool
    bucket: int


@dataclass(frozen=True)
class Context:
    """What a fault may want to know: the server, and the time of the question."""

    metrics: Metrics
    now: float

    @property
    def world(self) -> World:
        """As the mesh knows it."""
        return self.metrics.mesh.world(self.now)

    @property
    def inventory(self) -> Inventory:
        """What exists."""
        return Inventory(self.metrics.server, self.world)

    def flows(self, window: float) -> Flows:
        """What was counted in so many seconds."""
        return self.metrics.counted(self.now, window)

    def reading(self, flows: Flows) -> Reading:
        """Numbers as of now."""
        return self.metrics.reading(self.now, flows)


@dataclass(frozen=True)
class Inventory:
    """The objects of the API server, and the splits that the mesh knows."""

    server: ApiServer
    world: World

    def objects(self, plural: str) -> Mapping[Ref, Mapping[str, str]]:
        """The labels of all objects of a kind; none where the API server does not know the kind."""
        if plural == SPLITS:
            return {split.ref: {} for split in self.splits()}
        group = STORED.get(KINDS[plural].api_version, "")
        resource = f"{plural}.{group}" if group else plural
        if resource not in self.server.store.all_resources():
            return {}
        metas = [found["metadata"] for found in self.server.store.walk(resource)]
        return {Ref(plural, m.get("namespace", ""), m["name"]): m.get("labels") or {} for m in metas}

    def splits(self) -> Iterable[SplitInForce]:
        """All TrafficSplits."""
        for split in self.world.splits:
            backends = tuple((backend.service, int(weight_of(backend))) for backend in split.thing.backends)
            yield SplitInForce(Ref(SPLITS, *split.key), split.thing.service, backends)


@dataclass(frozen=True)
class Changed:
    """The faults that are on, as `answers.answer` asks them."""

    switches: Switches
    context: Context

    def asked(self, ask: Ask) -> Ask:
        """The request as it is taken."""
        return self.switches.value(ASKED, ask, self.context)

    def counted(self, flows: Flows, ask: Ask) -> Flows:
        """The counts that the answer is made from."""
        return self.switches.value(COUNTED, flows, ask, self.context)

    def listed(self, items: list[Json], ask: Ask) -> list[Json]:
        """The items of a list; a single object is a list of one."""
        return self.switches.value(LISTED, items, ask, self.context)

    def answered(self, answer: tuple[int, Any], ask: Ask) -> tuple[int, Any]:
        """The HTTP code and the body."""
        return self.switches.value(ANSWERED, answer, ask, self.context)


@dataclass
class Metrics:
    """Takes note of requests, and answers for the last while of virtual time. `late`: seconds until it knows."""

    mesh: Mesh
    clock: VirtualClock
    late: float = 0.0
    span: Span = field(default_factory=lambda: SPAN)
    notes: list[Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.members = Members(self.mesh.server.store)
        self._forgotten = 0.0
        self._read_until = -1.0
        self._read: dict[float, Flows] = {}

    @property
    def server(self) -> ApiServer:
        return self.mesh.server

    @property
    def switches(self) -> Switches:
        return self.mesh.switches

    def register(self) -> None:
        """The APIService, as a mesh would bring it."""
        service = {"namespace": NAMESPACE, "name": NAME, "port": 443}
        spec = {"group": GROUP, "version": VERSION, "service": service, "groupPriorityMinimum": 100}
        meta, api = {"name": f"{VERSION}.{GROUP}"}, {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
        self.server.store.create(API_SERVICES, {**api, "metadata": meta, "spec": {**spec, "versionPriority": 10}})
        condition = {"type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed"}
        self.server.store.merge(
            API_SERVICES, meta["name"], {"status": {"conditions": [condition]}}, subresource="status"
        )  # fmt: skip
        self.server.extend(GROUP, self.answer)

    def note(self, request: Request, answer: Answer, now: float) -> None:
        """A request has been answered, or not. HTTP on Services is counted; both proxies see the same."""
        if request.protocol != "http" or request.service is None:
            return
        if now - self._forgotten > 4 * self.span.window:
            self._forget(now)
        if not self.switches.value(NOTED, True, request, answer.server or "", Context(self, now)):
            return
        world = self.mesh.world(now)
        for flow in self.members.flows(world, request, answer):
            bucket = latency.bucket((TOOK + answer.delay) * 1_000_000)
            self.notes.append(Note(now, flow, succeeded(answer.status or 0), bucket))

    def _forget(self, now: float) -> None:
        """Only a fault may want to know what is older than a few windows."""
        if not self.switches.any(COUNTED, LISTED):
            self.notes = [note for note in self.notes if note.now >= now - 2 * self.span.window - self.late]
        self._forgotten = now

    def counted(self, now: float, window: float) -> Flows:
        """What was counted in the window that ends at the last scrape."""
        kept = Window(window, slice_seconds=self.span.scrape)
        end = kept.end(now - self.late)
        if end != self._read_until:  # nothing that ends from now on can be in it
            self._read_until, self._read = end, {}
        if window in self._read:
            return self._read[window]
        for note in self.notes:
            if end - window - self.span.scrape <= note.now < end:
                tally = Tally()
                tally.note(success=note.success, bucket=note.bucket)
                kept.add(note.now, note.flow, tally)
        self._read[window] = kept.read(now - self.late)
        return self._read[window]

    def reading(self, now: float, flows: Flows) -> Reading:
        """Numbers with the time that they are of."""
        end = Window(self.span.window, slice_seconds=self.span.scrape).end(now - self.late)
        return Reading(flows, EPOCH + end, self.span.window)

    def answer(self, call: ApiCall) -> tuple[int, Any]:
        """A request to the API. Raises ApiError for another verb."""
        if call.method != "GET":
            raise ApiError.method_not_allowed()
        context = Context(self, self.clock.now())
        try:
            ask = answers.parse_path(call.path, call.query.get("labelSelector", ""))
        except NotServed as error:
            return error.code, error.status
        reading = context.reading(self.counted(context.now, self.span.window))
        return answers.answer(ask, context.inventory, reading, Changed(self.switches, context))

    def direct(self, step: Step) -> Answer:
        """A request over TLS that does not come from the API server."""
        return self.switches.value(DIRECT, UNAUTHORIZED, step)
