"""Defects in the reading of route groups and TCPRoutes where they are granted (TS-010 to TS-070)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from smi_conformance.lab.mesh import expressions
from smi_conformance.lab.mesh.model import HeaderFilter, HttpMatch, Rule, State
from smi_conformance.lab.mesh.policy import HttpRule, Inbound
from smi_conformance.lab.mesh.switchboard import fault


def with_requests(inbound: Inbound, change: Callable[[HttpMatch], HttpMatch | None]) -> Inbound:
    """The same grants with other matches; None makes a match fit nothing."""

    def changed(rules: Iterable[HttpRule]) -> Iterable[HttpRule]:
        for rule in rules:
            request = change(rule.request) if rule.request else None
            if request or rule.request is None:
                yield replace(rule, request=request)

    return replace(inbound, http=tuple(tuple(changed(rules)) for rules in inbound.http))


def with_pattern(match: HttpMatch, pattern: str) -> HttpMatch:
    """A match with another pattern, if it has one."""
    return replace(match, pattern=pattern) if match.path else match


@fault("TS-010/unanchored", "pathRegex is searched anywhere in the path", "inbound")
def unanchored(inbound: Inbound, _state: State) -> Inbound:
    return with_requests(inbound, lambda m: with_pattern(m, expressions.searched(m.path)))


@fault("TS-010/searched-in-whole-url", "pathRegex is searched in host, path and query", "inbound")
def searched_in_whole_url(inbound: Inbound, _state: State) -> Inbound:
    return with_requests(inbound, lambda m: replace(m, whole_url=expressions.searched(m.path)) if m.path else m)


@fault("TS-010/first-branch-anchored-only", "in an alternation only the first branch is anchored", "inbound")
def first_branch_anchored_only(inbound: Inbound, _state: State) -> Inbound:
    def loose(match: HttpMatch) -> HttpMatch:
        first, *others = expressions.branches(match.path)
        found = [expressions.anchored(first), *map(expressions.searched, others)]
        return with_pattern(match, "|".join(found))

    return with_requests(inbound, loose)


@fault("TS-010/second-match-unanchored", "only the first match of a group is anchored", "inbound")
def second_match_unanchored(inbound: Inbound, _state: State) -> Inbound:
    def loose(match: HttpMatch) -> HttpMatch:
        return with_pattern(match, expressions.searched(match.path)) if match.position else match

    return with_requests(inbound, loose)


@fault("TS-020/method-unchecked", "methods are not checked", "inbound")
def method_unchecked(inbound: Inbound, _state: State) -> Inbound:
    return with_requests(inbound, lambda m: replace(m, methods=()))


@fault("TS-020/first-method-only", "only the first of the methods counts", "inbound")
def first_method_only(inbound: Inbound, _state: State) -> Inbound:
    return with_requests(inbound, lambda m: replace(m, methods=m.methods[:1]))


@fault("TS-020/methods-anded", "a request would need all of the methods at once", "inbound")
def methods_anded(inbound: Inbound, _state: State) -> Inbound:
    return with_requests(inbound, lambda m: m if len(m.methods) < 2 else None)


@fault("TS-020/third-method-lost", "the last of three methods is denied", "inbound")
def third_method_lost(inbound: Inbound, _state: State) -> Inbound:
    return with_requests(inbound, lambda m: replace(m, methods=m.methods[:-1]) if len(m.methods) == 3 else m)


@fault("TS-020/override-header-honoured", "X-HTTP-Method-Override decides instead of the method", "inbound")
def override_header_honoured(inbound: Inbound, _state: State) -> Inbound:
    return with_requests(inbound, lambda m: replace(m, override_method=True))


def with_headers(inbound: Inbound, change: Callable[[HeaderFilter], HeaderFilter]) -> Inbound:
    """The same grants with other header filters."""
    return with_requests(inbound, lambda m: replace(m, headers=tuple(change(h) for h in m.headers)))


@fault("TS-030/compared-literally", "a header has to equal the text of its expression", "inbound")
def compared_literally(inbound: Inbound, _state: State) -> Inbound:
    return with_headers(inbound, lambda h: replace(h, kind="exact"))


@fault("TS-030/filter-ignored", "header filters are ignored", "inbound")
def filter_ignored(inbound: Inbound, _state: State) -> Inbound:
    return with_requests(inbound, lambda m: replace(m, headers=()))


@fault("TS-030/expression-as-substring", "a header fits if it holds the expression's longest plain text", "inbound")
def expression_as_substring(inbound: Inbound, _state: State) -> Inbound:
    def loose(header: HeaderFilter) -> HeaderFilter:
        literal = expressions.longest_literal(header.expression)
        return replace(header, expression=literal, kind="contains") if literal else header

    return with_headers(inbound, loose)


@fault("TS-030/value-case-ignored", "the letter case of header values is ignored", "inbound")
def value_case_ignored(inbound: Inbound, _state: State) -> Inbound:
    return with_headers(inbound, lambda h: replace(h, expression=f"(?i:{h.expression})"))


def with_ports(state: State, change: Callable[[list[int]], Iterable[int]]) -> State:
    """The same TCPRoutes with other ports; those for all ports stay."""
    routes = state.tcp_routes.items()
    changed = {name: frozenset(change(sorted(ports))) if ports else ports for name, ports in routes}
    return replace(state, tcp_routes=changed)


@fault("TS-070/ports-ignored", "a TCPRoute with ports stands for all ports", "state")
def ports_ignored(state: State) -> State:
    return replace(state, tcp_routes=dict.fromkeys(state.tcp_routes))


@fault("TS-070/first-port-only", "only the lowest port of a TCPRoute is opened", "state")
def first_port_only(state: State) -> State:
    return with_ports(state, lambda ports: ports[:1])


@fault("TS-070/range-opened", "the ports between those of a TCPRoute are opened too", "state")
def range_opened(state: State) -> State:
    return with_ports(state, lambda ports: range(ports[0], ports[-1] + 1))


@fault("TS-070/last-port-lost", "the highest of three ports stays closed", "state")
def last_port_lost(state: State) -> State:
    return with_ports(state, lambda ports: ports[:-1] if len(ports) == 3 else ports)


@fault("TS-070/second-tcproute-ignored", "of a TrafficTarget's TCPRoutes only the first one counts", "state")
def second_tcproute_ignored(state: State) -> State:
    def first_only(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        later = [rule for rule in rules if rule.kind == "TCPRoute"][1:]
        return tuple(rule for rule in rules if rule not in later)

    return replace(state, targets=tuple(replace(t, rules=first_only(t.rules)) for t in state.targets))
