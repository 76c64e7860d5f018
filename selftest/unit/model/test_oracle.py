"""The oracle on small worlds: one server, one policy or split, and who gets where."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
from smi_conformance.model.readings import Readings
from smi_conformance.model.world import Key, Placed, Pod, Service, ServicePort, World

NS = "ns"


def pod(name: str, account: str, number: int = 0, namespace: str = NS, **labels: str) -> Pod:
    return Pod(Key(namespace, name), name, f"10.0.0.{number}", Key(namespace, account), labels, created=number)


def placed(thing: SmiObject, name: str, version: str = "v1alpha4") -> Placed[SmiObject]:
    return Placed(Key(NS, name), thing, name, 0, version)


def service(name: str, target: int | str = 8080, port: int = 8080, **selector: str) -> Service:
    return Service(Key(NS, name), name, f"10.96.0.{len(name)}", selector, (ServicePort(port, "http", target),))


CLIENT, OTHER = pod("client", "sa-a", 1), pod("other", "sa-z", 2)
SERVER = pod("server", "sa-b", 3, app="server")
ME, SA_A = ServiceAccountRef("sa-b", NS), ServiceAccountRef("sa-a", NS)
ONE = HttpMatch("one", "/one", ("GET",))
TWO = HttpMatch("two", "/two", ("POST",), (("x-a", "v[0-9]+"),))
ROUTES = {Key(NS, "routes"): placed(RouteGroup((ONE, TWO)), "routes")}
HTTP, TCP, UDP = Rule("HTTPRouteGroup", "routes"), Rule("TCPRoute", "tcp"), Rule("UDPRoute", "udp")


def world(*targets: TrafficTarget, version: str = "v1alpha3", tcp: tuple[int, ...] = (7000,)) -> World:
    """These TrafficTargets, with routes to refer to."""
    return World(
        pods=(CLIENT, OTHER, SERVER),
        targets=tuple(placed(target, f"t{n}", version) for n, target in enumerate(targets)),  # type: ignore[misc]
        groups=ROUTES,  # type: ignore[arg-type]
        tcp_routes={Key(NS, "tcp"): placed(TcpRoute(tcp), "tcp")},  # type: ignore[dict-item]
        udp_routes={Key(NS, "udp"): placed(UdpRoute((9000,)), "udp")},  # type: ignore[dict-item]
    )


def grant(*rules: Rule, source: ServiceAccountRef = SA_A, port: int | None = None) -> TrafficTarget:
    return TrafficTarget(ME, (source,), rules or (HTTP,), port)


def get(path: str = "/one", client: Pod = CLIENT, **changes: object) -> Request:
    request = Request(client, "http", 8080, identity=client.account if client.meshed else None, path=path)
    return replace(request, **changes)  # type: ignore[arg-type]


def admits(known: World, request: Request, port: int = 8080, readings: Readings | None = None) -> bool:
    return Oracle(readings or Readings()).admits(known, request, SERVER, port)


def test_nothing_is_admitted_without_a_grant() -> None:
    assert not admits(world(), get())
    assert admits(replace(world(), posture="permissive"), get())


def test_grant_needs_source_destination_and_route() -> None:
    known = world(grant())
    assert admits(known, get())
    assert not admits(known, get(client=OTHER))
    assert not admits(known, get("/three"))
    assert not admits(known, get(method="POST"))
    assert not Oracle().admits(known, get(), OTHER, 8080)
    assert not admits(known, get(client=replace(CLIENT, meshed=False)))


def test_grants_add_up_and_do_not_mix() -> None:
    one, two = (grant(Rule("HTTPRouteGroup", "routes", (name,))) for name in ("one", "two"))
    known = world(one, replace(two, sources=(ServiceAccountRef("sa-z", NS),)))
    assert admits(known, get())
    assert admits(known, get("/two", OTHER, method="POST", headers=(("X-A", "v1"),)))
    assert not admits(known, get(client=OTHER))
    assert not admits(known, get("/two", method="POST", headers=(("x-a", "v1"),)))


def test_ports_limit_a_grant() -> None:
    assert admits(world(grant(port=8080)), get(), 8080)
    assert not admits(world(grant(port=8080)), get(), 9090)
    both = world(grant(HTTP, TCP), tcp=(8080,))
    assert admits(both, get(), 8080)
    assert not admits(both, get(), 9090)
    assert not admits(both, get("/other"), 8080)


@pytest.mark.parametrize(("rules", "admitted"), [((HTTP,), False), ((TCP,), True), ((HTTP, TCP), True)])
def test_raw_tcp_needs_a_tcp_route(rules: tuple[Rule, ...], admitted: bool) -> None:
    raw = get(protocol="tcp", port=7000)
    assert admits(world(grant(*rules)), raw, 7000) is admitted
    assert not admits(world(grant(*rules)), raw, 7001)
    assert admits(world(grant(*rules), tcp=()), raw, 7001) is admitted


def test_udp_needs_a_udp_route_of_a_version_that_has_it() -> None:
    datagram = get(protocol="udp", port=9000)
    assert admits(world(grant(UDP)), datagram, 9000)
    assert not admits(world(grant(UDP)), datagram, 9001)
    assert not admits(world(grant(UDP), version="v1alpha2"), datagram, 9000)
    assert not admits(world(grant(TCP), tcp=()), datagram, 9000)


def test_tcp_route_alone_admits_http_on_its_ports() -> None:
    known = world(grant(TCP), tcp=(8080,))
    assert admits(known, get("/anything", method="DELETE"), 8080)
    assert not admits(known, get(), 9090)


@pytest.mark.parametrize(
    "rule", [Rule("HTTPRouteGroup", "missing"), Rule("HTTPRouteGroup", "routes", ("x",)), Rule("X", "y")]
)
def test_dangling_rules_grant_nothing(rule: Rule) -> None:
    assert not admits(world(grant(rule)), get())
    assert admits(world(grant(rule, HTTP)), get())
    assert not admits(world(grant(rule, HTTP)), get(), readings=Readings(intact_rules="void")) or rule.kind == "X"


def test_raw_tcp_beside_http_is_a_reading() -> None:
    """With a route group beside it a TCPRoute may be for HTTP only; alone it never is."""
    raw, denied = get(protocol="tcp", port=7000), Readings(raw_tcp_beside_http="denied")
    assert admits(world(grant(HTTP, TCP)), raw, 7000)
    assert not admits(world(grant(HTTP, TCP)), raw, 7000, denied)
    assert admits(world(grant(TCP)), raw, 7000, denied)


def test_which_port_a_policy_names_is_a_reading() -> None:
    """That of the container or that of the Service, where they are not the same."""
    by_service = Readings(policy_port="service")
    for known in (world(grant(port=9090)), world(grant(TCP), tcp=(9090,))):
        assert admits(known, get(), 9090)
        assert not admits(known, get(), 9090, by_service)
        assert admits(known, get(port=9090), 8080, by_service)
        assert not admits(known, get(port=9090), 8080)


def test_source_without_namespace_is_a_reading() -> None:
    known = world(grant(source=ServiceAccountRef("sa-a")))
    assert not admits(known, get())
    assert admits(known, get(), readings=Readings(source_without_namespace="own"))
    assert not admits(known, get(client=pod("x", "sa-a", 9, "far")), readings=Readings(source_without_namespace="own"))


def test_target_elsewhere_is_a_reading() -> None:
    target = replace(world(grant()).targets[0], key=Key("far", "t"))
    known = replace(world(), targets=(target,), groups={Key("far", "routes"): ROUTES[Key(NS, "routes")]})  # type: ignore[dict-item]
    assert not admits(known, get())
    assert admits(known, get(), readings=Readings(target_elsewhere="honoured"))


def test_what_dangles_is_named() -> None:
    """A route object that does not exist, and a match that its group does not have; what exists is not named."""
    rules = (HTTP, TCP, UDP, Rule("TCPRoute", "gone"), Rule("HTTPRouteGroup", "routes", ("one", "three")))
    known = world(grant(*rules, Rule("UDPRoute", "tcp")))
    dangling = list(Oracle().dangling(known, known.targets[0]))
    assert dangling == ["TCPRoute gone", "match three of routes", "UDPRoute tcp"]


VERSIONS = tuple(pod(f"v{n}", f"sa-v{n}", 10 + n, app="web", version=f"v{n}") for n in (1, 2, 3))
WEB = service("web", app="web")
BACKENDS = tuple(service(f"web-v{n}", app="web", version=f"v{n}") for n in (1, 2, 3))


def cluster(*splits: Split, services: tuple[Service, ...] = (WEB, *BACKENDS)) -> World:
    """A root over three versions with a Service for each."""
    found = tuple(placed(split, f"s{n}") for n, split in enumerate(splits))
    groups = {Key(NS, "one"): placed(RouteGroup((ONE,)), "one")}
    return World((CLIENT, *VERSIONS), {one.key: one for one in services}, splits=found, groups=groups)  # type: ignore[arg-type]


def split(*weights: int | str, matches: tuple[str, ...] = ()) -> Split:
    return Split("web", tuple(Backend(f"web-v{n}", weight) for n, weight in enumerate(weights, 1)), matches)


def shares(known: World, request: Request | None = None, readings: Readings | None = None) -> dict[str, float]:
    """The share of each pod; that of "" fails."""
    request = request or get(service=WEB)
    found = Oracle(readings or Readings()).shares(known, request)
    return {endpoint.pod.key.name if endpoint else "": round(share, 3) for endpoint, share in found.items()}


EVENLY = {"v1": 0.333, "v2": 0.333, "v3": 0.333}


def test_service_without_split_is_spread_evenly() -> None:
    assert shares(cluster()) == EVENLY
    assert shares(cluster(split(1)), get(service=WEB, client=replace(CLIENT, meshed=False))) == EVENLY


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((90, 10), {"v1": 0.9, "v2": 0.1}),
        ((1000, 500), {"v1": 0.667, "v2": 0.333}),
        (("1", "500m"), {"v1": 0.667, "v2": 0.333}),
        ((100, 0), {"v1": 1}),
        ((7,), {"v1": 1}),
        ((0, 0), {"": 1}),
    ],
    ids=str,
)
def test_weights(weights: tuple[int | str, ...], expected: dict[str, float]) -> None:
    assert shares(cluster(split(*weights))) == expected


def test_all_zero_is_a_reading() -> None:
    assert shares(cluster(split(0, 0)), readings=Readings(all_zero="ignored")) == EVENLY
    assert shares(cluster(split(1, 0)), readings=Readings(all_zero="ignored")) == {"v1": 1}


def test_missing_backend_is_a_reading() -> None:
    known = cluster(split(50, 50), services=(WEB, BACKENDS[0]))
    assert shares(known) == {"v1": 1}
    assert shares(known, readings=Readings(absent_backend="fails")) == {"v1": 0.5, "": 0.5}


def test_backend_without_the_port_gets_nothing() -> None:
    known = cluster(split(50, 50), services=(WEB, BACKENDS[0], service("web-v2", port=1024, version="v2")))
    assert shares(known) == {"v1": 1}
    assert shares(known, readings=Readings(absent_backend="fails")) == {"v1": 1}


def test_a_backend_has_a_port_by_its_transport() -> None:
    """One that takes only TCP at the port has lost it for UDP."""
    udp = (replace(BACKENDS[0], ports=(ServicePort(8080, "udp", 8080),)), BACKENDS[1])
    known = cluster(split(50, 50), services=(WEB, *udp))
    datagram = get(service=WEB, protocol="udp")
    assert shares(known, datagram) == {"v1": 1}
    assert shares(known, datagram, Readings(absent_backend="fails")) == {"v1": 1}


def test_shares_of_one_pod_add_up() -> None:
    """Two backends may be Services over the same pods."""
    known = cluster(split(3, 1), services=(WEB, BACKENDS[0], service("web-v2", app="web")))
    assert shares(known) == {"v1": 0.833, "v2": 0.083, "v3": 0.083}


def test_backend_maps_the_port_by_itself() -> None:
    named = replace(VERSIONS[1], named_ports={"web": 8081})
    mapped = (service("web-v1", 9000, version="v1"), service("web-v2", "web", version="v2"))
    known = replace(cluster(split(1, 1), services=(WEB, *mapped)), pods=(CLIENT, VERSIONS[0], named))
    found = Oracle().shares(known, get(service=WEB))
    assert sorted((endpoint.pod.key.name, endpoint.port) for endpoint in found if endpoint) == [
        ("v1", 9000),
        ("v2", 8081),
    ]


def test_matches_limit_a_split() -> None:
    known = cluster(split(0, 1, matches=("one", "missing")))
    assert shares(known, get(service=WEB)) == {"v2": 1}
    assert shares(known, get("/other", service=WEB)) == EVENLY
    assert shares(cluster(split(0, 1, matches=("missing",)))) == EVENLY


def test_splits_are_not_chained_and_the_oldest_acts() -> None:
    chained = Split("web-v1", (Backend("web-v3", 1),))
    assert shares(cluster(split(1), chained)) == {"v1": 1}
    assert shares(cluster(split(1), split(0, 1))) == {"v1": 1}
    assert shares(cluster(split(1), split(0, 1)), readings=Readings(two_splits="newest")) == {"v2": 1}
    assert shares(cluster(split(1), split(0, 1), split(0, 0, 1)), readings=Readings(two_splits="newest")) == {"v3": 1}


@pytest.mark.parametrize("name", ["web.ns", "web.ns.svc", "web.ns.svc.cluster.local"])
def test_qualified_root(name: str) -> None:
    known = cluster(replace(split(1), service=name))
    assert shares(known) == {"v1": 1}
    assert shares(known, readings=Readings(qualified_service="unknown")) == EVENLY


def test_only_luck_tells_equal_requests_apart() -> None:
    request = Request(pod("client", "a"), "http", 8080, service("web"), path="/data")

    lucky = request.lucky(0.1)

    assert lucky == replace(request, luck=0.1) != request
    assert lucky.asked == request.asked != replace(lucky, path="/other").asked


def test_calls_to_the_cluster_ip_are_a_reading() -> None:
    by_ip = get(service=WEB, by="cluster IP")
    assert shares(cluster(split(1)), by_ip) == {"v1": 1}
    assert shares(cluster(split(1)), by_ip, Readings(cluster_ip="unsplit")) == EVENLY


def test_a_split_with_matches_takes_http_only() -> None:
    """Raw TCP has neither path nor method, so nothing of it can match."""
    known = cluster(split(1, matches=("one",)))
    assert shares(known, get(service=WEB)) == {"v1": 1}
    assert shares(known, get(service=WEB, protocol="tcp")) == EVENLY


def test_pods_that_are_not_ready_get_nothing() -> None:
    known = replace(cluster(), pods=(CLIENT, VERSIONS[0], VERSIONS[1], replace(VERSIONS[2], ready=False)))
    assert shares(known) == {"v1": 0.5, "v2": 0.5}


def test_a_weight_that_is_none_counts_as_zero() -> None:
    assert shares(cluster(split("much", 1))) == {"v2": 1}
