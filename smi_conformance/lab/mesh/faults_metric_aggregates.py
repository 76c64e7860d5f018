"""Defects of the metrics API: what objects show that contain pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from smi_conformance.lab.mesh.faults_metric_edges import is_edges, members
from smi_conformance.lab.mesh.faults_metric_values import micro
from smi_conformance.lab.mesh.faults_metrics import LATENCIES, each_metric
from smi_conformance.lab.mesh.model import Json
from smi_conformance.lab.mesh.switchboard import fault
from smi_conformance.model.metrics.answers import Ask
from smi_conformance.model.metrics.items import metrics, seconds
from smi_conformance.model.metrics.kinds import KINDS, SPLITS
from smi_conformance.model.metrics.traffic import Flow, Flows, Member, Ref, Tally, total

AGGREGATES = frozenset(KINDS) - {"pods", SPLITS}


def of_aggregates(name: str, text: str, plurals: Iterable[str] = AGGREGATES) -> Callable[[Any], Any]:
    """Register a change of the counts that aggregates are made of; it is given them and the kind."""
    chosen = frozenset(plurals)

    def register(change: Callable[[Flows, str], Flows]) -> Callable[[Flows, str], Flows]:
        fault(name, text, "counted")(lambda flows, ask: change(flows, ask.plural) if ask.plural in chosen else flows)
        return change

    return register


def pods_of(flows: Flows, plural: str) -> dict[Ref, list[Ref]]:
    """The pods of each object of a kind that received anything."""
    found: dict[Ref, set[Ref]] = {}
    for flow in flows:
        if flow.side == "server" and flow.destination:
            for ref in flow.destination.of(plural):
                found.setdefault(ref, set()).add(flow.destination.pod)
    return {ref: sorted(pods) for ref, pods in found.items()}


@of_aggregates("TM-070/mean-for-sum", "an aggregate has the mean of its pods", ("deployments", "namespaces"))
def mean_for_sum(flows: Flows, plural: str) -> Flows:
    number = {pod: len(pods) for pods in pods_of(flows, plural).values() for pod in pods}
    return {
        flow: _share(tally, number.get(flow.destination.pod, 1) if flow.destination else 1)
        for flow, tally in flows.items()
    }


def _share(tally: Tally, parts: int) -> Tally:
    return Tally(tally.success // parts, tally.failure // parts, tally.latencies)


@of_aggregates("TM-070/one-pod-for-all", "an aggregate has the counts of one pod", ("deployments", "namespaces"))
def one_pod_for_all(flows: Flows, plural: str) -> Flows:
    return _first_pods(flows, plural)


@of_aggregates("TM-074/one-endpoint-only", "the counts of a Service are those of one pod", ("services",))
def one_endpoint_only(flows: Flows, plural: str) -> Flows:
    return _first_pods(flows, plural)


def _first_pods(flows: Flows, plural: str) -> Flows:
    kept = {pods[0] for pods in pods_of(flows, plural).values()}
    return {f: t for f, t in flows.items() if f.side != "server" or (f.destination and f.destination.pod in kept)}


@of_aggregates("TM-070/sibling-by-prefix", "pods belong to deployments by prefix of their names", ("deployments",))
def sibling_by_prefix(flows: Flows, plural: str) -> Flows:
    names = {ref for member in members(flows) for ref in member.of(plural)}

    def guessed(member: Member | None) -> Member | None:
        if member is None:
            return None
        alike = {r for r in names if r.namespace == member.pod.namespace and member.pod.name.startswith(r.name)}
        return replace(member, parts=member.parts | alike)

    return {f._replace(source=guessed(f.source), destination=guessed(f.destination)): t for f, t in flows.items()}


@fault("TM-070/replaced-pod-lost", "aggregates leave out pods that are gone", "state")
@fault("TM-070/replaced-pod-lost", "aggregates leave out pods that are gone", "counted")
class ReplacedPodLost:
    """Knows which pods there are."""

    def __init__(self) -> None:
        self._there: set[Ref] = set()

    def __call__(self, first: Any, ask: Ask | None = None) -> Any:
        if ask is None:
            self._there = {Ref("pods", *pod.name) for pod in first.pods}
            return first
        if ask.plural not in AGGREGATES:
            return first
        return {f: t for f, t in first.items() if all(m.pod in self._there for m in members({f: t}))}


@of_aggregates(
    "TM-072/kind-always-empty", "replicasets, statefulsets, daemonsets, jobs and replicationcontrollers are empty",
    ("replicasets", "statefulsets", "daemonsets", "jobs", "replicationcontrollers"),
)  # fmt: skip
def kind_always_empty(flows: Flows, plural: str) -> Flows:
    return {}


@of_aggregates("TM-074/service-by-name-only", "a Service counts what was sent to its name", ("services",))
def service_by_name_only(flows: Flows, plural: str) -> Flows:
    named: dict[Flow, Tally] = {}
    for flow, tally in flows.items():
        if flow.side == "client" and flow.service and flow.destination:
            server = replace(flow.destination, parts=frozenset({flow.service}))
            named.setdefault(Flow("server", flow.source, server), Tally()).add(tally)
    return named


class OfPods:
    """Remembers the counts, to find the percentiles of the pods of an aggregate."""

    def combined(self, values: list[int]) -> float:
        """One for all pods: the sum."""
        return sum(values)

    def __init__(self) -> None:
        self._flows: Flows = {}

    def __call__(self, first: Any, ask: Ask) -> Any:
        if not isinstance(first, list):
            self._flows = first
            return first
        return [self._changed(one, ask) for one in first] if ask.plural in AGGREGATES and not is_edges(ask) else first

    def _changed(self, one: Json, ask: Ask) -> Json:
        ref = Ref(ask.plural, one["resource"].get("namespace", ""), one["resource"]["name"])
        pods: dict[Ref, list[Tally]] = {}
        for flow, tally in self._flows.items():
            if flow.side == "server" and flow.destination and flow.destination.within(ref):
                pods.setdefault(flow.destination.pod, []).append(tally)
        found = [{m["name"]: m["value"] for m in metrics(total(tallies))} for tallies in pods.values()]
        if not found:
            return one
        values = {name: self.combined([micro(values[name]) for values in found]) for name in LATENCIES}
        return each_metric(
            one, lambda m: {**m, "value": seconds(round(values[m["name"]]))} if m["name"] in values else m
        )


class Averaged(OfPods):
    """The mean."""

    def combined(self, values: list[int]) -> float:
        """One for all pods: the mean."""
        return sum(values) / len(values)


for name, text, change_of_pods in (
    ("TM-073/percentiles-summed", "percentiles of an aggregate are the sum of its pods'", OfPods),
    ("TM-073/percentiles-averaged", "percentiles of an aggregate are the mean of its pods'", Averaged),
):
    fault(name, text, "counted")(change_of_pods)
    fault(name, text, "listed")(change_of_pods)
