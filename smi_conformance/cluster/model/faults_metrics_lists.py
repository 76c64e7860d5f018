"""Defects of lists of metrics: their head, their items, and what a selector does to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.metrics import Context
from smi_conformance.cluster.model.metrics_edits import Items, lists, only
from smi_conformance.cluster.model.switchboard import ANSWERED, ASKED, COUNTED, LISTED, fault
from smi_conformance.model.metrics.answers import Ask
from smi_conformance.model.metrics.answers import answer as sound
from smi_conformance.model.metrics.items import Json
from smi_conformance.model.metrics.kinds import KINDS
from smi_conformance.model.metrics.selectors import fits
from smi_conformance.model.metrics.traffic import Flow, Flows, Member, Ref

Told = tuple[int, Any]


def of_lists(change: Callable[[Json, Ask], Any]) -> Callable[[Told, Ask, Context], Told]:
    """A change of the body of lists of a kind."""

    def changed(answer: Told, ask: Ask, context: Context) -> Told:
        return (200, change(answer[1], ask)) if lists(ask) and answer[0] == 200 else answer

    return changed


@fault("TM-020/names-single-object", "the resource of a list has the name of its first item", ANSWERED)
@of_lists
def names_single_object(body: Json, ask: Ask) -> Json:
    names = [item["resource"]["name"] for item in body["items"]]
    return {**body, "resource": {**body["resource"], "name": (names or ["none"])[0]}}


@fault("TM-020/plain-array", "a list is a plain array", ANSWERED)
@of_lists
def plain_array(body: Json, ask: Ask) -> Any:
    return body["items"]


@fault("TM-020/cluster-wide-list-missing", "lists work for one namespace only", ANSWERED)
def cluster_wide_list_missing(answer: Told, ask: Ask, context: Context) -> Told:
    wide = lists(ask) and not ask.namespace and ask.plural in KINDS and KINDS[ask.plural].namespaced
    return (404, {"kind": "Status", "message": "not found"}) if wide else answer


@fault("TM-022/other-namespaces-included", "a list of one namespace holds the items of all", ASKED)
def other_namespaces_included(ask: Ask, context: Context) -> Ask:
    return replace(ask, namespace="") if lists(ask) else ask


@fault("TM-022/items-of-edge-kind", "a list of pods holds the namespaces of the peers as well", LISTED)
def items_of_edge_kind(items: Items, ask: Ask, context: Context) -> Items:
    if not lists(ask) or ask.plural != "pods":
        return items
    strays = {item["resource"]["namespace"] for item in items}
    return [*items, *({**items[0], "resource": {"kind": "Namespace", "name": name}} for name in sorted(strays))]


@fault("TM-022/second-pod-missing", "of the pods of a Deployment only one is listed", LISTED)
def second_pod_missing(items: Items, ask: Ask, context: Context) -> Items:
    first = {item["resource"]["name"].rpartition("-")[0]: item for item in reversed(items)}
    return [item for item in items if item in first.values()] if lists(ask) and ask.plural == "pods" else items


# Selectors


@fault("TM-024/selector-ignored", "a label selector is ignored", ASKED)
def selector_ignored(ask: Ask, context: Context) -> Ask:
    return replace(ask, selector=())


@fault("TM-024/applied-to-edge-labels", "a label selector is applied to the peers", LISTED)
def applied_to_edge_labels(items: Items, ask: Ask, context: Context) -> Items:
    if not ask.selector or not lists(ask):
        return items
    reading = context.reading(context.flows(context.metrics.span.window))
    everything = sound(replace(ask, selector=()), context.inventory, reading)[1]["items"]
    known = context.inventory.objects(ask.plural)

    def chosen(item: Json) -> bool:
        about = Ref(ask.plural, item["resource"].get("namespace", ""), item["resource"]["name"])
        peers = {ref for flow in reading.flows for ref in _peers(flow, about)}
        return any(fits(ask.selector, known.get(peer, {})) for peer in peers)

    return [item for item in everything if chosen(item)]


def _peers(flow: Flow, about: Ref) -> Iterator[Ref]:
    for own, other in ((flow.source, flow.destination), (flow.destination, flow.source)):
        if own and other and own.within(about):
            yield from other.of(about.plural)


@fault("TM-024/second-requirement-ignored", "of several requirements only the first is applied", ASKED)
def second_requirement_ignored(ask: Ask, context: Context) -> Ask:
    return replace(ask, selector=ask.selector[:1])


def limited(flows: Flows, ask: Ask, context: Context) -> Flows:
    """The counts of servers whose pods carry the labels."""
    labels = context.inventory.objects("pods")

    def carries(member: Member | None) -> bool:
        return member is not None and fits(ask.selector, labels.get(member.pod, {}))

    return only(flows, lambda flow: carries(flow.destination)) if ask.selector else flows


fault("TM-025/selector-in-metric-query", "a label selector limits what is counted", COUNTED)(limited)


@fault("TM-025/aggregate-limited", "an aggregate counts only its pods that carry the labels", COUNTED)
def aggregate_limited(flows: Flows, ask: Ask, context: Context) -> Flows:
    return flows if ask.plural == "pods" else limited(flows, ask, context)


@fault("TM-026/set-based-error", "a set-based selector is an error", ANSWERED)
def set_based_error(answer: Told, ask: Ask, context: Context) -> Told:
    based = any(not requirement.equality for requirement in ask.selector)
    return (400, {"kind": "Status", "message": "unable to parse requirement"}) if based else answer


@fault("TM-026/set-based-ignored", "set-based requirements are ignored", ASKED)
def set_based_ignored(ask: Ask, context: Context) -> Ask:
    return replace(ask, selector=tuple(one for one in ask.selector if one.equality))


@fault("TM-027/echo-missing", "the selector is not echoed", ANSWERED)
@of_lists
def echo_missing(body: Json, ask: Ask) -> Json:
    return {name: value for name, value in body.items() if name != "selector"}


@fault("TM-027/echo-constant", "the echo shows the same selector always", ANSWERED)
@of_lists
def echo_constant(body: Json, ask: Ask) -> Json:
    return {**body, "selector": {"matchLabels": {"app": "foo"}}} if ask.selector else body
