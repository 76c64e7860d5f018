"""HTTPRouteGroup: path, methods and headers of a match."""

from __future__ import annotations

import pytest

from fixtures.calls import user_agents
from fixtures.cast import Actors, Server
from fixtures.policy import Policy, header, http
from smi_conformance.plugin import requirement


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


@requirement("TS-020")
@pytest.mark.parametrize("methods", [("GET", "PUT"), ("GET", "PUT", "DELETE")], ids="+".join)
def test_named_methods_apply(server: Server, policy: Policy, clients: Actors, methods: tuple[str, ...]) -> None:
    """A match with named methods applies to requests with any one of those methods and to no other."""
    policy.allow(clients.a, server, http("/data.*", *methods))

    admitted = clients.a.can(*(server.at.call(method, "/data") for method in methods))
    others = sorted({"POST", "DELETE", "PATCH", "OPTIONS"} - set(methods))
    disguised = server.at.call("POST", "/data", headers=[("X-HTTP-Method-Override", "GET")])
    clients.a.cannot(*(server.at.call(method, "/data") for method in others), disguised, beside=admitted)


@requirement("TS-030")
def test_header_filter_is_a_regular_expression(server: Server, policy: Policy, clients: Actors) -> None:
    """A header filter holds when the request's value of that header satisfies the filter's regular expression."""
    policy.allow(clients.a, server, header("user-agent", ".*(Firefox|Android).*"), header("x-release", "v[0-9]+"))

    matching = [
        user_agents("Mozilla Firefox/1"),
        user_agents("x Android y"),
        user_agents(".*(Firefox|Android).*"),
    ]
    matching += [[("x-kind", "plain"), ("x-release", "v12")]]
    twice = [user_agents("Chrome", "Mozilla Firefox/1"), user_agents("Mozilla Firefox/1", "Chrome")]
    admitted = clients.a.can(*(server.at.get("/", headers) for headers in matching + twice))
    failing = [user_agents("Chrome"), user_agents("mozilla firefox/1"), [("x-release", "v[0-9]+")], []]
    clients.a.cannot(*(server.at.get("/", headers) for headers in failing), beside=admitted)
