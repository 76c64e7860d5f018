"""The oracle and the reference mesh read the same manifests: two accounts of SMI, written apart, that must agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from smi_conformance.cluster.model.reading import Reader
from smi_conformance.cluster.model.switchboard import Switches
from smi_conformance.lab.mesh import objects, policy, splits
from smi_conformance.lab.mesh.model import HttpMatch as LabMatch
from smi_conformance.lab.mesh.model import Name, State
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
    UdpRoute,
)
from smi_conformance.model.oracle import Oracle, Request
from smi_conformance.model.render import render
from smi_conformance.model.world import Key, World

Json = dict[str, Any]
PORTS = {8080: "http", 9090: "http", 7000: "tcp", 9000: "udp"}
RESOURCES = {
    "TrafficTarget": "traffictargets.access.smi-spec.io",
    "HTTPRouteGroup": "httproutegroups.specs.smi-spec.io",
    "TCPRoute": "tcproutes.specs.smi-spec.io",
    "UDPRoute": "udproutes.specs.smi-spec.io",
    "TrafficSplit": "trafficsplits.split.smi-spec.io",
}

matches = st.builds(
    HttpMatch,
    name=st.sampled_from(["one", "two"]),
    path_regex=st.sampled_from([None, ".*", "/a", "/a|/b", "/[ab]$", "/("]),
    methods=st.lists(st.sampled_from(["GET", "POST", "*"]), max_size=2).map(tuple),
    headers=st.lists(
        st.tuples(st.sampled_from(["x-a", "X-B"]), st.sampled_from(["1", "[0-9]+", ".+"])), max_size=2
    ).map(tuple),
)
groups = st.lists(matches, min_size=1, max_size=3).map(lambda found: RouteGroup(tuple(found)))
ports = st.lists(st.sampled_from(sorted(PORTS)), max_size=2, unique=True).map(tuple)
rules = st.builds(
    Rule,
    kind=st.sampled_from(["HTTPRouteGroup", "HTTPRouteGroup", "TCPRoute", "UDPRoute"]),
    name=st.sampled_from(["r1", "r1", "r2", "missing"]),
    matches=st.lists(st.sampled_from(["one", "two", "three"]), max_size=2).map(tuple),
)
NEAR = st.sampled_from(["ns", "ns", "ns", "far", None])
targets = st.builds(
    TrafficTarget,
    destination=st.builds(ServiceAccountRef, st.just("b"), NEAR),
    sources=st.lists(st.builds(ServiceAccountRef, st.sampled_from("aabz"), NEAR), min_size=1, max_size=2).map(tuple),
    rules=st.lists(rules, min_size=1, max_size=3).map(tuple),
)
routes = st.tuples(groups, groups, st.builds(TcpRoute, ports), st.builds(TcpRoute, ports), st.builds(UdpRoute, ports))
policies = st.lists(st.tuples(targets, st.sampled_from(["ns", "ns", "ns", "far"])), min_size=1, max_size=3)
sent_headers = st.tuples(st.sampled_from(["x-a", "x-b"]), st.sampled_from(["1", "22", "x"]))
requests = st.fixed_dictionaries({
    "client": st.sampled_from(["a-ns", "a-ns", "a-ns", "z-ns", "a-far", "outsider"]),
    "port": st.sampled_from(sorted(PORTS)),
    "method": st.sampled_from(["GET", "POST"]),
    "path": st.sampled_from(["/", "/a", "/a/x", "/b?q=/a", "/c"]),
    "headers": st.lists(sent_headers, max_size=2).map(tuple),
})  # fmt: skip


def pod(name: str, account: str, namespace: str, number: int, *, meshed: bool = True, **labels: str) -> Json:
    listening = [{"name": f"{protocol}-{port}", "containerPort": port} for port, protocol in PORTS.items()]
    containers = [{"name": "workload", "ports": listening}, *([{"name": objects.SIDECAR}] if meshed else [])]
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": labels},
        "spec": {"serviceAccountName": account, "containers": containers},
        "status": {"podIP": f"10.0.0.{number}", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def service(name: str, **selector: str) -> Json:
    listed = [
        {"name": f"{p}-{n}", "port": n, "protocol": "UDP" if p == "udp" else "TCP", "appProtocol": p}
        for n, p in PORTS.items()
    ]
    meta = {"name": name, "namespace": "ns", "uid": f"service-{name}"}
    return {"metadata": meta, "spec": {"clusterIP": f"10.96.0.{len(name)}", "selector": selector, "ports": listed}}


PODS = [
    *(pod(f"{account}-ns", account, "ns", n) for n, account in enumerate("az", 1)),
    pod("b-ns", "b", "ns", 5, app="server"),
    pod("a-far", "a", "far", 6),
    pod("outsider", "a", "ns", 7, meshed=False),
    *(pod(f"v{n}", f"v{n}", "ns", 10 + n, app="web", version=f"v{n}") for n in (1, 2, 3)),
]
SERVICES = [
    service("server", app="server"),
    service("web", app="web"),
    *(service(f"web-v{n}", app="web", version=f"v{n}") for n in (1, 2)),
]


class Everything(dict[str, list[Json]]):
    """Manifests by resource, as both readers take them."""

    def walk(self, resource: str) -> Iterator[Json]:
        yield from self.get(resource, ())

    @classmethod
    def of(cls, *found: tuple[SmiObject, str, str]) -> Everything:
        """Pods, Services, and these objects with their names and namespaces."""
        made = cls(pods=PODS, services=SERVICES)
        stable = {"access": "v1alpha3", "specs": "v1alpha4", "split": "v1alpha4"}
        for number, (thing, name, namespace) in enumerate(found):
            manifest = render(thing, name, namespace, stable)
            manifest["metadata"]["uid"] = f"smi-{number}"
            known = made.setdefault(RESOURCES[manifest["kind"]], [])
            if all(one["metadata"]["name"] != name or one["metadata"]["namespace"] != namespace for one in known):
                known.append(manifest)
        return made

    def world(self) -> World:
        order = {m["metadata"]["uid"]: n for n, m in enumerate(m for found in self.values() for m in found)}
        return Reader(self, order, Switches(), objects.SIDECAR).world("deny")  # type: ignore[arg-type]

    def state(self) -> State:
        return objects.read(self)


def request(world: World, asked: Json) -> Request:
    client = next(pod for pod in world.pods if pod.key.name == asked["client"])
    protocol: Any = PORTS[asked["port"]]
    return Request(
        client, protocol, asked["port"], identity=client.account if client.meshed else None, method=asked["method"],
        path=asked["path"], headers=asked["headers"],
    )  # fmt: skip


def lab_admits(state: State, sent: Request, name: str) -> bool:
    """What the reference mesh's rules for a pod say of a request."""
    pod = next(one for one in state.pods if one.name.name == name)
    inbound = policy.inbound(state, pod)
    client = next(one for one in state.pods if tuple(one.name) == sent.client.key)
    who = set(client.identities) if client.meshed else set()
    if sent.protocol == "udp":
        return bool(who & set(inbound.udp[sent.port]))
    if sent.protocol == "tcp":
        return bool(who & set(inbound.tcp[sent.port].sources))
    return any(
        who & set(rule.sources) and (rule.ports is None or sent.port in rule.ports) and _fits(rule.request, sent)
        for rule in inbound.rules
    )


def _fits(match: LabMatch | None, sent: Request) -> bool:
    if match is None:
        return True
    path = sent.path.partition("?")[0]
    values = {name: ",".join(v for n, v in sent.headers if n == name) for name, _ in sent.headers}
    return (
        (not match.pattern or re.fullmatch(match.pattern, path) is not None)
        and (not match.methods or sent.method in match.methods)
        and all(h.name in values and re.fullmatch(h.expression, values[h.name]) for h in match.headers)
    )


@settings(max_examples=200, deadline=None)
@given(policies, routes, st.lists(requests, min_size=4, max_size=8))
def test_admission(policies: list[tuple[TrafficTarget, str]], routes: tuple[SmiObject, ...], asked: list[Json]) -> None:
    """Who is let in: by identity, port, route and protocol."""
    named = [(route, f"r{n % 2 + 1}", space) for space in ("ns", "far") for n, route in enumerate(routes)]
    found = Everything.of(*named, *((target, f"t{n}", space) for n, (target, space) in enumerate(policies)))
    world, state = found.world(), found.state()
    server = next(pod for pod in world.pods if pod.key.name == "b-ns")
    for one in asked:
        sent = request(world, one)
        assert Oracle().admits(world, sent, server, sent.port) == lab_admits(state, sent, "b-ns"), one


backends = st.lists(
    st.builds(Backend, st.sampled_from(["web-v1", "web-v2", "web-v3", "web"]), st.sampled_from([0, 1, 10, 90])),
    max_size=3, unique_by=lambda backend: backend.service,
).map(tuple)  # fmt: skip
split_specs = st.builds(
    Split,
    st.sampled_from(["web", "web-v1", "web.ns"]),
    backends,
    st.lists(st.sampled_from(["r1", "r2"]), max_size=2).map(tuple),
)


def lab_shares(state: State, sent: Request) -> dict[str, float]:
    """Where the reference mesh sends a request: the first branch that it fits."""
    assert sent.service
    outbound = splits.outbound(state)
    ports = [*outbound.ports, *(outbound.datagrams if sent.protocol == "udp" else ())]
    root = Name(*sent.service.key)
    fitting = [p for p in ports if p.service.name == root and p.port.number == sent.port]
    if not fitting:
        return {root.name: 1.0}  # none of the mesh's business
    branch = next(one for one in fitting[-1].branches if one.match is None or _fits(one.match, sent))
    total = sum(choice.weight for choice in branch.choices)
    return {choice.service.name: choice.weight / total for choice in branch.choices}


@settings(max_examples=200, deadline=None)
@given(st.lists(split_specs, max_size=3), groups, groups, st.lists(requests, min_size=3, max_size=6))
def test_shares(found: list[Split], one: RouteGroup, two: RouteGroup, asked: list[Json]) -> None:
    """Where requests on a root go: by weight, by route groups, and to nobody that lacks what is called."""
    named = [(split, f"s{n}", "ns") for n, split in enumerate(found)]
    manifests = Everything.of(*named, (one, "r1", "ns"), (two, "r2", "far"))
    world, state = manifests.world(), manifests.state()
    for one_request in asked:
        sent = request(world, {**one_request, "client": "a-ns"})
        for name in ("web", "web-v1"):
            called = Request(**{**vars(sent), "service": world.services[Key("ns", name)]})
            choices = Oracle().choices(world, called)
            total = sum(choice.weight for choice in choices)
            mine = {choice.service.name: float(choice.weight / total) for choice in choices}
            assert mine == lab_shares(state, called), (name, one_request)
