"""What is drawn: a set of policies and the requests that are sent under it, free of the names of a run.

Namespaces are places of the cast: `a`, `b` (second) and `u` (outside the mesh). All policies stand in `a`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from smi_conformance.model.objects import (
    Backend,
    HttpMatch,
    RouteGroup,
    Rule,
    ServiceAccountRef,
    SmiObject,
    Split,
    TcpRoute,
    TrafficTarget,
)

HOME = "a"
SERVERS = ("s2", "s3", "s4")
ROOT, BEAT = "shop", "beat"
"""Services over all servers: the one that splits are drawn for, and that of the pacemaker."""
HTTP_PORTS, TCP_PORTS = (8080, 8081), (7000, 7001)
LISTED = {"c-a": ("sa-a", "a"), "c-b": ("sa-b", "a"), "c-ax": ("sa-a", "b"), "c-x": ("sa-x", "b")}
"""Clients that TrafficTargets may list, with account and place. `c-ax` has the account's name of `c-a`, and no more."""
STRANGERS = ("c-z", "outsider")
"""Clients that no TrafficTarget ever lists: one in the mesh, one outside it."""
PACE = "pace"

Named = tuple[str, SmiObject]


@dataclass(frozen=True)
class PolicySet:
    """The SMI objects of one case; route groups are named g1, g2, ..., TCPRoutes p1, ..., TrafficTargets t1, ..."""

    groups: tuple[RouteGroup, ...] = ()
    routes: tuple[TcpRoute, ...] = ()
    targets: tuple[TrafficTarget, ...] = ()
    split: Split | None = None

    def objects(self) -> list[Named]:
        """The objects with their names, in the order in which they are written."""
        kinds: dict[str, tuple[SmiObject, ...]] = {"g": self.groups, "p": self.routes, "t": self.targets}
        named = [(f"{letter}{n}", thing) for letter, things in kinds.items() for n, thing in enumerate(things, 1)]
        return [*named, *([("split", self.split)] if self.split else [])]


@dataclass(frozen=True)
class Probe:
    """A kind of request that a client sends: HTTP/1.1, or a raw TCP connection that says one line."""

    client: str
    service: str
    port: int
    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    protocol: str = "http"

    @property
    def is_pace(self) -> bool:
        """Whether the pacemaker sends it."""
        return self.path.startswith(f"/{PACE}/")

    def __str__(self) -> str:
        shown = "".join(f" -H '{name}: {value}'" for name, value in self.headers)
        what = "TCP " if self.protocol == "tcp" else f"{self.method} "
        return f"{self.client}: {what}{self.service}:{self.port}{self.path if self.protocol == 'http' else ''}{shown}"


@dataclass(frozen=True)
class Case:
    """A policy set, and what is sent under it."""

    policies: PolicySet
    probes: tuple[Probe, ...]

    @property
    def size(self) -> int:
        """How much there is to read; shrinking lessens it."""
        return len(repr(self))


def pace_targets() -> list[Named]:
    """The pacemaker's TrafficTargets, which stand all the time and are the oldest: each server is open to all listed
    clients on the path of the beat.
    """
    sources = tuple(ServiceAccountRef(*account) for account in LISTED.values())
    rules = (Rule("HTTPRouteGroup", PACE),)
    return [
        (f"{PACE}-{server}", TrafficTarget(ServiceAccountRef(f"sa-{server}", HOME), sources, rules))
        for server in SERVERS
    ]


def beat_objects(number: int, *, splits: bool) -> list[Named]:
    """What the pacemaker writes at each beat, after everything else: a path that is new, and a split that turns.

    Once these act, what was written before them has had its time.
    """
    group = RouteGroup((HttpMatch("beat", path_regex=f"/{PACE}/{number}$", methods=("GET",)),))
    split = Split(BEAT, (Backend(SERVERS[number % len(SERVERS)], 1),))
    return [(PACE, group), *([(PACE, split)] if splits else [])]


def pace_probes(client: str, number: int, *, splits: bool) -> list[Probe]:
    """What a listed client sends to see the beat: to every server, and to the root of the pacemaker's split."""
    services = [*SERVERS, *([BEAT] if splits else [])]
    return [Probe(client, service, HTTP_PORTS[0], path=f"/{PACE}/{number}") for service in services]


def moved(thing: SmiObject, places: Mapping[str, str]) -> SmiObject:
    """An object with the namespaces that stand for its places."""
    if not isinstance(thing, TrafficTarget):
        return thing
    return replace(
        thing,
        destination=_moved(thing.destination, places),
        sources=tuple(_moved(source, places) for source in thing.sources),
    )


def _moved(account: ServiceAccountRef, places: Mapping[str, str]) -> ServiceAccountRef:
    return replace(account, namespace=places[str(account.namespace)])
