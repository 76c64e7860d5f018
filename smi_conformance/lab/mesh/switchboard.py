"""Defects of the mesh that can be switched on, each a small change to the data on its way from objects to proxies.

A change is made at one of the stages of that way. It is a function, or a class whose instances are called: one that
needs to remember what it saw before is a class, and remembers from the moment it is switched on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from smi_conformance.lab.mesh.envoy import Resources
from smi_conformance.lab.mesh.model import Json, Mistake, Pod, State
from smi_conformance.lab.mesh.policy import Inbound
from smi_conformance.lab.mesh.splits import Outbound
from smi_conformance.model.metrics.answers import Ask
from smi_conformance.model.metrics.traffic import Flow, Flows, Tally

#: state: what the control plane knows. view: what of it one pod's configuration is made from. inbound and outbound:
#: what a pod's proxy lets in, and where it sends calls. proxy: the proxy's configuration itself. told: the mistakes
#: that become Events. convert: an object on its way from one API version to another; what is written at another version
#: than the stored one passes here before the mesh sees it. asked, counted, listed, answered: the metrics API, see
#: model/metrics/answers.py; noted: sees what proxies report; guarded: whether who asks for metrics is answered.
Stage = Literal[
    "state", "view", "inbound", "outbound", "proxy", "told", "convert",
    "asked", "noted", "counted", "listed", "answered", "guarded",
]  # fmt: skip
Change = Callable[..., Any]
C = TypeVar("C", bound=Change)

#: What each switch breaks, by "REQUIREMENT/slug".
FAULTS: dict[str, str] = {}
Active = dict[str, list["Entry"]]
_CHANGES: Active = {}


@dataclass(frozen=True)
class Entry:
    """A change and where it acts. `versions` are the API versions that an object to be converted comes from."""

    stage: Stage
    change: Change
    versions: tuple[str, ...] = ()


def fault(name: str, text: str, stage: Stage, *, versions: tuple[str, ...] = ()) -> Callable[[C], C]:
    """Register a change; one that is registered several times acts at several stages.

    At the stage `convert` it may be limited to objects that come from certain API versions: a defect in the reader of
    a version.
    """

    def register(change: C) -> C:
        FAULTS[name] = text
        _CHANGES.setdefault(name, []).append(Entry(stage, change, versions))
        return change

    return register


def versions_of(name: str) -> tuple[str, ...]:
    """The API versions whose objects a fault is limited to; none: it is not."""
    return tuple(sorted({version for entry in _CHANGES[name] for version in entry.versions}))


class Switches:
    """The faults that are on. Those that were on before keep what they remember."""

    def __init__(self, names: Iterable[str] = (), before: Switches | None = None) -> None:
        kept = before._active if before else {}
        self._active: Active = {name: kept.get(name) or _instances(name) for name in names}

    @property
    def per_client(self) -> bool:
        """Whether clients may differ in where their calls go."""
        return bool(self._changes("view") or self._changes("proxy"))

    def _changes(self, stage: Stage) -> list[Change]:
        return [entry.change for entry in self._entries(stage)]

    def _entries(self, stage: Stage) -> list[Entry]:
        return [entry for entries in self._active.values() for entry in entries if entry.stage == stage]

    def state(self, state: State) -> State:
        """The state after all changes to it."""
        for change in self._changes("state"):
            state = change(state)
        return state

    def view(self, state: State, pod: Pod) -> State:
        """The state as it counts for one pod."""
        for change in self._changes("view"):
            state = change(state, pod)
        return state

    def inbound(self, inbound: Inbound, state: State) -> Inbound:
        """What a pod lets in, after all changes to it."""
        for change in self._changes("inbound"):
            inbound = change(inbound, state)
        return inbound

    def outbound(self, outbound: Outbound, state: State) -> Outbound:
        """Where calls go, after all changes to it."""
        for change in self._changes("outbound"):
            outbound = change(outbound, state)
        return outbound

    def proxy(self, resources: Resources, state: State, pod: Pod) -> Resources:
        """A proxy's configuration after all changes to it."""
        for change in self._changes("proxy"):
            resources = change(resources, state, pod)
        return resources

    def told(self, mistakes: list[Mistake], state: State) -> list[Mistake]:
        """What users are told of their mistakes."""
        for change in self._changes("told"):
            mistakes = change(mistakes, state)
        return mistakes

    def asked(self, ask: Ask) -> Ask:
        """A request for metrics."""
        for change in self._changes("asked"):
            ask = change(ask)
        return ask

    def noted(self, flow: Flow, tally: Tally) -> None:
        """Requests that a proxy reports."""
        for change in self._changes("noted"):
            change(flow, tally)

    def counted(self, flows: Flows, ask: Ask) -> Flows:
        """The counts of a window."""
        for change in self._changes("counted"):
            flows = change(flows, ask)
        return flows

    def listed(self, items: list[Json], ask: Ask) -> list[Json]:
        """The items of an answer."""
        for change in self._changes("listed"):
            items = change(items, ask)
        return items

    def answered(self, answer: tuple[int, Any], ask: Ask) -> tuple[int, Any]:
        """HTTP code and body."""
        for change in self._changes("answered"):
            answer = change(answer, ask)
        return answer

    def guarded(self, is_front_proxy: bool, headers: Mapping[str, str]) -> bool:
        """Whether a request for metrics is answered at all."""
        for change in self._changes("guarded"):
            is_front_proxy = change(is_front_proxy, headers)
        return is_front_proxy

    def converted(self, item: Json, written: Json) -> Json:
        """An object at another version, after all changes to it; `written` is what it was made of."""
        version = written["apiVersion"].partition("/")[2]
        for entry in self._entries("convert"):
            if not entry.versions or version in entry.versions:
                item = entry.change(item, written)
        return item


def _instances(name: str) -> list[Entry]:
    """One that acts at several stages remembers for all of them."""
    begun: dict[Change, Change] = {
        entry.change: entry.change() for entry in _CHANGES[name] if isinstance(entry.change, type)
    }
    return [replace(entry, change=begun.get(entry.change, entry.change)) for entry in _CHANGES[name]]
