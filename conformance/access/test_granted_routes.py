"""Access control: which requests the rules of a TrafficTarget admit."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors, Lease, Server
from fixtures.policy import Policy, http, match
from smi_conformance.plugin import requirement


@requirement("TA-022")
def test_request_outside_the_routes_is_denied(server: Server, policy: Policy, clients: Actors) -> None:
    """A listed source is denied when its request matches none of the routes the TrafficTarget refers to."""
    data, other, post = server.at.get("/data"), server.at.get("/other"), server.at.call("POST", "/data")
    policy.allow(clients.a, server, http("/data", "GET"))
    admitted = clients.a.can(data)
    clients.a.cannot(other, post, beside=admitted)
    clients.a.alternates(data, other, post)

    policy.allow(clients.b, server, http("/more", "GET"))
    admitted = clients.b.can(server.at.get("/more"))
    clients.b.cannot(other, server.at.call("POST", "/more"), beside=admitted)
    clients.a.cannot(other, post, beside=clients.a.can(data))


@requirement("TA-090")
def test_matches_of_a_rule_restrict_it(server: Server, policy: Policy, clients: Actors) -> None:
    """The matches of a rule restrict the grant to the named matches of the referenced route group."""
    own = policy.group(server, match("everything", ".*", "*"), match("metrics", "/metrics", "GET"))
    second = policy.group(server, match("metrics", "/elsewhere", "GET"), match("one", "/one", "GET"))
    policy.target(clients.a, server, own.rule("metrics"), second.rule("one"))

    admitted = clients.a.can(server.at.get("/metrics"), server.at.get("/one"))
    clients.a.cannot(server.at.get("/data"), server.at.get("/elsewhere"), beside=admitted)


@requirement("TA-091")
def test_rule_without_matches_grants_all(server: Server, policy: Policy, clients: Actors) -> None:
    """A rule without matches grants every match of the referenced route group, any one of which suffices."""
    one, two = match("one", "/one", "GET"), match("two", "/two", "POST")
    group = policy.group(server, one, two)
    policy.target(clients.a, server, group)
    admitted = clients.a.can(server.at.get("/one"), server.at.call("POST", "/two"))
    clients.a.cannot(server.at.call("POST", "/one"), server.at.get("/three"), beside=admitted)

    group.with_matches(one, two, match("three", "/three", "GET"))
    clients.a.can(server.at.get("/three"), server.at.get("/one"), server.at.call("POST", "/two"))


@requirement("TA-092")
def test_match_names_are_alternatives(server: Server, policy: Policy, clients: Actors) -> None:
    """Several match names in one rule are alternatives."""
    group = policy.group(server, *(match(name, f"/{name}", "GET") for name in ("one", "two", "four")))
    policy.target(clients.a, server, group.rule("one", "two"))

    admitted = clients.a.can(server.at.get("/one"), server.at.get("/two"))
    clients.a.cannot(server.at.get("/four"), beside=admitted)


@requirement("TA-096")
def test_empty_matches_are_none(server: Server, policy: Policy, clients: Actors) -> None:
    """A rule with an empty matches list grants the same as a rule without the field."""
    group = policy.group(server, match("one", "/one", "GET"), match("two", "/two", "POST"))
    rules = [{"kind": "HTTPRouteGroup", "name": group.ref.name, "matches": []}]
    policy.offered(policy.draft(clients.a, server, group), server.account[1], rules=rules)

    admitted = clients.a.can(server.at.get("/one"), server.at.call("POST", "/two"))
    clients.a.cannot(server.at.call("POST", "/one"), server.at.get("/three"), beside=admitted)


@requirement("TA-095")
@pytest.mark.parametrize("empty", [{"rules": []}, {"rules": None}], ids=["empty", "absent"])
def test_no_rules_grant_nothing(
    server: Server, policy: Policy, clients: Actors, empty: dict[str, list[str] | None]
) -> None:
    """A TrafficTarget without rules, or with an empty rules list, grants nothing."""
    calls = [server.at.get("/"), server.at.get("/one"), server.at.tcp(7000)]
    target = policy.offered(policy.draft(clients.a, server), server.account[1], **empty)
    clients.a.cannot(*calls)

    target.becomes(rules=(policy.group(server, http("/one", "GET")).rule(),))
    clients.a.can(server.at.get("/one"))
    target.offers(**empty)
    clients.a.cannot(*calls)


@requirement("TA-098")
def test_route_groups_are_alternatives(lease: Lease, policy: Policy, clients: Actors) -> None:
    """Several route groups in one TrafficTarget are alternatives, also where names of their matches are the same."""
    server, other = lease.servers(2)
    g = policy.group(server, match("one", "/one", "GET"), match("two", "/two", "GET"))
    h = policy.group(server, match("three", "/three", "GET"), match("five", "/five", "GET"))
    policy.target(clients.a, server, g.rule("one"), h.rule("three"))
    i = policy.group(other, match("x", "/i-x", "GET"), match("y", "/i-y", "GET"))
    j = policy.group(other, match("x", "/j-x", "GET"), match("y", "/j-y", "GET"))
    policy.target(clients.a, other, i.rule("x"), j.rule("y"))

    admitted = clients.a.can(server.at.get("/one"), server.at.get("/three"))
    clients.a.cannot(server.at.get("/two"), server.at.get("/five"), beside=admitted)
    admitted = clients.a.can(other.at.get("/i-x"), other.at.get("/j-y"))
    clients.a.cannot(other.at.get("/i-y"), other.at.get("/j-x"), beside=admitted)


@requirement("TA-110")
def test_four_services_example(server: Server, policy: Policy, clients: Actors) -> None:
    """The documented example: website and payments reach /api, prometheus /metrics with GET, nobody anything else."""
    prometheus, website, payments, unlisted = clients.x, clients.a, clients.b, clients.z
    routes = policy.group(server, match("metrics", "/metrics", "GET"), match("api", "/api", "*"))
    policy.limited([prometheus], server, routes.rule("metrics"), port=8080, always=False)
    policy.limited([website, payments], server, routes.rule("api"), port=8080)
    table = [server.at.call(m, path) for path in ("/api", "/metrics", "/other") for m in ("GET", "POST", "DELETE")]
    api, metrics, others = table[:3], table[3], table[3:]

    prometheus.cannot(*api, *table[4:], beside=prometheus.can(metrics))
    website.cannot(*others, beside=website.can(*api))
    payments.cannot(*others, beside=payments.can(*api))
    unlisted.cannot(*table, beside=website.can(*api))


@requirement("TA-123")
def test_each_request_of_a_connection_is_judged(server: Server, policy: Policy, clients: Actors) -> None:
    """Each HTTP request on a kept-alive connection is judged by its own route."""
    one, data = server.at.get("/one"), server.at.get("/data")
    policy.allow(clients.a, server, http("/one", "GET"))
    clients.a.cannot(data, beside=clients.a.can(one, one.http2()))

    clients.a.alternates(one, data, data.behind("/one"))
    clients.a.alternates(one.http2(), data.http2())
