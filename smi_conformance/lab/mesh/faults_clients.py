"""Defects in telling clients apart: identities taken from the wrong place, and checks on the wrong side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from smi_conformance.lab.mesh import envoy, envoy_inbound, policy
from smi_conformance.lab.mesh.envoy import Resources
from smi_conformance.lab.mesh.faults_access import with_sources
from smi_conformance.lab.mesh.model import ANYONE, Account, Json, Name, Pod, State
from smi_conformance.lab.mesh.policy import OPEN, HttpRule, Inbound
from smi_conformance.lab.mesh.switchboard import fault

APP_LABELS = ("app", "app.kubernetes.io/name")


def listed(state: State, rule: HttpRule) -> list[Pod]:
    """The pods that a rule names by their account."""
    return [pod for pod in state.pods if pod.account.spiffe in rule.sources]


@fault("TA-030/identity-from-labels", "pods with the app label of a listed client count as that client", "inbound")
def identity_from_labels(inbound: Inbound, state: State) -> Inbound:
    def alike(rule: HttpRule) -> HttpRule:
        labels = {_app(pod) for pod in listed(state, rule)} - {_NO_LABELS}
        ips = tuple(pod.ip for pod in state.pods if pod.ip and _app(pod) in labels)
        return replace(rule, sources=(ANYONE,), addresses=ips)

    return inbound.with_rules(*map(alike, inbound.rules))


_NO_LABELS: tuple[str, tuple[str | None, ...]] = ("", ())


def _app(pod: Pod) -> tuple[str, tuple[str | None, ...]]:
    values = tuple(pod.labels.get(label) for label in APP_LABELS)
    return (pod.name.namespace, values) if any(values) else _NO_LABELS


@fault("TA-030/identity-from-owner", "of an account only the Deployment of its oldest pod is admitted", "inbound")
def identity_from_owner(inbound: Inbound, state: State) -> Inbound:
    def first_owner(rule: HttpRule) -> HttpRule:
        pods = sorted(listed(state, rule), key=lambda pod: (pod.created, pod.name))
        owners = {pod.account: pod.owner for pod in reversed(pods)}
        ips = tuple(pod.ip for pod in pods if pod.ip and owners[pod.account] == pod.owner)
        return replace(rule, addresses=ips)

    return replace(inbound, http=tuple(tuple(map(first_owner, rules)) for rules in inbound.http))


@fault("TA-040/client-side-only", "the server's proxy lets everything in, the client's proxy decides", "inbound")
def server_lets_all_in(inbound: Inbound, _state: State) -> Inbound:
    return replace(inbound, http=((OPEN,),), plain=(OPEN,))


@fault("TA-021/client-side-only", "the server's proxy checks routes, the client's proxy the source", "inbound")
def server_checks_routes_only(inbound: Inbound, _state: State) -> Inbound:
    opened = with_sources(inbound, ANYONE)
    return replace(opened, plain=opened.rules)


@fault("TA-040/client-side-only", "the server's proxy lets everything in, the client's proxy decides", "proxy")
@fault("TA-021/client-side-only", "the server's proxy checks routes, the client's proxy the source", "proxy")
def client_decides(resources: Resources, state: State, pod: Pod) -> Resources:
    """Each destination of the client's routes gets the rules of the accounts behind it, as far as they concern it."""
    for route in _routes(resources):
        for choice in route.get("route", {}).get("weighted_clusters", {}).get("clusters", []):
            rules = envoy_inbound.rbac_rules(_rules_for(state, pod, choice["name"]))
            filters = {"rbac": envoy.typed(envoy_inbound.RBAC + "PerRoute", rbac={"rules": rules})}
            choice["typed_per_filter_config"] = filters
    _close_ungranted_addresses(resources, state, pod)
    return resources


def _routes(resources: Resources) -> Iterable[Json]:
    for configuration in resources.routes:
        if configuration["name"] == "outbound":
            matcher = configuration["virtual_hosts"][0]["matcher"]["matcher_tree"]
            for action in matcher["exact_match_map"]["map"].values():
                yield from action["action"]["typed_config"]["routes"]


def _rules_for(state: State, client: Pod, cluster: str) -> list[HttpRule]:
    service, _, port = cluster.partition("@")[0].rpartition(":")
    endpoints = state.services[Name(*service.split("/"))].ports[int(port)].endpoints
    servers = {pod.ip: pod.account for pod in state.pods if pod.meshed and pod.ip}
    if any(ip not in servers for ip, _ in endpoints):
        return [OPEN]
    found = {(servers[ip], number) for ip, number in endpoints}
    return [rule for account, number in sorted(found) for rule in granted(state, client, account, _open_on(number))]


def _open_on(number: int) -> Callable[[HttpRule], bool]:
    return lambda rule: rule.ports is None or number in rule.ports


def granted(state: State, client: Pod, account: Account, fits: Callable[[HttpRule], bool]) -> list[HttpRule]:
    """What a client may ask of an account, as rules without source and port."""
    rules = [rule for grant in policy.grants_of(state, account) for rule in policy.http_rules(grant)]
    own = [rule for rule in rules if client.account.spiffe in rule.sources and fits(rule)]
    return [replace(rule, sources=(ANYONE,), ports=None) for rule in own]


def _close_ungranted_addresses(resources: Resources, state: State, pod: Pod) -> None:
    """Calls by address are bytes to the client's proxy: it can only let an account be called at all, or not."""
    accounts = {other.account for other in state.pods if other.meshed}
    closed = {f"direct|{account}" for account in accounts if not granted(state, pod, account, lambda _rule: True)}
    for listener in resources.listeners:
        for chain in listener["filter_chains"]:
            if chain["name"] in closed:
                chain["filters"] = []
