"""Defects of the ports that TCPRoutes name: how they limit HTTP routes, and how they are read and followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from smi_conformance.lab.mesh import policy
from smi_conformance.lab.mesh.faults_tcp import NONE, regranted, together
from smi_conformance.lab.mesh.model import ANYONE, Account, Name, Rule, State, Target
from smi_conformance.lab.mesh.policy import Grant, HttpRule, Inbound
from smi_conformance.lab.mesh.switchboard import fault

Ports = frozenset[int] | None


def with_http(inbound: Inbound, state: State, rules: Callable[[Grant], Iterable[HttpRule]]) -> Inbound:
    """The same pod with other rules for HTTP from its grants."""
    if inbound.open:
        return inbound
    grants = policy.grants_for(state, inbound.pod)
    return replace(inbound, http=(tuple(rule for grant in grants for rule in rules(grant)),))


def combines(grant: Grant) -> bool:
    """Whether a TCPRoute stands beside route groups."""
    return grant.tcp and grant.matches is not None


def everywhere(rules: Iterable[HttpRule]) -> list[HttpRule]:
    """The same rules on every port."""
    return [replace(rule, ports=None) for rule in rules]


@fault("TA-053/l4-l7-independent", "a source may use each of its routes on each of its ports", "inbound")
def l4_l7_independent(inbound: Inbound, state: State) -> Inbound:
    def mixed(grant: Grant) -> Iterable[HttpRule]:
        for source in grant.sources:
            own = [other for other in policy.grants_for(state, inbound.pod) if source in other.sources]
            rules = [replace(rule, sources=(source,)) for other in own for rule in policy.http_rules(other)]
            yield from (replace(rule, ports=port_of.ports) for rule in rules for port_of in rules)

    return with_http(inbound, state, mixed)


@fault("TA-053/port-ignored-for-http", "TCPRoutes limit no HTTP routes", "inbound")
@fault("TA-100/port-ignored-for-http", "TCPRoutes limit no HTTP routes", "inbound")
def port_ignored_for_http(inbound: Inbound, state: State) -> Inbound:
    def wider(grant: Grant) -> list[HttpRule]:
        rules = policy.http_rules(grant)
        return everywhere(rules) if combines(grant) else rules

    return with_http(inbound, state, wider)


@fault("TA-053/second-target-port-ignored", "TCPRoutes limit the routes of the first TrafficTarget only", "inbound")
def second_target_port_ignored(inbound: Inbound, state: State) -> Inbound:
    first = next(iter(policy.grants_for(state, inbound.pod)), None)

    def wider(grant: Grant) -> list[HttpRule]:
        rules = policy.http_rules(grant)
        return everywhere(rules) if combines(grant) and grant != first else rules

    return with_http(inbound, state, wider)


@fault("TA-100/rules-are-alternatives", "a request needs the port of a TCPRoute or a route, not both", "inbound")
def rules_are_alternatives(inbound: Inbound, state: State) -> Inbound:
    def either(grant: Grant) -> list[HttpRule]:
        rules = policy.http_rules(grant)
        return [*everywhere(rules), HttpRule(grant.sources, grant.ports)] if combines(grant) else rules

    return with_http(inbound, state, either)


@fault("TA-100/http-routes-ignored", "beside a TCPRoute, route groups are ignored", "inbound")
def http_routes_ignored(inbound: Inbound, state: State) -> Inbound:
    def by_port(grant: Grant) -> list[HttpRule]:
        return policy.http_rules(replace(grant, matches=None) if combines(grant) else grant)

    return with_http(inbound, state, by_port)


@fault("TA-100/order-dependent", "a TCPRoute limits HTTP routes only if it is the first rule", "state")
def order_dependent(state: State) -> State:
    """Routes that come first are granted by a TrafficTarget of their own."""

    def divided(target: Target) -> list[Target]:
        kinds = [rule.kind for rule in target.rules]
        if "TCPRoute" not in kinds or kinds[0] == "TCPRoute":
            return [target]
        parts: tuple[list[Rule], list[Rule]] = ([], [])
        for rule in target.rules:
            parts[rule.kind == "HTTPRouteGroup"].append(rule)
        return [replace(target, rules=tuple(part)) for part in parts if part]

    return replace(state, targets=tuple(part for target in state.targets for part in divided(target)))


@fault("TA-101/denied-without-tcproute", "route groups without a TCPRoute open nothing", "inbound")
def denied_without_tcproute(inbound: Inbound, state: State) -> Inbound:
    return with_http(inbound, state, lambda grant: policy.http_rules(grant) if grant.tcp else [])


@fault("TA-101/first-port-only", "route groups without a TCPRoute open the lowest HTTP port only", "inbound")
def first_http_port_only(inbound: Inbound, state: State) -> Inbound:
    return _limited(inbound, state, frozenset(sorted(inbound.http_ports)[:1]))


def _limited(inbound: Inbound, state: State, ports: frozenset[int]) -> Inbound:
    def narrower(grant: Grant) -> list[HttpRule]:
        rules = policy.http_rules(grant)
        return rules if grant.tcp else [replace(rule, ports=ports) for rule in rules]

    return with_http(inbound, state, narrower)


@fault(
    "TA-101/new-port-missed", "ports that come after the first TrafficTarget are not opened by route groups", "inbound"
)
class NewPortMissed:
    """Remembers the HTTP ports of an account from the moment it is the destination of a TrafficTarget."""

    def __init__(self) -> None:
        self._first: dict[Account, frozenset[int]] = {}

    def __call__(self, inbound: Inbound, state: State) -> Inbound:
        account = inbound.pod.account
        if not inbound.governed:
            self._first.pop(account, None)
            return inbound
        return _limited(inbound, state, self._first.setdefault(account, inbound.http_ports))


class Remembering:
    """Remembers each TCPRoute for as long as a TrafficTarget refers to it."""

    def __init__(self) -> None:
        self._known: dict[Name, Ports] = {}

    def __call__(self, state: State) -> State:
        now = state.tcp_routes
        referred = {Name(t.name.namespace, r.name) for t in state.targets for r in t.rules if r.kind == "TCPRoute"}
        present = {name: self.edited(self._known.get(name, now[name]), now[name]) for name in referred & now.keys()}
        gone = {name: ports for name, ports in self._known.items() if name in referred - now.keys()}
        self._known = gone | present
        lost = {name: self.deleted(ports) for name, ports in gone.items()}
        return replace(state, tcp_routes={**now, **present, **lost})

    def edited(self, before: Ports, now: Ports) -> Ports:
        """What a route opens, from what it opened before and what it says now."""
        raise NotImplementedError

    def deleted(self, before: Ports) -> Ports:
        """What a route opens that is gone."""
        raise NotImplementedError


@fault("TA-113/tcproutes-not-watched", "a TCPRoute counts as it was when a TrafficTarget first used it", "state")
class NotWatched(Remembering):
    """Neither changes nor deletions are followed."""

    def edited(self, before: Ports, now: Ports) -> Ports:
        """As before."""
        return before

    def deleted(self, before: Ports) -> Ports:
        """As before."""
        return before


@fault("TA-113/removed-port-stays", "a port that is taken out of a TCPRoute stays open", "state")
class RemovedPortStays(Remembering):
    """Additions and deletions are followed."""

    def edited(self, before: Ports, now: Ports) -> Ports:
        """All there ever were."""
        return together(before, now)

    def deleted(self, before: Ports) -> Ports:
        """Nothing."""
        return NONE


@fault("TA-113/delete-opens-all-ports", "a TCPRoute that is deleted opens every port", "state")
class DeleteOpensAllPorts(Remembering):
    """Changes are followed."""

    def edited(self, before: Ports, now: Ports) -> Ports:
        """What it says."""
        return now

    def deleted(self, before: Ports) -> Ports:
        """Everything."""
        return None


def reread(state: State, ports: Ports, which: Callable[[Name], bool]) -> State:
    """Some of the TCPRoutes for all ports stand for others."""
    routes = {name: ports if old is None and which(name) else old for name, old in state.tcp_routes.items()}
    return replace(state, tcp_routes=routes)


@fault("TS-071/empty-matches-none", "a TCPRoute with an empty list of ports opens none", "state")
def empty_matches_none(state: State) -> State:
    return reread(state, NONE, lambda name: name not in state.without_ports)


@fault("TS-073/missing-grants-nothing", "a TCPRoute that leaves its ports out opens none", "state")
def missing_grants_nothing(state: State) -> State:
    return reread(state, NONE, lambda name: name in state.without_ports)


def lowest_port_only(inbound: Inbound, state: State, which: Callable[[Name], bool]) -> Inbound:
    """What some TCPRoutes for all ports would open is the pod's lowest TCP port instead."""
    first = frozenset(sorted(inbound.tcp)[:1])
    return regranted(inbound, reread(state, first, which), lambda grant: grant)


@fault("TS-071/first-port-only", "a TCPRoute with an empty list of ports opens the lowest one only", "inbound")
def empty_opens_first_port(inbound: Inbound, state: State) -> Inbound:
    return lowest_port_only(inbound, state, lambda name: name not in state.without_ports)


@fault("TS-073/missing-opens-first-port", "a TCPRoute that leaves its ports out opens the lowest one only", "inbound")
def missing_opens_first_port(inbound: Inbound, state: State) -> Inbound:
    return lowest_port_only(inbound, state, lambda name: name in state.without_ports)


@fault("TS-071/empty-opens-any-source", "TCP ports that a TCPRoute without ports opens are open to the mesh", "inbound")
def empty_opens_any_source(inbound: Inbound, state: State) -> Inbound:
    def anyone(grant: Grant) -> Grant:
        return replace(grant, sources=(ANYONE,)) if grant.tcp and grant.ports is None else grant

    return replace(regranted(inbound, state, anyone), udp=inbound.udp)
