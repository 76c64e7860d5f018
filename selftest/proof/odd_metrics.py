"""What a metrics server should never answer, as switches of the model that the register does not know.

    python -m selftest.proof.odd_metrics run --cluster model --fault PLANTED/html

runs the command line with these switches beside the usual ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from smi_conformance.cluster.model.apiserver import Answer, ApiCall
from smi_conformance.cluster.model.metrics import Context
from smi_conformance.cluster.model.metrics_edits import COUNTS, Items, lists, with_values
from smi_conformance.cluster.model.switchboard import API, LISTED, fault
from smi_conformance.cluster.model.traffic import EPOCH
from smi_conformance.model.metrics.answers import Ask
from smi_conformance.model.metrics.items import instant

Inner = Callable[[ApiCall], Answer]
BASE, PROXY = "/apis/metrics.smi-spec.io", "/proxy/api/v1/query"
ODD: dict[str, tuple[str, Callable[..., Any]]] = {}
MINUTES = 300.0  # seconds by which the clock of a server is off
MANY = 2000  # pods that nobody has heard of


def odd(slug: str, at: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """List a switch under PLANTED/slug; its docstring says what is wrong."""

    def listed(hook: Callable[..., Any]) -> Callable[..., Any]:
        ODD[f"PLANTED/{slug}"] = at, hook
        return hook

    return listed


def below(call: ApiCall) -> bool:
    """Whether something of the API is asked for, and not the discovery."""
    return call.path.startswith(BASE) and len(call.parts) > 3


@odd("absent", API)
def absent(inner: Inner, call: ApiCall) -> Answer:
    """There is no metrics API."""
    status = {"kind": "Status", "message": "the server could not find the requested resource"}
    return (404, status) if call.path.startswith(BASE) or "/apiservices/" in call.path else inner(call)


@odd("no-endpoints", API)
def no_endpoints(inner: Inner, call: ApiCall) -> Answer:
    """The APIService has no endpoints."""
    return (503, "service unavailable\\n") if call.path.startswith(BASE) else inner(call)


@odd("server-error", API)
def server_error(inner: Inner, call: ApiCall) -> Answer:
    """Everything but the discovery is a server error."""
    return (500, {"kind": "Status", "message": "unable to lookup metrics"}) if below(call) else inner(call)


@odd("html", API)
def html(inner: Inner, call: ApiCall) -> Answer:
    """Everything but the discovery is a page."""
    return (200, "<!doctype html><title>Welcome</title>") if below(call) else inner(call)


@odd("html-discovery", API)
def html_discovery(inner: Inner, call: ApiCall) -> Answer:
    """The discovery is a page, too."""
    return (200, "<!doctype html><title>Welcome</title>") if call.path.startswith(BASE) else inner(call)


@odd("not-a-number", LISTED)
def not_a_number(items: Items, ask: Ask, context: Context) -> Items:
    """All counts are NaN."""
    return [with_values(item, dict.fromkeys(COUNTS, "NaN")) for item in items]


@odd("negative", LISTED)
def negative(items: Items, ask: Ask, context: Context) -> Items:
    """All counts are below zero."""
    return [with_values(item, dict.fromkeys(COUNTS, -1)) for item in items]


@odd("empty-objects", LISTED)
def empty_objects(items: Items, ask: Ask, context: Context) -> Items:
    """Items are null or empty."""
    return [None, {}, *([[]] if items else [])]  # type: ignore[list-item]


@odd("clock", LISTED)
def clock(items: Items, ask: Ask, context: Context) -> Items:
    """The clock of the server is minutes ahead."""
    return [{**item, "timestamp": instant(EPOCH + context.now + MINUTES)} for item in items]


# Of a Prometheus


@odd("prometheus-down", API)
def prometheus_down(inner: Inner, call: ApiCall) -> Answer:
    """Nobody is behind its Service."""
    return (503, "no endpoints available for service") if PROXY in call.path else inner(call)


@odd("prometheus-page", API)
def prometheus_page(inner: Inner, call: ApiCall) -> Answer:
    """Something else is behind its Service."""
    return (200, "<!doctype html><title>Welcome</title>") if PROXY in call.path else inner(call)


@odd("prometheus-nan", API)
def prometheus_nan(inner: Inner, call: ApiCall) -> Answer:
    """Whatever is evaluated as of some time is NaN."""
    status, body = inner(call)
    if PROXY not in call.path or "time" not in call.query:
        return status, body
    result = [{**one, "value": [one["value"][0], "NaN"]} for one in body["data"]["result"]]
    return status, {**body, "data": {**body["data"], "result": result}}


@odd("thousands", LISTED)
def thousands(items: Items, ask: Ask, context: Context) -> Items:
    """Thousands of other pods have traffic, too."""
    if not lists(ask) or ask.plural != "pods" or ask.namespace or not items:
        return items
    others = [{**items[0], "resource": {"kind": "Pod", "namespace": "far", "name": f"p{n}"}} for n in range(MANY)]
    return [*items, *others]


def register() -> None:
    """Make them switches of the model. Not on import: the register knows nothing of them."""
    for name, (at, hook) in ODD.items():
        fault(name, str(hook.__doc__), at)(hook)


if __name__ == "__main__":
    from smi_conformance.cli import main

    register()
    main()
    sys.exit()
