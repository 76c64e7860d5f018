"""What has to come of a request, and how what came of it departs from that."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fuzz.cases import Probe
from fuzz.latitude import Ruling, admission, routings
from smi_conformance.judge.observation import Observation, Step
from smi_conformance.model.oracle import Oracle, Request
from smi_conformance.model.world import World

MISS = 1e-9
"""The probability of missing a backend below which it counts as one that gets nothing."""
PAIR, FEW, MOST = 2, 8, 60
"""Requests on one server, on a root of which no share is judged, and at most."""


@dataclass(frozen=True)
class Expectation:
    """Where a request may arrive, by pod; whether it may arrive nowhere; and which Services have to be reached."""

    places: Mapping[str, Ruling]
    may_vanish: bool
    due: Mapping[str, frozenset[str]]
    """Services that get a share for certain, with their pods."""
    count: int
    """How many requests it takes."""

    @property
    def may_arrive(self) -> bool:
        """Whether any request may arrive anywhere."""
        return any(found != "denies" for found in self.places.values())

    @property
    def wanted(self) -> str:
        """As a sentence without a full stop."""
        allowed = sorted(pod for pod, found in self.places.items() if found != "denies")
        if not allowed:
            return "no request arrives at any server"
        return f"requests arrive at {' or '.join(allowed)}{', or nowhere' if self.may_vanish else ''}"


@dataclass(frozen=True)
class Disagreement:
    """One kind of request that did not go as every reading wants it.

    `kind`: stray (arrived where it must not), lost (arrived nowhere), missed (a backend got nothing).
    """

    probe: Probe
    kind: str
    got: str
    want: str

    @property
    def sort(self) -> tuple[str, ...]:
        """Disagreements of the same sort are told once in a run."""
        return self.kind, self.probe.protocol, self.probe.service if self.probe.service[1:].isalpha() else "server"

    @property
    def key(self) -> tuple[Probe, str]:
        """By this a disagreement is known again."""
        return self.probe, self.kind


def expect(world: World, request: Request) -> Expectation:
    """What every reading wants of a request on a Service."""
    oracle = Oracle()
    routes = routings(world, request) if request.client.meshed else [oracle.choices(World(), request)]
    ends = {choice: oracle.endpoints(world, choice, request) for route in routes for choice in route}
    places = {
        end.pod.key.name: admission(world, request, end.pod, end.port) for found in ends.values() for end in found
    }
    vanish = any(found != "grants" for found in places.values()) or not all(ends.values()) or not all(routes)
    own = [choice.service for choice in routes[0]] == [request.service.key if request.service else None]
    if own or len(routes) > 1:
        return Expectation(places, vanish, {}, FEW if len(places) > 1 else PAIR)
    total = sum(choice.weight for choice in routes[0])
    needs = {choice: needed(float(choice.weight / total)) for choice in routes[0]}
    count = max([number for number in needs.values() if number <= MOST] + [FEW])
    due = {
        choice.service.name: frozenset(end.pod.key.name for end in ends[choice])
        for choice, number in needs.items()
        if number <= count and all(places[end.pod.key.name] == "grants" for end in ends[choice])
    }
    return Expectation(places, vanish, due, count)


def needed(share: float) -> int:
    """How many requests it takes to miss a share of all (0 to 1) with a probability below MISS."""
    return 1 if share >= 1 else math.ceil(math.log(MISS) / math.log1p(-share))


def disagreements(probe: Probe, expected: Expectation, step: Step, seen: Observation) -> Iterator[Disagreement]:
    """How the requests of a step departed from what is expected of them, by what the servers saw."""
    delivered = seen.delivered(step.ids)
    met = Counter(server for servers in delivered.values() for server in set(servers))
    strays = {server: count for server, count in met.items() if expected.places.get(server, "denies") == "denies"}
    if strays:
        yield Disagreement(probe, "stray", _arrived(strays, step.count), expected.wanted)
    lost = step.count - len(delivered)
    if lost and not expected.may_vanish:
        yield Disagreement(probe, "lost", f"{lost} of {step.count} arrived nowhere", expected.wanted)
    for service, pods in expected.due.items():
        if not pods & met.keys() and delivered:
            want = f"some come to {service}"
            yield Disagreement(probe, "missed", f"{_arrived(met, step.count)}, none at {service}", want)


def _arrived(met: Mapping[str, int], count: int) -> str:
    places = ", ".join(f"{number} of {count} at {server}" for server, number in sorted(met.items()))
    return f"requests arrived: {places}"
