"""HTTPRouteGroup: methods of a match."""

from __future__ import annotations

import pytest

from fixtures.api import Api
from fixtures.cast import Actors, Server
from fixtures.policy import Policy, header, http
from fixtures.readings import Readings
from smi_conformance.model.objects import HttpMatch, RouteGroup
from smi_conformance.plugin import requirement

PATH_ONLY = RouteGroup((HttpMatch("m", "/data"),))
COMMON = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@requirement("TS-020")
@pytest.mark.parametrize("methods", [("GET", "PUT"), ("GET", "PUT", "DELETE")], ids="+".join)
def test_named_methods_apply(server: Server, policy: Policy, clients: Actors, methods: tuple[str, ...]) -> None:
    """A match with named methods applies to requests with any one of those methods and to no other."""
    policy.allow(clients.a, server, http("/data.*", *methods))

    admitted = clients.a.can(*(server.at.call(method, "/data") for method in methods))
    others = sorted({"POST", "DELETE", "PATCH", "OPTIONS"} - set(methods))
    disguised = server.at.call("POST", "/data", headers=[("X-HTTP-Method-Override", "GET")])
    clients.a.cannot(*(server.at.call(method, "/data") for method in others), disguised, beside=admitted)


@requirement("TS-021")
def test_star_matches_every_method(server: Server, policy: Policy, clients: Actors) -> None:
    """The method star matches every HTTP method, also when other methods stand beside it."""
    policy.allow(clients.a, server, http("/star", "*"), http("/beside", "*", "GET"))

    paths = ("/star", "/beside")
    admitted = clients.a.can(*(server.at.call(method, path) for method in COMMON for path in paths))
    clients.a.cannot(server.at.get("/other"), beside=admitted)


@requirement("TS-022")
def test_match_by_methods_applies_to_every_path(server: Server, policy: Policy, clients: Actors) -> None:
    """A match with methods only applies to every path."""
    policy.allow(clients.a, server, HttpMatch("m", methods=("GET",)))

    paths = ("/", "/a", "/a/b?c")
    admitted = clients.a.can(*(server.at.get(path) for path in paths))
    clients.a.cannot(*(server.at.call("POST", path) for path in paths), beside=admitted)


@requirement("TS-023")
def test_match_by_headers_applies_to_every_method(server: Server, policy: Policy, clients: Actors) -> None:
    """A match with header filters and without methods applies to every method."""
    policy.allow(clients.a, server, header("x-release", "v[0-9]+"))

    methods = ("GET", "POST", "DELETE")
    admitted = clients.a.can(*(server.at.call(method, "/", [("x-release", "v1")]) for method in methods))
    clients.a.cannot(*(server.at.call(method, "/", [("x-release", "none")]) for method in methods), beside=admitted)


@requirement("TS-025")
def test_what_get_says_of_head(server: Server, policy: Policy, clients: Actors, readings: Readings) -> None:
    """GET in the methods list may or may not stand for HEAD."""
    policy.allow(clients.a, server, http("/data", "GET"))

    admitted = clients.a.can(server.at.get("/data"))
    clients.a.cannot(server.at.call("POST", "/data"), beside=admitted)
    readings.of(clients.a.meets(server.at.call("HEAD", "/data")), {"denied": "head-denied", "admitted": "head-allowed"})


@requirement("TS-026")
def test_whether_trace_and_connect_pass(server: Server, policy: Policy, clients: Actors, readings: Readings) -> None:
    """TRACE and CONNECT may be blocked by a proxy although a route grants them."""
    policy.allow(clients.a, server, http(".*", "*"))
    known = {"admitted": "passed", "denied": "blocked"}

    clients.a.can(server.at.get("/"))
    readings.of(clients.a.meets(server.at.call("TRACE", "/")), known, "TRACE")
    readings.of(clients.a.meets(server.at.call("CONNECT", f"{server.at.name}:8080")), known, "CONNECT")


@requirement("TS-027")
@pytest.mark.parametrize("methods", ["absent", "empty"])
def test_match_by_path_applies_to_every_method(
    server: Server, policy: Policy, clients: Actors, api: Api, methods: str
) -> None:
    """A match with pathRegex only, or with an empty methods list, applies to every method."""
    draft = {"absent": api.draft(PATH_ONLY), "empty": api.draft(PATH_ONLY).having("matches.0.methods", [])}[methods]
    policy.target(clients.a, server, draft.is_taken().rule())

    admitted = clients.a.can(*(server.at.call(method, "/data") for method in ("GET", "POST", "DELETE")))
    clients.a.cannot(server.at.get("/other"), server.at.call("POST", "/other"), beside=admitted)
