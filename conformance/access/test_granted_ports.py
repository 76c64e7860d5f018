"""Access control: ports, together with routes of HTTP."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors, Lease, Server
from fixtures.policy import ALL_HTTP, Policy, Routes, http, match, tcp
from fixtures.readings import Readings
from fixtures.services import Services
from fixtures.stage import Stage
from smi_conformance.plugin import requirement

OLD, NEW = ("v1alpha1", "v1alpha2"), ("v1alpha3", "v1alpha4")


@requirement("TA-053")
def test_ports_and_routes_stay_together(server: Server, policy: Policy, clients: Actors) -> None:
    """Ports and HTTP routes are combined only inside one TrafficTarget, also when two list the same source."""
    policy.allow(clients.a, server, http("/one", "GET"), port=8080)
    policy.allow(clients.a, server, http("/two", "GET"), port=8081)

    admitted = clients.a.can(server.at.on(8080).get("/one"), server.at.on(8081).get("/two"))
    clients.a.cannot(server.at.on(8080).get("/two"), server.at.on(8081).get("/one"), beside=admitted)


@requirement("TA-080")
def test_destination_port_limits(server: Server, policy: Policy, clients: Actors, services: Services) -> None:
    """destination.port limits the grant to that port of the destination."""
    second = services.over(server, {8080: 8080, 8081: 8081})
    policy.allow(clients.a, server, http("/one", "GET"), port=8080)
    admitted = clients.a.can(server.at.on(8080).get("/one"), second.on(8080).get("/one"))
    clients.a.cannot(server.at.on(8081).get("/one"), second.on(8081).get("/one"), beside=admitted)

    policy.allow(clients.a, server, http("/two", "GET"), port=8081)
    admitted = clients.a.can(server.at.on(8080).get("/one"), server.at.on(8081).get("/two"))
    clients.a.cannot(server.at.on(8081).get("/one"), server.at.on(8080).get("/two"), beside=admitted)


@requirement("TA-081")
def test_no_destination_port_means_every_port(server: Server, policy: Policy, clients: Actors) -> None:
    """Without destination.port the grant holds on every port of the destination."""
    calls = [server.at.on(port).get("/one") for port in (8080, 8081)]
    group = policy.group(server, http("/one", "GET"))
    policy.offered(policy.draft(clients.a, server, group), server.account[1])

    clients.z.cannot(*calls, beside=clients.a.can(*calls))


@requirement("TA-082")
def test_port_of_service_or_container(
    lease: Lease, policy: Policy, clients: Actors, services: Services, readings: Readings
) -> None:
    """Where a Service port differs from its targetPort, a policy may mean the Service's or the container's."""
    by_service, by_container = lease.servers(2)
    found = {}
    for name, server, (port, raw) in (("S", by_service, (8080, 7000)), ("C", by_container, (8081, 7001))):
        mapped = services.over(server, {8080: 8081}), services.over(server, {7000: 7001}, "tcp")
        policy.allow(clients.a, server, ALL_HTTP, port=port)
        policy.allow(clients.a, server, tcp(raw))
        clients.a.can(server.at.on(port).get("/"), server.at.tcp(raw))
        found[name] = clients.a.meets(mapped[0].get("/")), clients.a.meets(mapped[1].tcp(7000))

    admits = tuple("".join(name for name, met in found.items() if met[n] == "admitted") for n in (0, 1))
    one = {("S", "S"): "service-port", ("C", "C"): "container-port", ("SC", "SC"): "both", ("", ""): "neither"}
    readings.of(one.get((admits[0], admits[1]), "mixed"), {slug: slug for slug in (*one.values(), "mixed")})


def two_rules(policy: Policy, server: Server, order: str) -> list[Routes]:
    """A TCPRoute for port 8080 and a group for GET /metrics, in this order."""
    made = {"tcp": policy.route(server, tcp(8080)), "http": policy.group(server, match("m", "/metrics", "GET"))}
    return [made[kind] for kind in order.split()]


@requirement("TA-100")
@pytest.mark.parametrize("order", ["tcp http", "http tcp"])
def test_port_and_route_are_both_needed(server: Server, policy: Policy, clients: Actors, order: str) -> None:
    """With a TCPRoute and an HTTPRouteGroup a request must satisfy both, the port of one and a route of the other."""
    policy.target(clients.a, server, *two_rules(policy, server, order))

    admitted = clients.a.can(server.at.on(8080).get("/metrics"))
    clients.a.cannot(server.at.on(8080).get("/data"), server.at.on(8081).get("/metrics"), beside=admitted)


@requirement("TA-101", schedule="fresh")
def test_routes_hold_on_every_http_port(policy: Policy, clients: Actors, stage: Stage, services: Services) -> None:
    """A TrafficTarget with HTTP routes and no TCPRoute grants those routes on every HTTP port of the destination."""
    server = stage.server()
    metrics, data = ([server.at.on(port).get(path) for port in (8080, 8081)] for path in ("/metrics", "/data"))
    services.remap(server.at, {8080: 8080})
    policy.allow(clients.a, server, http("/metrics", "GET"))
    clients.a.cannot(data[0], beside=clients.a.can(metrics[0]))

    services.remap(server.at, {8080: 8080, 8081: 8081})
    clients.a.cannot(*data, beside=clients.a.can(*metrics))


@requirement("TA-102")
def test_tcp_route_alone_admits_http(server: Server, policy: Policy, clients: Actors) -> None:
    """A TrafficTarget whose only rule is a TCPRoute admits what is sent over TCP on its ports, HTTP included."""
    policy.allow(clients.a, server, tcp(8080, 7000))
    calls = [server.at.tcp(7000), server.at.get("/"), server.at.call("POST", "/data")]

    admitted = clients.a.can(*calls)
    clients.a.cannot(server.at.on(8081).get("/"), beside=admitted)
    clients.z.cannot(*calls, beside=admitted)


@requirement("TA-107")
def test_raw_tcp_beside_http_routes(server: Server, policy: Policy, clients: Actors, readings: Readings) -> None:
    """Raw TCP on the port of a TrafficTarget with both a TCPRoute and an HTTPRouteGroup may be admitted or denied."""
    policy.target(
        clients.a, server, policy.route(server, tcp(7000, 8080)), policy.group(server, http("/metrics", "GET"))
    )
    clients.a.can(server.at.get("/metrics"))

    readings.of(clients.a.meets(server.at.tcp(7000)), {"admitted": "admitted", "denied": "denied"})
