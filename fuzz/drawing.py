"""Draws cases. The alphabets are small, so that policies and requests meet often.

Left out is what the specification leaves open in a way that no reading names: matches without path or methods,
TCPRoutes without ports, missing references, accounts without a namespace, several splits on one root.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

from hypothesis import strategies as st

from fuzz.cases import HOME, HTTP_PORTS, LISTED, ROOT, SERVERS, STRANGERS, TCP_PORTS, Case, PolicySet, Probe
from smi_conformance.meshes.profile import Profile
from smi_conformance.model.objects import (
    Backend,
    HttpMatch,
    RouteGroup,
    Rule,
    ServiceAccountRef,
    Split,
    TcpRoute,
    TrafficTarget,
)
from smi_conformance.model.versions import at_least

T = TypeVar("T")

PATHS: Mapping[str, str] = {
    ".*": "/c",
    "/a$": "/a",
    "/b$": "/b",
    "/[ab]$": "/b",
    "/a/.*": "/a/x",
    "/(a|b)/x$": "/b/x",
    "/a$|/b/.*": "/b/x",
    "/a": "/a",
}
"""Expressions with a path that fits each."""
FILTERS: Mapping[str, str] = {"1": "1", "[0-9]+": "22", "x|1": "x", ".+": "y"}
"""Expressions for header values with a value that fits each."""
EXPRESSIONS, VALUES = tuple(PATHS), tuple(FILTERS)
METHODS = (("*",), ("GET",), ("POST",), ("GET", "POST"), ("PUT",))
SENT_PATHS = ("/a", "/b", "/c", "/a/x", "/b/x")
SENT_METHODS = ("GET", "POST", "PUT")
SENT_VALUES = ("1", "22", "x", "y")
HEADERS = ("x-a", "x-b")
WRITTEN_HEADERS = ("x-a", "X-B")  # names of headers have no letter case
CHANGES = {
    "http": ("", "client", "service", "port", "method", "path", "headers"),
    "tcp": ("", "client", "service", "port"),
}
"""In what a request is changed; in nothing where it is empty."""
GROUP, TCP = "HTTPRouteGroup", "TCPRoute"
ALL_HTTP = RouteGroup((HttpMatch("m1", path_regex=".*", methods=("*",)),))


@dataclass(frozen=True)
class Menu:
    """What may be drawn: the features that a mesh does not say it lacks, in the versions that are served."""

    headers: bool = True
    tcp: bool = True
    elsewhere: bool = True
    """Clients in another namespace."""
    splits: bool = True
    matches: bool = True
    """Splits that are limited by route groups."""

    @classmethod
    def of(cls, profile: Profile, versions: Mapping[str, str]) -> Menu:
        """By a profile and the API versions that objects are written in."""

        def has(*features: str) -> bool:
            found = [profile.features[name].claim for name in features if name in profile.features]
            return "none" not in found

        splits = "split" in profile.claims and has("split.http")
        return cls(
            headers=has("specs.http.header") and at_least("specs", versions["specs"], "v1alpha2"),
            tcp=has("access.tcp", "access.port", "specs.tcp.ports")
            and at_least("specs", versions["specs"], "v1alpha4"),
            elsewhere=has("access.cross-namespace"),
            splits=splits,
            matches=splits and has("split.matches") and at_least("split", versions["split"], "v1alpha3"),
        )

    @property
    def listed(self) -> list[str]:
        """The clients that TrafficTargets may list."""
        return [name for name, (_, place) in LISTED.items() if self.elsewhere or place == HOME]


@cache
def _below(number: int) -> st.SearchStrategy[int]:
    """Numbers from 0 on; kept, because making a strategy costs more than drawing from it."""
    return st.integers(0, number - 1)


@dataclass(frozen=True)
class Hand:
    """Draws, by hypothesis: what comes first in a list of options is what shrinking leads to."""

    draw: st.DrawFn

    def one(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.draw(_below(len(options)))] if len(options) > 1 else options[0]

    def whether(self, of: int = 2) -> bool:
        """Yes, once in so many times."""
        return self.draw(_below(of)) == of - 1

    def many(self, make: Callable[[], T], least: int, most: int) -> list[T]:
        """Some of what is made."""
        made: list[T] = []
        while len(made) < least or (len(made) < most and self.draw(_below(3))):
            made.append(make())
        return made

    def some(self, options: Sequence[T], least: int, most: int) -> list[T]:
        """Different ones of the options, in any order."""
        left = list(options)

        def take() -> T:
            return left.pop(left.index(self.one(left)))

        return self.many(take, least, min(most, len(left)))


@st.composite
def cases(draw: st.DrawFn, menu: Menu) -> Case:
    """A policy set with some requests."""
    hand = Hand(draw)
    policies = _policies(hand, menu)
    return Case(policies, tuple(dict.fromkeys(hand.many(lambda: _probe(hand, menu, policies), 1, 14))))


def _policies(hand: Hand, menu: Menu) -> PolicySet:
    """Route groups and TCPRoutes, TrafficTargets that refer to them, and maybe a split.

    A split is drawn beside drawn grants or beside open servers: where most is denied, little is seen of a split.
    """
    split = menu.splits and hand.whether()
    limited = split and menu.matches and menu.headers and hand.whether()
    groups = hand.many(lambda: _group(hand, menu, segments=limited), 1, 3)
    ports = (*TCP_PORTS, *HTTP_PORTS)
    routes = hand.many(lambda: TcpRoute(tuple(hand.some(ports, 1, 2))), 0, 2) if menu.tcp else []
    opened = split and hand.whether()
    targets = _open(menu, len(groups) + 1) if opened else hand.many(lambda: _target(hand, menu, groups, routes), 1, 4)
    return PolicySet(
        tuple([*groups, ALL_HTTP] if opened else groups),
        tuple(routes),
        tuple(targets),
        _split(hand, len(groups) if limited else 0) if split else None,
    )


def _group(hand: Hand, menu: Menu, *, segments: bool) -> RouteGroup:
    """Matches under the same names in every group: they are local to it.

    For splits also segments: matches by headers alone.
    """
    segment = segments and hand.whether()
    made = hand.many(lambda: _segment(hand) if segment else _match(hand, menu), 1, 3)
    return RouteGroup(tuple(replace(match, name=f"m{n}") for n, match in enumerate(made, 1)))


def _match(hand: Hand, menu: Menu) -> HttpMatch:
    filters = _filters(hand, 0) if menu.headers else ()
    return HttpMatch("m", hand.one(EXPRESSIONS), hand.one(METHODS), filters)


def _segment(hand: Hand) -> HttpMatch:
    return HttpMatch("m", ".*", ("*",), _filters(hand, 1))


def _filters(hand: Hand, least: int) -> tuple[tuple[str, str], ...]:
    return tuple((name, hand.one(VALUES)) for name in hand.some(WRITTEN_HEADERS, least, 2))


def _open(menu: Menu, group: int) -> list[TrafficTarget]:
    """Every server open to every listed client, by the route group of this number."""
    sources = tuple(ServiceAccountRef(*LISTED[name]) for name in menu.listed)
    rules = (Rule(GROUP, f"g{group}"),)
    return [TrafficTarget(ServiceAccountRef(f"sa-{server}", HOME), sources, rules) for server in SERVERS]


def _target(hand: Hand, menu: Menu, groups: Sequence[RouteGroup], routes: Sequence[TcpRoute]) -> TrafficTarget:
    sources = [ServiceAccountRef(*LISTED[name]) for name in hand.some(menu.listed, 1, 3)]
    rules = hand.many(lambda: _rule(hand, groups, routes), 1, 3)
    destination = ServiceAccountRef(f"sa-{hand.one(SERVERS)}", HOME)
    return TrafficTarget(destination, tuple(sources), tuple(dict.fromkeys(rules)))


def _rule(hand: Hand, groups: Sequence[RouteGroup], routes: Sequence[TcpRoute]) -> Rule:
    number = hand.one(range(len(groups) + len(routes)))
    if number >= len(groups):
        return Rule(TCP, f"p{number - len(groups) + 1}")
    names = [match.name for match in groups[number].matches]
    return Rule(GROUP, f"g{number + 1}", tuple(hand.some(names, 0, 2)))


def _split(hand: Hand, groups: int) -> Split:
    servers = hand.some(SERVERS, 1, 3)
    backends = [Backend(server, hand.one((1, 0, 1, 50))) for server in servers]
    if not any(backend.weight for backend in backends):  # what that means is left open
        backends[0] = Backend(servers[0], 1)
    names = [f"g{n}" for n in range(1, groups + 1)]
    return Split(ROOT, tuple(backends), tuple(hand.some(names, 1, 2)) if names else ())


def _probe(hand: Hand, menu: Menu, policies: PolicySet) -> Probe:
    """A request: made to fit one of the policies and then changed in one respect, or in none."""
    found = _aimed(hand, menu, policies)
    change = hand.one(CHANGES[found.protocol])
    if not change:
        return found
    values: Mapping[str, Sequence[object]] = {
        "client": (*menu.listed, *STRANGERS),
        "service": (*SERVERS, ROOT) if found.protocol == "http" else SERVERS,
        "port": HTTP_PORTS if found.protocol == "http" else TCP_PORTS,
        "method": SENT_METHODS,
        "path": SENT_PATHS,
    }
    changed: dict[str, Any] = {change: hand.one(values[change]) if change in values else _headers(hand)}
    return replace(found, **changed)


def _headers(hand: Hand) -> tuple[tuple[str, str], ...]:
    return tuple((name, hand.one(SENT_VALUES)) for name in hand.some(HEADERS, 0, 2))


def _aimed(hand: Hand, menu: Menu, policies: PolicySet) -> Probe:
    """A request of a source of one of the TrafficTargets to its destination, or to the root of the split.

    It fits a match of any group, of those that the TrafficTarget refers to or of another.
    """
    target = hand.one(policies.targets)
    accounts = {account: name for name, account in LISTED.items()}
    source = hand.one(target.sources)
    client, server = accounts[source.name, str(source.namespace)], target.destination.name.removeprefix("sa-")
    if menu.tcp and policies.routes and hand.whether(4):
        ports = [port for route in policies.routes for port in route.ports if port in TCP_PORTS]
        return Probe(client, server, hand.one(ports or TCP_PORTS), protocol="tcp")
    match = hand.one([match for group in policies.groups for match in group.matches])
    service = ROOT if policies.split and hand.whether() else server
    return replace(fitting(match), client=client, service=service)


def fitting(match: HttpMatch) -> Probe:
    """A request that fits a match."""
    method = match.methods[0] if match.methods[0] != "*" else SENT_METHODS[0]
    headers = tuple((name.lower(), FILTERS[expression]) for name, expression in match.headers)
    path = PATHS[str(match.path_regex)]
    return Probe("", "", HTTP_PORTS[0], method=method, path=path, headers=headers)
