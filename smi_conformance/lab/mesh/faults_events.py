"""Defects in what users are told of their mistakes (SP-058)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from smi_conformance.lab.mesh import splits
from smi_conformance.lab.mesh.model import Mistake, State
from smi_conformance.lab.mesh.switchboard import fault


def of_ports(mistakes: list[Mistake], change: Callable[[Mistake], list[Mistake]]) -> list[Mistake]:
    """Something else instead of each mistake about ports of backends."""
    return [made for one in mistakes for made in (change(one) if one.reason == "BackendWithoutPort" else [one])]


@fault("SP-058/silent-exclusion", "nobody is told that a backend lacks a port", "told")
def silent_exclusion(mistakes: list[Mistake], _state: State) -> list[Mistake]:
    return of_ports(mistakes, lambda _mistake: [])


@fault("SP-058/event-elsewhere", "that a backend lacks a port is told of the root Service", "told")
def event_elsewhere(mistakes: list[Mistake], state: State) -> list[Mistake]:
    roots = {split.uid: state.services[split.root] for split in state.splits if split.root in state.services}

    def moved(mistake: Mistake) -> list[Mistake]:
        root = roots[mistake.object["uid"]]
        place = {"namespace": root.name.namespace, "name": root.name.name, "uid": root.uid}
        return [replace(mistake, object={"apiVersion": "v1", "kind": "Service", **place})]

    return of_ports(mistakes, moved)


@fault("SP-058/warning-on-healthy", "every split gets a warning", "told")
def warning_on_healthy(mistakes: list[Mistake], state: State) -> list[Mistake]:
    text = "check that every backend has the ports of the root"
    return [*mistakes, *(Mistake(splits.reference(split), "BackendWithoutPort", text) for split in state.splits)]


@fault("SP-058/event-without-name", "the backend that lacks a port is not named", "told")
def event_without_name(mistakes: list[Mistake], _state: State) -> list[Mistake]:
    return of_ports(mistakes, lambda mistake: [replace(mistake, message="a backend lacks a port and is left out")])
