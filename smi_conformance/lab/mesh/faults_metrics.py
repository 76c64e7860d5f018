"""Defects of the metrics API: discovery, lists, objects and selectors, and the items themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from smi_conformance.lab.mesh.model import Json
from smi_conformance.lab.mesh.switchboard import fault
from smi_conformance.model.metrics.answers import Ask, no_such_path
from smi_conformance.model.metrics.items import Reading, edge, item
from smi_conformance.model.metrics.kinds import KINDS, SPLITS
from smi_conformance.model.metrics.selectors import fits
from smi_conformance.model.metrics.traffic import Flows, Member, Tally

Answer = tuple[int, Any]
SUCCESS, FAILURE = "success_count", "failure_count"
LATENCIES = ("p99_response_latency", "p90_response_latency", "p50_response_latency")


def on_items(name: str, text: str) -> Callable[[Callable[[Json, Ask], Json]], Callable[[Json, Ask], Json]]:
    """Register a change of each item."""

    def register(change: Callable[[Json, Ask], Json]) -> Callable[[Json, Ask], Json]:
        fault(name, text, "listed")(lambda items, ask: [change(one, ask) for one in items])
        return change

    return register


def on_discovery(name: str, text: str) -> Callable[[Callable[[Json], Json]], Callable[[Json], Json]]:
    """Register a change of each entry of the discovery."""

    def register(change: Callable[[Json], Json]) -> Callable[[Json], Json]:
        def changed(answer: Answer, ask: Ask) -> Answer:
            code, body = answer
            return answer if ask.plural else (code, {**body, "resources": [change(one) for one in body["resources"]]})

        fault(name, text, "answered")(changed)
        return change

    return register


def not_there() -> Answer:
    """404, as for a path that nothing is served at."""
    error = no_such_path()
    return error.code, error.status


def without(name: str, text: str, gone: Callable[[str], bool]) -> None:
    """Register a switch that serves no kind that is gone."""

    def changed(answer: Answer, ask: Ask) -> Answer:
        code, body = answer
        if ask.plural:
            return not_there() if gone(ask.plural) else answer
        return code, {**body, "resources": [one for one in body["resources"] if not gone(one["name"])]}

    fault(name, text, "answered")(changed)


def is_list(ask: Ask) -> bool:
    """Whether a list of a kind is asked for."""
    return bool(ask.plural) and not ask.name


def count(one: Json, name: str) -> int:
    """The value of a count."""
    return next(int(metric["value"]) for metric in one["metrics"] if metric["name"] == name)


def with_counts(one: Json, success: int, failure: int) -> Json:
    """The same with other counts."""
    values = {SUCCESS: str(success), FAILURE: str(failure)}
    return {**one, "metrics": [{**m, "value": values.get(m["name"], m["value"])} for m in one["metrics"]]}


def each_metric(one: Json, change: Callable[[Json], Json | None]) -> Json:
    """The same with other metrics; None leaves one out."""
    changed = [change(dict(metric)) for metric in one["metrics"]]
    return {**one, "metrics": [metric for metric in changed if metric is not None]}


def on_latencies(name: str, text: str) -> Callable[[Callable[[Json], Json | None]], Callable[[Json], Json | None]]:
    """Register a change of each latency."""

    def register(change: Callable[[Json], Json | None]) -> Callable[[Json], Json | None]:
        def changed(one: Json, ask: Ask) -> Json:
            return each_metric(one, lambda metric: change(metric) if metric["name"] in LATENCIES else metric)

        on_items(name, text)(changed)
        return change

    return register


@fault("TM-010/registered-unavailable", "discovery is answered with 500", "answered")
def registered_unavailable(answer: Answer, ask: Ask) -> Answer:
    return answer if ask.plural else (500, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500})


@on_discovery("TM-011/other-kind", "entries have the kind of their objects")
def other_kind(entry: Json) -> Json:
    return {**entry, "kind": KINDS[entry["name"]].kind}


@on_discovery("TM-011/verb-missing", "entries have no verb list")
def verb_missing(entry: Json) -> Json:
    return {**entry, "verbs": ["get"]}


@on_discovery("TM-011/wrong-scope", "pods are listed as cluster-scoped")
def wrong_scope(entry: Json) -> Json:
    return {**entry, "namespaced": entry["namespaced"] and entry["name"] != "pods"}


@on_discovery("TM-012/singular-names", "names are in the singular")
def singular_names(entry: Json) -> Json:
    return {**entry, "name": entry["name"].removesuffix("s")}


@on_discovery("TM-014/trafficsplits-cluster-scoped", "trafficsplits are listed as cluster-scoped")
def splits_cluster_scoped(entry: Json) -> Json:
    return {**entry, "namespaced": entry["namespaced"] and entry["name"] != SPLITS}


@fault("TM-011/listed-answers-404", "services are in the discovery and answered with 404", "answered")
def listed_answers_404(answer: Answer, ask: Ask) -> Answer:
    return not_there() if ask.plural == "services" else answer


@fault("TM-011/group-version-missing", "the discovery has no groupVersion", "answered")
def group_version_missing(answer: Answer, ask: Ask) -> Answer:
    code, body = answer
    return answer if ask.plural else (code, {k: v for k, v in body.items() if k != "groupVersion"})


without("TM-012/deployments-missing", "deployments are not served", lambda plural: plural == "deployments")
without("TM-012/namespaces-missing", "namespaces are not served", lambda plural: plural == "namespaces")
without("TM-013/services-missing", "services are not served", lambda plural: plural == "services")
without("TM-014/trafficsplits-missing", "trafficsplits are not served", lambda plural: plural == SPLITS)
without(
    "TM-013/only-pods-and-deployments", "of all kinds but namespaces and splits only pods and deployments are served",
    lambda plural: plural not in ("pods", "deployments", "namespaces", SPLITS),
)  # fmt: skip


@fault("TM-020/names-single-object", "the resource of a list names its first item", "answered")
def names_single_object(answer: Answer, ask: Ask) -> Answer:
    code, body = answer
    if not is_list(ask) or code != 200:
        return answer
    return code, {**body, "resource": {**body["resource"], "name": "first"}}


@fault("TM-020/plain-array", "a list is an array", "answered")
def plain_array(answer: Answer, ask: Ask) -> Answer:
    return (200, answer[1]["items"]) if is_list(ask) and answer[0] == 200 else answer


@fault("TM-020/cluster-wide-list-missing", "lists are of one namespace only", "answered")
def cluster_wide_list_missing(answer: Answer, ask: Ask) -> Answer:
    missing = is_list(ask) and not ask.namespace and ask.plural in KINDS and KINDS[ask.plural].namespaced
    return not_there() if missing else answer


@fault("TM-021/list-for-get", "an object is answered as a list of one", "answered")
def list_for_get(answer: Answer, ask: Ask) -> Answer:
    code, body = answer
    single = code == 200 and body.get("kind") == "TrafficMetrics"
    return (200, {"kind": "TrafficMetricsList", "resource": body["resource"], "items": [body]}) if single else answer


@on_items("TM-021/other-object", "the resource of an object that was asked for is another")
def other_object(one: Json, ask: Ask) -> Json:
    if is_list(ask) or ask.subresource or ask.plural == SPLITS:
        return one
    return {**one, "resource": {**one["resource"], "name": f"{ask.name}-other"}}


@on_items("TM-021/get-list-disagree", "the counts of an object that was asked for are doubled")
def get_list_disagree(one: Json, ask: Ask) -> Json:
    if is_list(ask) or ask.subresource or ask.plural == SPLITS:
        return one
    return with_counts(one, 2 * count(one, SUCCESS), 2 * count(one, FAILURE))


@fault("TM-021/namespace-get-missing", "namespaces cannot be read by name", "answered")
def namespace_get_missing(answer: Answer, ask: Ask) -> Answer:
    return not_there() if ask.plural == "namespaces" and ask.name and not ask.subresource else answer


@fault("TM-022/other-namespaces-included", "a list of a namespace has the items of all", "asked")
def other_namespaces_included(ask: Ask) -> Ask:
    return replace(ask, namespace="") if is_list(ask) else ask


@fault("TM-022/items-of-edge-kind", "the items of lists of deployments are pods", "asked")
def items_of_edge_kind(ask: Ask) -> Ask:
    return replace(ask, plural="pods" if ask.plural == "deployments" else "deployments") if _pods(ask) else ask


def _pods(ask: Ask) -> bool:
    return is_list(ask) and ask.plural in ("pods", "deployments")


@fault("TM-022/second-pod-missing", "a list of pods has one item", "listed")
def second_pod_missing(items: list[Json], ask: Ask) -> list[Json]:
    return items[:1] if is_list(ask) and ask.plural == "pods" else items


@fault("TM-024/selector-ignored", "selectors are ignored", "asked")
def selector_ignored(ask: Ask) -> Ask:
    return replace(ask, selector=())


@fault("TM-024/second-requirement-ignored", "of the requirements of a selector the first counts", "asked")
def second_requirement_ignored(ask: Ask) -> Ask:
    return replace(ask, selector=ask.selector[:1])


def labelled(member: Member | None, ask: Ask) -> bool:
    """Whether a pod has the labels that are asked for."""
    return member is not None and fits(ask.selector, dict(member.labels))


@fault("TM-024/applied-to-edge-labels", "a selector is applied to the labels of the peers", "asked")
@fault("TM-024/applied-to-edge-labels", "a selector is applied to the labels of the peers", "counted")
class AppliedToEdgeLabels:
    """Takes the selector from the request, and remembers it for the counts."""

    def __init__(self) -> None:
        self._ask = Ask()

    def __call__(self, first: Any, ask: Ask | None = None) -> Any:
        if ask is None:
            self._ask = first
            return replace(first, selector=())
        return {flow: tally for flow, tally in first.items() if labelled(flow.source, self._ask)}


@fault("TM-025/selector-in-metric-query", "a selector limits the counts to callers with the labels", "counted")
def selector_in_metric_query(flows: Flows, ask: Ask) -> Flows:
    return {flow: tally for flow, tally in flows.items() if not ask.selector or labelled(flow.source, ask)}


@fault("TM-025/aggregate-limited", "a selector limits aggregates to pods with the labels", "counted")
def aggregate_limited(flows: Flows, ask: Ask) -> Flows:
    if ask.plural == "pods" or not ask.selector:
        return flows
    return {
        flow: tally if labelled(flow.destination if flow.side == "server" else flow.source, ask) else Tally()
        for flow, tally in flows.items()
    }


@fault("TM-026/set-based-error", "selectors that are not of equality are answered with 500", "answered")
def set_based_error(answer: Answer, ask: Ask) -> Answer:
    if all(one.equality for one in ask.selector):
        return answer
    return 500, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500}


@fault("TM-026/set-based-ignored", "requirements that are not of equality are ignored", "asked")
def set_based_ignored(ask: Ask) -> Ask:
    return replace(ask, selector=tuple(one for one in ask.selector if one.equality))


@fault("TM-027/echo-missing", "selectors are not echoed", "answered")
def echo_missing(answer: Answer, ask: Ask) -> Answer:
    code, body = answer
    return (code, {k: v for k, v in body.items() if k != "selector"}) if ask.selector else answer


@fault("TM-027/echo-constant", "the echo is always the same", "answered")
def echo_constant(answer: Answer, ask: Ask) -> Answer:
    code, body = answer
    return (code, {**body, "selector": {"matchLabels": {"app": "any"}}}) if ask.selector else answer


def is_unknown(answer: Answer, ask: Ask) -> bool:
    """Whether an object was asked for that does not exist."""
    return answer[0] == 404 and ask.plural in KINDS and bool(ask.name)


@fault("TM-028/other-objects-numbers", "an unknown object has the numbers of the last one", "answered")
class OtherObjectsNumbers:
    """Remembers the last object that was read."""

    def __init__(self) -> None:
        self._last: Answer = (200, zero(Ask("pods", "default", "none")))

    def __call__(self, answer: Answer, ask: Ask) -> Answer:
        if is_unknown(answer, ask):
            return self._last
        if answer[0] == 200 and ask.name:
            self._last = answer
        return answer


@fault("TM-028/body-not-status", "a 404 is no Status", "answered")
def body_not_status(answer: Answer, ask: Ask) -> Answer:
    return (404, {"error": "not found"}) if answer[0] == 404 else answer


@fault("TM-028/unknown-object-zero", "an unknown object has zero counts", "answered")
def unknown_object_zero(answer: Answer, ask: Ask) -> Answer:
    return (200, zero(ask)) if is_unknown(answer, ask) else answer


def zero(ask: Ask) -> Json:
    """An item without requests."""
    return item(ask.ref, edge("from", "server"), Tally(), Reading({}, 0.0, 30.0))


def is_idle(answer: Answer, ask: Ask) -> bool:
    """Whether the answer is an object without requests."""
    code, body = answer
    return code == 200 and body.get("kind") == "TrafficMetrics" and count(body, SUCCESS) + count(body, FAILURE) == 0


@fault("TM-029/idle-is-500", "an idle object is answered with 500", "answered")
def idle_is_500(answer: Answer, ask: Ask) -> Answer:
    return (500, {"kind": "Status", "apiVersion": "v1", "code": 500}) if is_idle(answer, ask) else answer


@fault("TM-029/idle-not-a-number", "the values of an idle object are NaN", "answered")
def idle_not_a_number(answer: Answer, ask: Ask) -> Answer:
    return (200, each_metric(answer[1], lambda m: {**m, "value": "NaN"})) if is_idle(answer, ask) else answer


@on_items("TM-030/edge-missing", "items have no edge")
def edge_missing(one: Json, ask: Ask) -> Json:
    return {key: value for key, value in one.items() if key != "edge"}


@on_items("TM-030/value-not-quantity", "values are objects")
def value_not_quantity(one: Json, ask: Ask) -> Json:
    return each_metric(one, lambda metric: {**metric, "value": {"number": metric["value"]}})


@on_items("TM-030/metrics-is-map", "metrics are a map")
def metrics_is_map(one: Json, ask: Ask) -> Json:
    return {**one, "metrics": {metric["name"]: metric["value"] for metric in one["metrics"]}}


@on_items("TM-030/duplicate-names", "the first metric is there twice")
def duplicate_names(one: Json, ask: Ask) -> Json:
    return {**one, "metrics": [one["metrics"][0], *one["metrics"]]}


@on_items("TM-031/failure-count-missing", "failure_count is missing when it is 0")
def failure_count_missing(one: Json, ask: Ask) -> Json:
    return each_metric(one, lambda metric: None if (metric["name"], metric["value"]) == (FAILURE, "0") else metric)


@on_latencies("TM-031/percentile-missing", "p90 is missing")
def percentile_missing(metric: Json) -> Json | None:
    return None if metric["name"].startswith("p90") else metric


@on_items("TM-031/names-differ", "names are spelled with dashes")
def names_differ(one: Json, ask: Ask) -> Json:
    return each_metric(one, lambda metric: {**metric, "name": metric["name"].replace("_", "-")})


@fault("TM-031/missing-on-second-item", "from the second item on p99 is missing", "listed")
def missing_on_second_item(items: list[Json], ask: Ask) -> list[Json]:
    return [*items[:1], *({**one, "metrics": one["metrics"][1:]} for one in items[1:])]
