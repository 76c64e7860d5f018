"""Defects that are made in a proxy's configuration itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from smi_conformance.lab.mesh import envoy, lua, splits
from smi_conformance.lab.mesh.envoy import Resources
from smi_conformance.lab.mesh.faults_routes import with_headers
from smi_conformance.lab.mesh.model import ANYONE, HeaderFilter, HttpMatch, Json, Name, Pod, State
from smi_conformance.lab.mesh.policy import HttpRule, Inbound
from smi_conformance.lab.mesh.switchboard import fault

CONNECTION = envoy.INTERNAL_HEADER + "connection"
GENERATION = envoy.INTERNAL_HEADER + "generation"
JUDGED = envoy.INTERNAL_HEADER + "judged"
FIRST = envoy.INTERNAL_HEADER + "first-"


def insert_filters(resources: Resources, listener: str, filters: Sequence[Json], *, first: bool) -> None:
    """Put HTTP filters into all managers of a listener: before all others, or just before the router."""
    for manager in resources.managers(listener):
        place = 0 if first else len(manager["http_filters"]) - 1
        manager["http_filters"][place:place] = filters


def script(text: str) -> Json:
    """A Lua filter."""
    return envoy.named("lua", "extensions.filters.http.lua.v3.Lua", default_source_code={"inline_string": text})


def note_connection() -> Json:
    """Writes the number of the client's connection into a header."""
    header = {"header": {"key": CONNECTION, "value": "%CONNECTION_ID%"}}
    mutation = {"append": header | {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    kind = "extensions.filters.http.header_mutation.v3.HeaderMutation"
    return envoy.named("connection", kind, mutations={"request_mutations": [mutation]})


def hide(resources: Resources, routes: str, *headers: str) -> None:
    """Keep headers of the proxies' own from what the application gets."""
    for configuration in resources.routes:
        if configuration["name"] == routes:
            configuration.setdefault("request_headers_to_remove", []).extend(headers)


def inbound_routes(resources: Resources) -> list[Json]:
    """The routes by which requests reach the application over mutual TLS."""
    found = [c for c in resources.routes if c["name"] == "inbound"]
    return [route for configuration in found for route in configuration["virtual_hosts"][0]["routes"]]


@fault("TA-020/answered-by-proxy", "granted requests are answered by the proxy", "proxy")
def answered_by_proxy(resources: Resources, _state: State, _pod: Pod) -> Resources:
    for route in inbound_routes(resources):
        del route["route"]
        route["direct_response"] = {"status": 200, "body": {"inline_string": "ok\n"}}
    return resources


KEPT_ALIVE = "only the first request of a client's connection is checked"
JUDGED_ONCE = "all requests on a client's connection are judged as the first one was"


@fault("TA-021/kept-alive-unchecked", KEPT_ALIVE, "inbound")
@fault("SP-200/kept-alive-judged-once", JUDGED_ONCE, "inbound")
def judged_requests_pass(inbound: Inbound, _state: State) -> Inbound:
    judged = HttpMatch(headers=(HeaderFilter(JUDGED, "passed", "exact"),))
    return inbound.with_rules(HttpRule((ANYONE,), request=judged))


@fault("TA-021/kept-alive-unchecked", KEPT_ALIVE, "proxy")
def kept_alive_unchecked(resources: Resources, _state: State, _pod: Pod) -> Resources:
    return _remember_judgement(resources, "false")


@fault("SP-200/kept-alive-judged-once", JUDGED_ONCE, "proxy")
def kept_alive_judged_once(resources: Resources, _state: State, _pod: Pod) -> Resources:
    return _remember_judgement(resources, "true")


def _remember_judgement(resources: Resources, once: str) -> Resources:
    filters = [note_connection(), script(f"local JUDGED_ONCE = {once}\n{lua.JUDGED}")]
    insert_filters(resources, "outbound", filters, first=True)
    hide(resources, "inbound", JUDGED)
    return resources


def _decide_late(resources: Resources, mode: str) -> Resources:
    """The rules only tell what they would have decided; a script acts on it."""
    for route in inbound_routes(resources):
        for per_route in route["typed_per_filter_config"].values():
            per_route["rbac"] = {"shadow_rules": per_route["rbac"]["rules"]}
    insert_filters(resources, "inbound", [script(f'local MODE = "{mode}"\n{lua.LATE}')], first=False)
    return resources


@fault("TA-040/response-dropped", "denied requests are delivered and their responses dropped", "proxy")
def response_dropped(resources: Resources, _state: State, _pod: Pod) -> Resources:
    return _decide_late(resources, "response")


@fault("TA-040/decision-after-headers", "the headers of denied requests are delivered, their bodies not", "proxy")
def decision_after_headers(resources: Resources, _state: State, _pod: Pod) -> Resources:
    return _decide_late(resources, "headers")


@fault("TA-040/large-body-passes", "denied requests with streamed or large bodies are delivered", "proxy")
def large_body_passes(resources: Resources, _state: State, _pod: Pod) -> Resources:
    return _decide_late(resources, "streamed")


FIRST_VALUE = "of a header with several values only the first one is judged"


@fault("TS-030/first-value-only", FIRST_VALUE, "inbound")
def judge_first_value(inbound: Inbound, _state: State) -> Inbound:
    return with_headers(inbound, lambda header: replace(header, name=FIRST + header.name))


@fault("TS-030/first-value-only", FIRST_VALUE, "proxy")
def note_first_values(resources: Resources, _state: State, _pod: Pod) -> Resources:
    insert_filters(resources, "inbound", [script(lua.FIRST_VALUES)], first=True)
    forget = script(
        "function envoy_on_request(handle)\n  local found = {}\n"
        "  for name in pairs(handle:headers()) do\n"
        f'    if string.sub(name, 1, {len(FIRST)}) == "{FIRST}" then found[#found + 1] = name end\n  end\n'
        "  for _, name in ipairs(found) do handle:headers():remove(name) end\nend\n"
    )
    insert_filters(resources, "inbound", [forget | {"name": "forget"}], first=False)
    return resources


@fault("SP-032/old-connections-keep-weights", "connections keep the weights of their first request for good", "proxy")
class OldConnectionsKeepWeights:
    """Remembers all routes that each client had to each split root, for as long as their clusters exist."""

    def __init__(self) -> None:
        self._history: dict[tuple[Name, str], list[str]] = {}

    def __call__(self, resources: Resources, state: State, pod: Pod) -> Resources:
        insert_filters(resources, "outbound", [note_connection(), script(lua.OLD_ROUTES)], first=True)
        hide(resources, "outbound", CONNECTION, GENERATION)
        roots = splits.roots_of(state)
        vips = {state.services[root].vip for root in roots if root in state.services}
        for address, routes in _dialled(resources):
            key = pod.name, address
            if address.rpartition(":")[0] not in vips:
                self._history.pop(key, None)
            else:
                routes[:] = self._with_old(key, routes, {cluster["name"] for cluster in resources.clusters})
        return resources

    def _with_old(self, key: tuple[Name, str], routes: list[Json], clusters: set[str]) -> list[Json]:
        history = self._history.setdefault(key, [])
        text = json.dumps(routes)
        if text not in history:
            history.append(text)
        now = str(history.index(text))
        made = []
        for generation, old in enumerate(history):
            for route in json.loads(old):
                if str(generation) != now and _clusters(route) <= clusters:
                    same = {"name": GENERATION, "string_match": {"exact": str(generation)}}
                    route["match"].setdefault("headers", []).append(same)
                    made.append(route)
        for route in routes:
            route["metadata"] = {"filter_metadata": {"lua": {"generation": now}}}
        return [*made, *routes]


def _dialled(resources: Resources) -> list[tuple[str, list[Json]]]:
    found = [c for c in resources.routes if c["name"] == "outbound"]
    maps = [c["virtual_hosts"][0]["matcher"]["matcher_tree"]["exact_match_map"]["map"] for c in found]
    return [(address, a["action"]["typed_config"]["routes"]) for one in maps for address, a in one.items()]


def _clusters(route: Json) -> set[str]:
    choices = route.get("route", {}).get("weighted_clusters", {}).get("clusters", [])
    return {choice["name"] for choice in choices}
