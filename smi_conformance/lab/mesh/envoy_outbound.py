"""The proxy behind a client: where its calls go, as Envoy configuration.

A call to a Service is known by the address and port the client dialled, so every form of its name is the same. All
routes are in one route configuration, found by that address, which the proxy notes in a header for the while.
"""

from __future__ import annotations

from smi_conformance.lab.mesh import envoy
from smi_conformance.lab.mesh.access_log import CLIENT
from smi_conformance.lab.mesh.envoy_inbound import header_matcher
from smi_conformance.lab.mesh.model import Account, HeaderFilter, HttpMatch, Json, State
from smi_conformance.lab.mesh.splits import Branch, Choice, Outbound, VirtualPort

PASSTHROUGH = "passthrough"
HTTP_CHAIN = "http"
DESTINATION_HEADER = envoy.INTERNAL_HEADER + "destination"
RBAC = "extensions.filters.http.rbac.v3.RBAC"
RETRIES = {"retry_on": "connect-failure,refused-stream", "num_retries": 2}
MUTATION = "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"


def resources(outbound: Outbound, state: State) -> envoy.Resources:
    """Listener, clusters and routes for the calls of a client."""
    http = any(port.port.protocol == "http" for port in outbound.ports)
    chains = [_http_chain()] if http else []
    chains += [_tcp_chain(port) for port in outbound.ports if chain_name(port, outbound) == _own_chain(port)]
    chains += [_direct_chain(account) for account in outbound.direct]
    default = {"filters": [envoy.tcp_proxy(cluster=PASSTHROUGH)]}
    listener = envoy.listener("outbound", envoy.OUTBOUND_PORT, chains, ["original_dst"], default)
    listener |= _chain_by_address(outbound)
    routes = [route_configuration(outbound)] if http else []
    return envoy.Resources(_clusters(outbound, state), [listener], routes)


def _clusters(outbound: Outbound, state: State) -> list[Json]:
    direct = {direct_name(account) for account in outbound.direct}
    ports = [port for port in outbound.ports if chain_name(port, outbound) not in direct]
    choices = {cluster_name(choice): choice for port in ports for branch in port.branches for choice in branch.choices}
    return [
        envoy.original_destination(PASSTHROUGH, envoy.OUTBOUND_MARK),
        *(_direct_cluster(account, state) for account in outbound.direct),
        *(service_cluster(choice, state) for choice in choices.values()),
    ]


def cluster_name(choice: Choice) -> str:
    """The cluster of a destination."""
    return f"{choice.service}:{choice.port}" + (f"@{choice.target}" if choice.target else "")


def _http_chain() -> Json:
    """One for the HTTP ports of all Services, so that a new Service leaves it and its connections as they are."""
    note = {"header": {"key": DESTINATION_HEADER, "value": "%DOWNSTREAM_LOCAL_ADDRESS%"}}
    mutation = {"append": note | {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    early = envoy.named("destination", MUTATION, mutations=[mutation])
    filters = [envoy.named("rbac", RBAC)]
    manager = envoy.http_manager("outbound", CLIENT, filters, early_header_mutation_extensions=[early])
    return {"name": HTTP_CHAIN, "filters": [manager]}


def _tcp_chain(port: VirtualPort) -> Json:
    choices = port.branches[-1].choices
    weighted = [{"name": cluster_name(choice), "weight": choice.weight} for choice in choices]
    filters = [envoy.tcp_proxy(weighted_clusters={"clusters": weighted})] if choices else []
    return {"name": _own_chain(port), "filters": filters}


def chain_name(port: VirtualPort, outbound: Outbound) -> str:
    """The filter chain of a Service port.

    Where all pods of a Service have one account, TCP connections need no chain and no cluster of their own: Kubernetes
    chooses the pod, and the proxy knows whom to meet there.
    """
    if port.port.protocol == "http":
        return HTTP_CHAIN
    account = _account_behind(port, outbound)
    own = [choice for branch in port.branches for choice in branch.choices] == [_own_choice(port)]
    return direct_name(account) if account and own else _own_chain(port)


def _account_behind(port: VirtualPort, outbound: Outbound) -> Account | None:
    """The account that all pods behind a Service port have; None if there are several, or pods outside the mesh."""
    owners = {ip: account for account, ips in outbound.direct.items() for ip in ips}
    found = {owners.get(ip) for ip, _ in port.port.endpoints}
    return found.pop() if len(found) == 1 else None


def _own_chain(port: VirtualPort) -> str:
    return cluster_name(_own_choice(port))


def _own_choice(port: VirtualPort) -> Choice:
    return Choice(port.service.name, port.port.number)


def _direct_chain(account: Account) -> Json:
    """Calls to the addresses of meshed pods are mutual TLS as well; the server's proxy takes requests apart."""
    name = direct_name(account)
    return {"name": name, "filters": [envoy.tcp_proxy(cluster=name)]}


def _chain_by_address(outbound: Outbound) -> Json:
    """Which chain takes a connection: by address and port of a Service, else by the address of a pod.

    Envoy's simpler way to choose, a match within each chain, would never look at the address of a pod for a port
    that any Service has.
    """
    chosen: Json = {}
    for port in outbound.ports:
        by_port = chosen.setdefault(port.service.vip, by_input("DestinationPortInput", {}))
        matches = by_port["matcher"]["matcher_tree"]["exact_match_map"]["map"]
        matches[str(port.port.number)] = use_chain(chain_name(port, outbound))
    for account, ips in outbound.direct.items():
        chosen |= dict.fromkeys(ips, use_chain(direct_name(account)))
    matcher: Json = by_input("DestinationIPInput", chosen)["matcher"]
    return {"filter_chain_matcher": matcher} if chosen else {}


def by_input(key: str, choices: Json) -> Json:
    """Choose by a property of the connection."""
    kind = envoy.named("key", f"extensions.matching.common_inputs.network.v3.{key}")
    return {"matcher": {"matcher_tree": {"input": kind, "exact_match_map": {"map": choices}}}}


def use_chain(chain: str) -> Json:
    """Take this filter chain."""
    kind = "type.googleapis.com/google.protobuf.StringValue"
    return {"action": {"name": "chain", "typed_config": {"@type": kind, "value": chain}}}


def direct_name(account: Account) -> str:
    """The cluster for calls to pod addresses of an account."""
    return f"direct|{account}"


def _direct_cluster(account: Account, state: State) -> Json:
    tls = envoy.upstream_tls([account.spiffe])
    return envoy.original_destination(direct_name(account), envoy.OUTBOUND_MARK, transport_socket=tls)


def service_cluster(choice: Choice, state: State) -> Json:
    """The ready endpoints of a Service port, each met with the identity its pod has to prove."""
    port = state.services[choice.service].ports[choice.port]
    accounts = {pod.ip: pod.account for pod in state.pods if pod.meshed and pod.ip}
    endpoints = [_endpoint(ip, choice.target or number, accounts.get(ip)) for ip, number in port.endpoints]
    known = sorted({accounts[ip] for ip, _ in port.endpoints if ip in accounts})
    matches = [
        {
            "name": str(account),
            "match": {"account": str(account)},
            "transport_socket": envoy.upstream_tls([account.spiffe]),
        }
        for account in known
    ]
    name = cluster_name(choice)
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}
    http = port.protocol == "http"
    made = envoy.cluster(name, envoy.OUTBOUND_MARK, http=http, type="STATIC", load_assignment=assignment)
    return made | ({"transport_socket_matches": matches} if matches else {})


def _endpoint(ip: str, port: int, account: Account | None) -> Json:
    made: Json = {"endpoint": {"address": {"socket_address": {"address": ip, "port_value": port}}}}
    if account:
        labels = {"envoy.transport_socket_match": {"account": str(account)}}
        made["metadata"] = {"filter_metadata": labels}
    return made


def route_configuration(outbound: Outbound) -> Json:
    """The routes of all HTTP ports, by the address that was dialled."""
    addresses = {
        f"{port.service.vip}:{port.port.number}": {
            "action": envoy.named("routes", "config.route.v3.RouteList", routes=_routes(port))
        }
        for port in outbound.ports
        if port.port.protocol == "http"
    }
    by = envoy.named("dialled", "type.matcher.v3.HttpRequestHeaderMatchInput", header_name=DESTINATION_HEADER)
    matcher = {"matcher_tree": {"input": by, "exact_match_map": {"map": addresses}}}
    host: Json = {"name": "all", "domains": ["*"], "matcher": matcher}
    return {"name": "outbound", "virtual_hosts": [host], "request_headers_to_remove": [DESTINATION_HEADER]}


def _routes(port: VirtualPort) -> list[Json]:
    return [_route(branch) for branch in port.branches]


def _route(branch: Branch) -> Json:
    match = _route_match(branch.match)
    if branch.percent != 100:
        match["runtime_fraction"] = {"default_value": {"numerator": branch.percent, "denominator": "HUNDRED"}}
    if not branch.choices:
        return {"match": match, "direct_response": {"status": 503, "body": {"inline_string": "no backend\n"}}}
    weighted = [{"name": cluster_name(choice), "weight": choice.weight} for choice in branch.choices]
    action = {"weighted_clusters": {"clusters": weighted}, "timeout": "0s", "idle_timeout": "0s"}
    name = {"name": str(branch.split)} if branch.split else {}
    return {**name, "match": match, "route": action | {"retry_policy": RETRIES}}


def _route_match(match: HttpMatch | None) -> Json:
    if match is None:
        return {"prefix": "/"}
    path: Json = {"safe_regex": {"regex": match.pattern}} if match.pattern else {"prefix": "/"}
    headers = list(match.headers)
    if match.methods:
        headers.append(HeaderFilter(":method", "|".join(match.methods)))
    return path | ({"headers": [header_matcher(header) for header in headers]} if headers else {})
