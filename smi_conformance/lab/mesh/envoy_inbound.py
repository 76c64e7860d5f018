"""The proxy in front of an application: policy as Envoy configuration.

HTTP is judged per request by RBAC, which stands in the route configuration so that it acts at once on open connections
too. TCP is judged by the certificates a port's TLS context accepts, for Envoy's network RBAC decides too late: the
application would already be connected, and a server that speaks first would already have spoken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smi_conformance.lab.mesh import envoy
from smi_conformance.lab.mesh.access_log import SERVER
from smi_conformance.lab.mesh.model import ANYONE, HeaderFilter, HttpMatch, Json
from smi_conformance.lab.mesh.policy import HttpRule, Inbound, TcpPort

APPLICATION = "application"
RBAC = "extensions.filters.http.rbac.v3.RBAC"
NETWORK_RBAC = "extensions.filters.network.rbac.v3.RBAC"
OVERRIDE_HEADER = "x-http-method-override"


def resources(inbound: Inbound) -> envoy.Resources:
    """Listener, cluster and routes for what a pod lets in."""
    names = filter_names(inbound)
    chains = [chain({"destination_port": envoy.INBOUND_PORT})]  # the proxy itself: leads nowhere
    chains += [http_chain(port, names) for port in sorted(inbound.http_ports)]
    # A proxy asks only for the routes that a listener names.
    routes = [route_configuration("inbound", inbound.http)] if inbound.http_ports else []
    if inbound.plain is not None and inbound.http_ports:
        chains += [plain_http_chain(port, inbound.plain_codec) for port in sorted(inbound.http_ports)]
        routes.append(route_configuration("plain", (inbound.plain,)))
    for port, rule in sorted(inbound.tcp.items()):
        chains += tcp_chains(port, rule)
    if inbound.open:
        chains.append(open_chain())
    default = chain({}, to_application()) if inbound.open else None
    made = envoy.listener("inbound", envoy.INBOUND_PORT, chains, ["original_dst", "tls_inspector"], default)
    # A server that speaks first gets no byte to tell plain text from TLS by: plain text it is, where that is allowed.
    made["continue_on_listener_filters_timeout"] = inbound.open or any(t.plain for t in inbound.tcp.values())
    application = envoy.original_destination(APPLICATION, envoy.INBOUND_MARK, http=True)
    return envoy.Resources([application], [made], routes)


def filter_names(inbound: Inbound) -> list[str]:
    """One RBAC filter per set of rules: a request has to pass them all."""
    return [filter_name(number) for number in range(len(inbound.http))]


def filter_name(number: int) -> str:
    """The name of the RBAC filter of a set."""
    return f"rbac-{number}" if number else "rbac"


def chain(match: Json, *filters: Json, tls: Json | None = None) -> Json:
    """A filter chain; without TLS context it takes plain text."""
    made: Json = {"name": _chain_name(match), "filter_chain_match": match, "filters": list(filters)}
    return made | ({"transport_socket": tls, "transport_socket_connect_timeout": "5s"} if tls else {})


def _chain_name(match: Json) -> str:
    return f"{match.get('destination_port', 'any')}-{match.get('transport_protocol', 'plain')}"


def mesh_tls(port: int | None = None) -> Json:
    """Connections that another proxy of the mesh made."""
    match: Json = {"transport_protocol": "tls", "server_names": [envoy.SERVER_NAME]}
    return match | ({"destination_port": port} if port else {})


def http_chain(port: int, filters: Sequence[str]) -> Json:
    """Requests over mutual TLS. The filters deny everything until the routes bring their rules."""
    rbac = [envoy.named(name, RBAC, rules={"action": "ALLOW"}) for name in filters]
    manager = envoy.http_manager("inbound", SERVER, rbac, normalize_path=True)
    return chain(mesh_tls(port), manager, tls=envoy.downstream_tls([ANYONE]))


def plain_http_chain(port: int, codec: str) -> Json:
    """Requests without TLS."""
    rbac = [envoy.named("rbac", RBAC, rules={"action": "ALLOW"})]
    manager = envoy.http_manager("plain", SERVER, rbac, normalize_path=True, codec_type=codec)
    return chain({"destination_port": port}, manager)


def tcp_chains(port: int, rule: TcpPort) -> list[Json]:
    """Nobody allowed: no chain, and Envoy closes the connection."""
    chains = []
    if rule.sources and rule.checked_late:
        check = envoy.named("rbac", NETWORK_RBAC, stat_prefix="tcp", rules=rbac_rules([HttpRule(rule.sources)]))
        chains.append(chain(mesh_tls(port), check, to_application(), tls=envoy.downstream_tls([ANYONE])))
    elif rule.sources:
        to_app = to_application(_decided_first(rule))
        chains.append(chain(mesh_tls(port), to_app, tls=envoy.downstream_tls(rule.sources)))
    if rule.plain:
        chains.append(chain({"destination_port": port}, to_application()))
    return chains


def _decided_first(rule: TcpPort) -> Json:
    """The application is connected once the client's certificate was accepted, and not before."""
    fields: Json = {"upstream_connect_mode": "ON_DOWNSTREAM_TLS_HANDSHAKE", "max_early_data_bytes": 4096}
    if rule.seconds:
        fields["max_downstream_connection_duration"] = f"{rule.seconds}s"
    if rule.idle_seconds:
        fields["idle_timeout"] = f"{rule.idle_seconds}s"
    return fields


def to_application(fields: Json | None = None) -> Json:
    """Bytes to where the client wanted to go in this pod."""
    return envoy.tcp_proxy(cluster=APPLICATION, **(fields or {}))


def open_chain() -> Json:
    """Calls of other proxies to ports that no Service names, in the permissive posture."""
    return chain(mesh_tls(), to_application(), tls=envoy.downstream_tls([ANYONE]))


def route_configuration(name: str, sets: Sequence[Sequence[HttpRule]]) -> Json:
    """All requests go to the application; rules for a share of the requests make a route of their own for it."""
    percents = {rule.percent for rules in sets for rule in rules}
    routes = [_route(sets, percent) for percent in sorted(percents - {100})]
    whole = [[rule for rule in rules if rule.percent == 100] for rules in sets]
    host = {"name": "all", "domains": ["*"], "routes": [*routes, _route(whole)]}
    return {"name": name, "virtual_hosts": [host]}


def _route(sets: Sequence[Sequence[HttpRule]], percent: int = 100) -> Json:
    match: Json = {"prefix": "/"}
    if percent != 100:
        match["runtime_fraction"] = {"default_value": {"numerator": percent, "denominator": "HUNDRED"}}
    rules = {
        filter_name(number): envoy.typed(RBAC + "PerRoute", rbac={"rules": rbac_rules(rules)})
        for number, rules in enumerate(sets)
    }
    return {
        "match": match,
        "route": {"cluster": APPLICATION, "timeout": "0s", "idle_timeout": "0s"},
        "typed_per_filter_config": rules,
    }


def rbac_rules(rules: Sequence[HttpRule]) -> Json:
    """Without any policy, everything is denied."""
    policies = {f"{number:03}": _policy(rule) for number, rule in enumerate(rules) if rule.sources}
    return {"action": "ALLOW", "policies": policies}


def _policy(rule: HttpRule) -> Json:
    made: Json = {"permissions": [permission(rule)], "principals": [_principal(rule)]}
    return made | ({"condition": _protocol_is(rule.protocol)} if rule.protocol else {})


def _principal(rule: HttpRule) -> Json:
    ids = [_any_of([_source(source) for source in rule.sources], "ids")]
    if rule.except_sources:
        ids.append({"not_id": _any_of([_source(source) for source in rule.except_sources], "ids")})
    if rule.addresses is not None:
        ips = [{"direct_remote_ip": {"address_prefix": ip, "prefix_len": 32}} for ip in rule.addresses]
        ids.append(_any_of(ips or [{"not_id": {"any": True}}], "ids"))
    return {"and_ids": {"ids": ids}}


def _source(pattern: str) -> Json:
    if pattern == ANYONE:
        return {"any": True}
    return {"authenticated": {"principal_name": envoy.string_matcher(pattern)}}


def permission(rule: HttpRule) -> Json:
    """Port, path, method and headers: all have to fit."""
    needed: list[Json] = [{"any": True}]
    if rule.ports is not None:
        ports: list[Json] = [{"destination_port": port} for port in sorted(rule.ports)]
        needed.append(_any_of(ports or [{"not_rule": {"any": True}}], "rules"))
    if rule.request:
        needed += _request(rule.request)
    return {"and_rules": {"rules": needed}}


def _request(match: HttpMatch) -> list[Json]:
    needed: list[Json] = []
    if match.pattern:
        needed.append(_path(match))
    if match.methods:
        needed.append(_any_of([_method(match, method) for method in match.methods], "rules"))
    return needed + [{"header": header_matcher(header)} for header in match.headers]


def _path(match: HttpMatch) -> Json:
    paths: list[Json] = [{"url_path": {"path": {"safe_regex": {"regex": match.pattern}}}}]
    if match.whole_url:
        paths += [{"header": header_matcher(HeaderFilter(name, match.whole_url))} for name in (":path", ":authority")]
    return _any_of(paths, "rules")


def _method(match: HttpMatch, method: str) -> Json:
    plain = {"header": header_matcher(HeaderFilter(":method", method, "exact"))}
    if not match.override_method:
        return plain
    overridden = {"header": header_matcher(HeaderFilter(OVERRIDE_HEADER, method, "exact"))}
    unless = {"header": header_matcher(HeaderFilter(OVERRIDE_HEADER, "", "absent"))}
    return _any_of([overridden, {"and_rules": {"rules": [plain, unless]}}], "rules")


def header_matcher(header: HeaderFilter) -> Json:
    """Envoy's matcher; a header that is absent fits no expression."""
    if header.kind == "absent":
        return {"name": header.name, "present_match": False}
    value: Any = {"regex": header.expression} if header.kind == "regex" else header.expression
    kind = "safe_regex" if header.kind == "regex" else header.kind
    return {"name": header.name, "string_match": {kind: value}}


def _any_of(items: list[Json], plural: str) -> Json:
    return items[0] if len(items) == 1 else {f"or_{plural}": {plural: items}}


def _protocol_is(protocol: str) -> Json:
    """A CEL expression: request.protocol == PROTOCOL."""
    field = {"select_expr": {"operand": {"ident_expr": {"name": "request"}}, "field": "protocol"}}
    return {"call_expr": {"function": "_==_", "args": [field, {"const_expr": {"string_value": protocol}}]}}
