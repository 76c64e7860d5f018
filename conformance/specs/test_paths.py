"""HTTPRouteGroup: pathRegex of a match."""

from __future__ import annotations

import pytest

from fixtures.api import Api
from fixtures.cast import Actors, Server
from fixtures.policy import Policy, header, http, match
from fixtures.readings import Readings
from fixtures.spellings import fate_of
from smi_conformance.model.objects import HttpMatch
from smi_conformance.plugin import requirement

GOOD, LATER = match("good", "/good", "GET"), match("later", "/later", "GET")
BAD_PATH = match("bad", "/a(", "GET")
BAD_HEADER = HttpMatch("bad", "/b", ("GET",), (("x-bad", "["),))


@requirement("TS-010")
@pytest.mark.parametrize(
    ("expressions", "admitted", "elsewhere"),
    [
        (["/metrics"], ["/metrics"], ["/app/metrics", "/x/metrics", "/other?next=/metrics"]),
        (["/a|/b"], ["/a", "/b"], ["/x/a", "/x/b"]),
        (["/metrics", "/a|/b"], ["/metrics", "/a", "/b"], ["/x/metrics", "/x/a", "/x/b"]),
        (["/a|/b", "/metrics"], ["/metrics", "/a", "/b"], ["/x/metrics", "/other?next=/metrics", "/x/a", "/x/b"]),
    ],
    ids=["/metrics", "/a|/b", "/metrics then /a|/b", "/a|/b then /metrics"],
)
def test_path_is_matched_from_its_start(
    server: Server,
    policy: Policy,
    clients: Actors,
    expressions: list[str],
    admitted: list[str],
    elsewhere: list[str],
) -> None:
    """pathRegex is matched from the first character of the path, not where its text appears later."""
    policy.allow(clients.a, server, *(http(expression, "GET") for expression in expressions))

    witness = clients.a.can(*(server.at.get(path) for path in admitted))
    clients.a.cannot(*(server.at.get(path) for path in elsewhere), beside=witness)


@requirement("TS-011")
def test_path_may_go_on_after_the_match(server: Server, policy: Policy, clients: Actors) -> None:
    """pathRegex is not anchored at its end: further path characters after a match are accepted."""
    policy.allow(clients.a, server, http("/api", "GET"))

    admitted = clients.a.can(*(server.at.get(path) for path in ("/api", "/api/v1", "/apix")))
    clients.a.cannot(server.at.get("/v1/api"), beside=admitted)


@requirement("TS-012")
def test_path_is_a_true_regular_expression(server: Server, policy: Policy, clients: Actors) -> None:
    """In pathRegex alternation, classes, quantifiers and the dot have their usual meaning."""
    policy.allow(clients.a, server, http("/v[12]/(items|carts)/[0-9]+", "GET"), http("/l.g/[a-c]*", "GET"))
    policy.allow(clients.b, server, http(".*", "GET"))

    matching = ("/v1/items/7", "/v2/carts/42", "/log/", "/leg/abc")
    failing = ("/v3/items/7", "/v1/users/7", "/v1/items/x", "/v", "/lg/")
    admitted = clients.a.can(*(server.at.get(path) for path in matching))
    clients.a.cannot(*(server.at.get(path) for path in failing), beside=admitted)
    clients.b.can(*(server.at.get(path) for path in ("/", *matching, *failing)))


@requirement("TS-013")
def test_dollar_ends_the_path(server: Server, policy: Policy, clients: Actors) -> None:
    """An expression that ends itself with a dollar sign matches no longer path."""
    policy.allow(clients.a, server, http("/api$", "GET"))

    admitted = clients.a.can(server.at.get("/api"))
    clients.a.cannot(server.at.get("/api/v1"), server.at.get("/apix"), beside=admitted)


@requirement("TS-014")
def test_query_does_not_prevent_a_match(server: Server, policy: Policy, clients: Actors) -> None:
    """A query string does not prevent a path from matching."""
    policy.allow(clients.a, server, http("/metrics", "GET"))

    paths = ("/metrics", "/metrics?x=1", "/metrics?next=/a/b&text=%2Fa%20b%3F")
    admitted = clients.a.can(*(server.at.get(path) for path in paths))
    clients.a.cannot(server.at.get("/other?x=1"), beside=admitted)


@requirement("TS-015")
@pytest.mark.parametrize("path", ["/public/../admin", "/public/%2e%2e/admin", "//admin", "/public/..;/admin"])
def test_what_becomes_of_other_spellings(
    server: Server, policy: Policy, clients: Actors, readings: Readings, path: str
) -> None:
    """Encoded or dotted spellings of a path may be refused, normalised or passed on by the proxy."""
    policy.allow(clients.a, server, http("/public/.*", "GET"))

    clients.a.can(server.at.get("/public/x"))
    readings.report(*fate_of(clients.a, server.at.get(path), granted="/public/"))


@requirement("TS-016")
def test_letter_case_counts(server: Server, policy: Policy, clients: Actors) -> None:
    """Letter case counts in pathRegex."""
    policy.allow(clients.a, server, http("/v1/items", "GET"))

    admitted = clients.a.can(server.at.get("/v1/items"))
    clients.a.cannot(server.at.get("/V1/items"), server.at.get("/v1/ITEMS"), beside=admitted)


@requirement("TS-017")
def test_match_by_headers_applies_to_every_path(server: Server, policy: Policy, clients: Actors) -> None:
    """A match with header filters and without pathRegex applies to every path."""
    policy.allow(clients.a, server, header("x-release", "v[0-9]+"))

    paths = ("/", "/a", "/a/b?c")
    admitted = clients.a.can(*(server.at.get(path, [("x-release", "v1")]) for path in paths))
    clients.a.cannot(*(server.at.get(path, [("x-release", "none")]) for path in paths), beside=admitted)


@requirement("TS-018", schedule="poison")
def test_bad_expression_matches_nothing(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A match whose pathRegex does not compile matches nothing."""
    group = policy.group(server, GOOD)
    policy.target(clients.a, server, group)
    clients.a.can(server.at.get("/good"))

    api.doubtful(group, BAD_PATH, GOOD, LATER)
    admitted = clients.a.can(server.at.get("/good"), server.at.get("/later"))
    clients.a.cannot(server.at.get("/a("), server.at.get("/a"), beside=admitted)


@requirement("TS-018", schedule="poison", versions=("v1alpha2", "v1alpha3", "v1alpha4"))
def test_bad_header_expression_matches_nothing(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A match with a header expression that does not compile matches nothing."""
    group = policy.group(server, GOOD)
    policy.target(clients.a, server, group)
    clients.a.can(server.at.get("/good"))

    api.doubtful(group, BAD_HEADER, GOOD, LATER)
    admitted = clients.a.can(server.at.get("/good"), server.at.get("/later"))
    clients.a.cannot(server.at.get("/b", [("x-bad", "[")]), server.at.get("/b"), beside=admitted)


@requirement("TS-019")
def test_what_a_dollar_makes_of_a_query(server: Server, policy: Policy, clients: Actors, readings: Readings) -> None:
    """An expression that ends itself with a dollar sign may or may not match a request with a query string."""
    policy.allow(clients.a, server, http("/metrics$", "GET"))

    clients.a.can(server.at.get("/metrics"))
    found = clients.a.meets(server.at.get("/metrics?x=1"))
    readings.of(found, {"admitted": "query-left-out", "denied": "query-included"})


@requirement("TS-024", schedule="poison")
def test_bad_expression_leaves_the_rest_working(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A match whose expression does not compile leaves other matches and policies working."""
    group, other = policy.group(server, GOOD), policy.group(server, match("m", "/two", "GET"))
    policy.target(clients.a, server, group)
    policy.target(clients.b, server, other)
    api.doubtful(group, BAD_PATH, GOOD)
    clients.a.can(server.at.get("/good"))
    clients.b.can(server.at.get("/two"))

    other.with_matches(match("m", "/three", "GET"))
    clients.b.cannot(server.at.get("/two"), beside=clients.b.can(server.at.get("/three")))
    clients.a.can(server.at.get("/good"))
