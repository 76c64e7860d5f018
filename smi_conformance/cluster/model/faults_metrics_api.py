"""Defects of the metrics API's registration, of its discovery, and of what it answers where there is nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from smi_conformance.cluster.model.apiserver import Answer, ApiCall
from smi_conformance.cluster.model.metrics import Context
from smi_conformance.cluster.model.metrics_edits import COUNTS, Items, each_metric, metrics_of, with_values
from smi_conformance.cluster.model.switchboard import ANSWERED, API, LISTED, fault
from smi_conformance.model.metrics.answers import Ask, NotServed, not_found
from smi_conformance.model.metrics.items import Json
from smi_conformance.model.metrics.kinds import GROUP, KINDS

Inner = Callable[[ApiCall], Answer]
Told = tuple[int, Any]
REGISTERED = f"/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.{GROUP}"
NOT_FOUND = NotServed(404, "NotFound", "the server could not find the requested resource")
GONE = (404, NOT_FOUND.status)


def is_of_group(call: ApiCall) -> bool:
    """Whether a request is about the metrics API."""
    return call.path.startswith(f"/apis/{GROUP}")


@fault("TM-010/registered-unavailable", "the APIService is there and not available", API)
def registered_unavailable(inner: Inner, call: ApiCall) -> Answer:
    status, body = inner(call)
    if call.path == REGISTERED:
        condition = {"type": "Available", "status": "False", "reason": "MissingEndpoints"}
        return status, {**body, "status": {"conditions": [condition]}}
    return (503, {"kind": "Status", "message": "service unavailable"}) if is_of_group(call) else (status, body)


@fault("TM-010/private-endpoint-only", "nothing is registered: the API is served on an endpoint of its own", API)
def private_endpoint_only(inner: Inner, call: ApiCall) -> Answer:
    return GONE if call.path == REGISTERED or is_of_group(call) else inner(call)


@fault("TM-010/wrong-group-or-version", "the API is registered and served as v1beta1", API)
def wrong_group_or_version(inner: Inner, call: ApiCall) -> Answer:
    if call.path == REGISTERED or call.path.startswith(f"/apis/{GROUP}/v1alpha1"):
        return GONE
    other = f"/apis/{GROUP}/v1beta1"
    served = replace(call, path=call.path.replace(other, f"/apis/{GROUP}/v1alpha1")) if is_of_group(call) else call
    return inner(served)


def discovery(change: Callable[[Json], Json]) -> Callable[[Told, Ask, Context], Told]:
    """A change of the APIResourceList."""

    def changed(answer: Told, ask: Ask, context: Context) -> Told:
        return answer if ask.plural else (answer[0], change(answer[1]))

    return changed


def with_rows(body: Json, change: Callable[[Json], Json | None]) -> Json:
    """Discovery with changed entries; None takes one away."""
    rows = [change(dict(row)) for row in body["resources"]]
    return {**body, "resources": [row for row in rows if row]}


@fault("TM-011/other-kind", "the kind of the entries is that of the objects", ANSWERED)
@discovery
def other_kind(body: Json) -> Json:
    return with_rows(body, lambda row: {**row, "kind": KINDS[row["name"]].kind})


@fault("TM-011/verb-missing", "entries can be got and not listed", ANSWERED)
@discovery
def verb_missing(body: Json) -> Json:
    return with_rows(body, lambda row: {**row, "verbs": ["get"]})


@fault("TM-011/wrong-scope", "pods are listed as cluster-scoped", ANSWERED)
@discovery
def wrong_scope(body: Json) -> Json:
    return with_rows(body, lambda row: {**row, "namespaced": row["namespaced"] and row["name"] != "pods"})


@fault("TM-011/listed-answers-404", "jobs stand in the discovery and are not served", ANSWERED)
def listed_answers_404(answer: Told, ask: Ask, context: Context) -> Told:
    return GONE if ask.plural == "jobs" else answer


@fault("TM-011/group-version-missing", "the list carries no groupVersion", ANSWERED)
@discovery
def group_version_missing(body: Json) -> Json:
    return {name: value for name, value in body.items() if name != "groupVersion"}


def without(*plurals: str) -> Callable[[Told, Ask, Context], Told]:
    """Some kinds are neither named nor served."""

    def changed(answer: Told, ask: Ask, context: Context) -> Told:
        if not ask.plural:
            return answer[0], with_rows(answer[1], lambda row: None if row["name"] in plurals else row)
        return GONE if ask.plural in plurals else answer

    return changed


OTHERS = [plural for plural in KINDS if plural not in ("pods", "deployments")]
fault("TM-012/deployments-missing", "deployments are not served", ANSWERED)(without("deployments"))
fault("TM-012/namespaces-missing", "namespaces are not served", ANSWERED)(without("namespaces"))
fault("TM-013/only-pods-and-deployments", "only pods and deployments are served", ANSWERED)(without(*OTHERS))
fault("TM-013/services-missing", "services are not served", ANSWERED)(without("services"))
fault("TM-014/trafficsplits-missing", "trafficsplits are not served", ANSWERED)(without("trafficsplits"))


@fault("TM-012/singular-names", "names are given in the singular", ANSWERED)
@discovery
def singular_names(body: Json) -> Json:
    return with_rows(body, lambda row: {**row, "name": row["name"].removesuffix("s")})


@fault("TM-014/trafficsplits-cluster-scoped", "trafficsplits are listed as cluster-scoped", ANSWERED)
@discovery
def trafficsplits_cluster_scoped(body: Json) -> Json:
    return with_rows(body, lambda row: {**row, "namespaced": row["namespaced"] and row["name"] != "trafficsplits"})


def other_object(ask: Ask, context: Context) -> Json:
    """What some other object of the kind is answered with."""
    from smi_conformance.model.metrics.answers import total_of  # noqa: PLC0415

    known = sorted(ref for ref in context.inventory.objects(ask.plural) if ref.namespace == ask.namespace)
    return total_of(known[0], context.reading(context.flows(context.metrics.span.window)))


@fault("TM-028/other-objects-numbers", "an unknown object is answered with the numbers of another", ANSWERED)
def other_objects_numbers(answer: Told, ask: Ask, context: Context) -> Told:
    unknown = answer[0] == 404 and ask.name and ask.plural in KINDS and not ask.subresource
    return (200, other_object(ask, context)) if unknown else answer


@fault("TM-028/body-not-status", "the body of a 404 is no Status", ANSWERED)
def body_not_status(answer: Told, ask: Ask, context: Context) -> Told:
    return (404, {"error": "unable to lookup metrics"}) if answer[0] == 404 else answer


@fault("TM-028/unknown-object-zero", "an unknown object is answered with zero counts", ANSWERED)
def unknown_object_zero(answer: Told, ask: Ask, context: Context) -> Told:
    if answer[0] != 404 or not ask.name or ask.plural not in KINDS or ask.subresource:
        return answer
    named = {**other_object(ask, context), "resource": {"kind": KINDS[ask.plural].kind, "name": ask.name}}
    return 200, with_values(named, dict.fromkeys(COUNTS, 0))


def is_idle(answer: Told, ask: Ask) -> bool:
    """Whether an object without traffic was asked for."""
    one = answer[0] == 200 and bool(ask.name) and not ask.subresource and "edge" in answer[1]
    return one and all(metrics_of(answer[1])[name]["value"] == "0" for name in COUNTS)


@fault("TM-029/idle-is-500", "an object without traffic is answered with 500", ANSWERED)
def idle_is_500(answer: Told, ask: Ask, context: Context) -> Told:
    return (500, {"kind": "Status", "message": "unable to lookup metrics"}) if is_idle(answer, ask) else answer


@fault("TM-029/idle-not-a-number", "the values of an object without traffic are NaN", ANSWERED)
def idle_not_a_number(answer: Told, ask: Ask, context: Context) -> Told:
    return (200, each_metric([answer[1]], lambda m: {**m, "value": "NaN"})[0]) if is_idle(answer, ask) else answer


@fault("TM-021/list-for-get", "one object by name is answered with a list", ANSWERED)
def list_for_get(answer: Told, ask: Ask, context: Context) -> Told:
    one = answer[0] == 200 and ask.name and not ask.subresource and ask.plural != "trafficsplits"
    return (200, {"kind": "TrafficMetricsList", "items": [answer[1]]}) if one else answer


@fault("TM-021/other-object", "one object by name is answered with another", ANSWERED)
def answered_with_other(answer: Told, ask: Ask, context: Context) -> Told:
    one = answer[0] == 200 and ask.name and not ask.subresource and ask.plural == "pods"
    return (200, other_object(ask, context)) if one else answer


@fault("TM-021/get-list-disagree", "one object by name counts one more than in the list", LISTED)
def get_list_disagree(items: Items, ask: Ask, context: Context) -> Items:
    if not ask.name or ask.subresource or ask.plural == "trafficsplits":
        return items
    return [with_values(one, {COUNTS[0]: int(metrics_of(one)[COUNTS[0]]["value"]) + 1}) for one in items]


@fault("TM-021/namespace-get-missing", "namespaces cannot be read by name", ANSWERED)
def namespace_get_missing(answer: Told, ask: Ask, context: Context) -> Told:
    one = ask.plural == "namespaces" and ask.name and not ask.subresource
    return (404, not_found(ask.ref).status) if one else answer
