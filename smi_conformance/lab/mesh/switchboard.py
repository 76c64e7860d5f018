"""Defects of the mesh that can be switched on, each a small change to the data on its way from objects to proxies.

A change is made at one of the stages of that way. It is a function, or a class whose instances are called: one that
needs to remember what it saw before is a class, and remembers from the moment it is switched on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

from smi_conformance.lab.mesh.envoy import Resources
from smi_conformance.lab.mesh.model import Pod, State
from smi_conformance.lab.mesh.policy import Inbound
from smi_conformance.lab.mesh.splits import Outbound

#: state: what the control plane knows. view: what of it one pod's configuration is made from. inbound and outbound:
#: what a pod's proxy lets in, and where it sends calls. proxy: the proxy's configuration itself.
Stage = Literal["state", "view", "inbound", "outbound", "proxy"]
Change = Callable[..., Any]
C = TypeVar("C", bound=Change)

#: What each switch breaks, by "REQUIREMENT/slug".
FAULTS: dict[str, str] = {}
Active = dict[str, list[tuple[Stage, Change]]]
_CHANGES: Active = {}


def fault(name: str, text: str, stage: Stage) -> Callable[[C], C]:
    """Register a change; one that is registered several times acts at several stages."""

    def register(change: C) -> C:
        FAULTS[name] = text
        _CHANGES.setdefault(name, []).append((stage, change))
        return change

    return register


class Switches:
    """The faults that are on. Those that were on before keep what they remember."""

    def __init__(self, names: Iterable[str] = (), before: Switches | None = None) -> None:
        kept = before._active if before else {}
        self._active: dict[str, list[tuple[Stage, Change]]] = {
            name: kept.get(name) or _instances(name) for name in names
        }

    @property
    def per_client(self) -> bool:
        """Whether clients may differ in where their calls go."""
        return bool(self._changes("view") or self._changes("proxy"))

    def _changes(self, stage: Stage) -> list[Change]:
        return [change for changes in self._active.values() for at, change in changes if at == stage]

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


def _instances(name: str) -> list[tuple[Stage, Change]]:
    return [(stage, change() if isinstance(change, type) else change) for stage, change in _CHANGES[name]]
