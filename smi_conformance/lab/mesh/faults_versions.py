"""Defects in the reader of one API version, and in the conversion between versions (API-050 to API-061, SP-012).

Where a defect does away with something as an object is written, the object that is stored lacks it for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from smi_conformance.lab.mesh import policy, quantities
from smi_conformance.lab.mesh.conversion import ConversionError, with_kept
from smi_conformance.lab.mesh.faults_access import by_destination
from smi_conformance.lab.mesh.model import HeaderFilter, HttpMatch, Json, State, Target
from smi_conformance.lab.mesh.policy import HttpRule, Inbound
from smi_conformance.lab.mesh.switchboard import fault
from smi_conformance.lab.mesh.versions import VOID, kept_of

AT_FIRST, BEFORE_SPEC, NOT_STORED = ("v1alpha1",), ("v1alpha1", "v1alpha2"), ("v1alpha1", "v1alpha2", "v1alpha4")
PORT = "(:[0-9]+)?"


def body(item: Json) -> Json:
    """Where the fields of an object are, in whichever layout; what is changed there is changed in the object."""
    found: Json = item.get("spec", item)
    return found


def without_kept(item: Json, name: str) -> Json:
    """The object without one of the things that travel beside it."""
    kept = {key: value for key, value in kept_of(item).items() if key != name}
    return item | {"metadata": with_kept(item["metadata"], kept)}


@fault(
    "API-050/port-lost-in-conversion",
    "destination.port gets lost on the way to another version",
    "convert",
    versions=BEFORE_SPEC,
)
def port_lost(item: Json, _written: Json) -> Json:
    return without_kept(item, "port") if item["kind"] == "TrafficTarget" else item


@fault("API-050/fields-lost-in-conversion", "of a v1alpha1 TrafficTarget nothing is read", "convert", versions=AT_FIRST)
@fault("API-061/v1alpha1-layout-ignored", "of a v1alpha1 TrafficTarget nothing is read", "convert", versions=AT_FIRST)
def layout_ignored(item: Json, _written: Json) -> Json:
    return item | {"spec": {}} if item["kind"] == "TrafficTarget" else item


@fault(
    "API-050/non-storage-version-unenforced",
    "TrafficTargets of other versions than v1alpha3 grant nothing",
    "convert",
    versions=NOT_STORED,
)
def others_unenforced(item: Json, _written: Json) -> Json:
    if item["kind"] != "TrafficTarget":
        return item
    kept = kept_of(item) | {VOID: {"rules": body(item).get("rules", [])}}
    return item | {"metadata": with_kept(item["metadata"], kept)}


@fault("API-050/namespace-lost-in-conversion", "sources lose their namespace on the way to another version", "convert")
def namespace_lost(item: Json, _written: Json) -> Json:
    for source in body(item).get("sources", ()):
        source.pop("namespace", None)
    return item


@fault(
    "API-051/matches-dropped", "matches at the top level of a route group are not read", "convert", versions=BEFORE_SPEC
)
def top_level_matches_dropped(item: Json, _written: Json) -> Json:
    return item | {"spec": {"matches": []}} if item["kind"] == "HTTPRouteGroup" and "spec" in item else item


@fault("API-051/header-filters-lost", "header filters get lost on the way to another version", "convert")
def header_filters_lost(item: Json, _written: Json) -> Json:
    if item["kind"] == "HTTPRouteGroup":
        for match in body(item).get("matches", ()):
            match.pop("headers", None)
    return item


EMPTIED = "ports of a TCPRoute get lost on the way to another version, and the mesh watches v1alpha3"


@fault("API-051/ports-emptied", EMPTIED, "convert")
def ports_emptied(item: Json, _written: Json) -> Json:
    return without_kept(item, "spec") if item["kind"] == "TCPRoute" else item


@fault("API-051/ports-emptied", EMPTIED, "state")
def empty_ports_seen(state: State) -> State:
    return replace(state, tcp_routes=dict.fromkeys(state.tcp_routes))


DIGITS_ONLY = "of a v1alpha1 weight only the digits are read"


@fault("API-052/milli-read-as-digits", DIGITS_ONLY, "convert", versions=AT_FIRST)
@fault("SP-012/unit-ignored", DIGITS_ONLY, "convert", versions=AT_FIRST)
def digits_only(item: Json, written: Json) -> Json:
    return reweighted(item, written, lambda text: int("".join(re.findall("[0-9]", text)) or 0))


TRUNCATED = "v1alpha1 weights are rounded down to whole numbers"


@fault("API-052/fraction-truncated", TRUNCATED, "convert", versions=AT_FIRST)
@fault("SP-012/fractions-rounded", TRUNCATED, "convert", versions=AT_FIRST)
def truncated(item: Json, written: Json) -> Json:
    return reweighted(item, written, lambda text: int(quantities.value(text)))


def reweighted(item: Json, written: Json, weigh: Callable[[str], int]) -> Json:
    """The split with weights made of the text of those that were written."""
    if item["kind"] == "TrafficSplit":
        for backend, before in zip(body(item)["backends"], body(written)["backends"], strict=True):
            backend["weight"] = weigh(str(before["weight"]))
    return item


@fault("API-052/weights-reordered", "on the way to another version weights change places", "convert")
def weights_reordered(item: Json, _written: Json) -> Json:
    if item["kind"] == "TrafficSplit":
        backends = body(item)["backends"]
        for backend, weight in zip(backends, [other["weight"] for other in reversed(backends)], strict=True):
            backend["weight"] = weight
    return item


@fault("SP-012/milli-refused", "a v1alpha1 split with a weight like 500m is refused", "convert", versions=AT_FIRST)
def milli_refused(item: Json, written: Json) -> Json:
    if item["kind"] == "TrafficSplit":
        for backend in body(written)["backends"]:
            if str(backend["weight"]).endswith("m"):
                raise ConversionError(f"the weight {backend['weight']} is no number")
    return item


def with_references(item: Json, change: Callable[[Sequence[Json]], Sequence[Json]]) -> Json:
    """The split with other references to route groups."""
    if item["kind"] == "TrafficSplit" and "matches" in body(item):
        body(item)["matches"] = list(change(body(item)["matches"]))
    return item


@fault("API-053/matches-dropped", "references of a split get lost on the way to another version", "convert")
def references_dropped(item: Json, _written: Json) -> Json:
    return with_references(item, lambda _references: ())


@fault("API-053/second-reference-dropped", "only a split's first reference gets to another version", "convert")
def second_reference_dropped(item: Json, _written: Json) -> Json:
    return with_references(item, lambda references: references[:1])


@fault("API-061/rules-not-read", "rules are looked for where v1alpha1 has them only", "state")
def rules_not_read(state: State) -> State:
    return replace(state, targets=tuple(replace(target, rules=()) for target in state.targets))


@fault("TA-080/port-ignored", "destination.port is ignored", "state")
def port_ignored(state: State) -> State:
    return replace(state, targets=tuple(replace(target, port=None) for target in state.targets))


@fault("TA-080/second-target-port-ignored", "of a destination's TrafficTargets the first one's port counts", "state")
def second_target_port_ignored(state: State) -> State:
    def with_first_port(targets: list[Target]) -> list[Target]:
        return [replace(target, port=targets[0].port) for target in targets]

    return by_destination(state, with_first_port)


@fault("TA-080/one-service-only", "destination.port limits requests to one of several Services only", "inbound")
def one_service_only(inbound: Inbound, state: State) -> Inbound:
    services = sorted(service.name for service in policy.selecting(state, inbound.pod))
    others = "|".join(re.escape(name.name) for name in services[1:])
    host = HeaderFilter(":authority", rf"({others})(\..*)?{PORT}")
    grants = [replace(g, limit=None) for g in policy.grants_for(state, inbound.pod) if g.limit is not None]
    rules = [rule for grant in grants for rule in policy.http_rules(grant)] if others else []
    return inbound.with_rules(*(_for_host(rule, host) for rule in rules))


def _for_host(rule: HttpRule, host: HeaderFilter) -> HttpRule:
    match = rule.request or HttpMatch()
    return replace(rule, request=replace(match, headers=(*match.headers, host)))
