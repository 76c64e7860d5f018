"""The API surface: the shape of HTTPRouteGroups."""

from __future__ import annotations

import pytest

from fixtures.api import Api
from fixtures.cast import Actors, Server
from fixtures.grants import granted
from fixtures.policy import Policy, http, match
from fixtures.readings import Readings
from smi_conformance.model.objects import HttpMatch, RouteGroup
from smi_conformance.plugin import requirement

ONE = RouteGroup((match("one", "/one", "GET"),))
TWO = RouteGroup((match("one", "/one", "GET"), match("two", "/two", "GET")))
SAME = RouteGroup((match("same", "/one", "GET"), match("same", "/two", "GET")))
GOOD, LATER = match("good", "/good", "GET"), match("later", "/later", "GET")
FILTERS = (("x-a", "1.*"), ("x-b", "2.*"))
HEADERS = RouteGroup((HttpMatch("m", headers=FILTERS),))
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")


@requirement("API-070")
def test_group_is_read_in_the_layout_of_its_version(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """Matches are used from the place of the object's version: the top level up to v1alpha2, spec from v1alpha3 on."""
    right = api.draft(RouteGroup((http("/data", "GET"),))).is_taken()
    policy.target(clients.a, server, right.rule())
    clients.a.cannot(server.at.get("/other"), beside=clients.a.can(server.at.get("/data")))

    wrong = api.draft(RouteGroup((http("/data", "GET"),))).at_the_wrong_level().is_offered()
    policy.target(clients.b, server, wrong.rule())
    policy.allow(clients.b, server, http("/later", "GET"))
    beside = clients.b.can(server.at.get("/later"))
    clients.b.cannot(server.at.get("/data"), server.at.get("/other"), beside=beside)


@requirement("API-071")
def test_match_without_a_name_is_refused(api: Api) -> None:
    """The API refuses a route group match that has no name."""
    api.draft(ONE).without("matches.0.name").is_refused()
    api.draft(ONE).having("matches.0.name", "").is_refused()
    api.draft(TWO).is_taken().shows("matches.0.name", "one").shows("matches.1.name", "two")


@requirement("API-072")
def test_headers_are_taken_as_a_map(api: Api) -> None:
    """The headers field of a match is accepted as a map from header name to regular expression."""
    api.draft(HEADERS, headers="map").is_taken().shows("matches.0.headers", dict(FILTERS))
    api.draft(ONE).is_taken()


@requirement("API-073")
def test_standard_methods_are_taken(api: Api) -> None:
    """The methods list accepts the star and the standard HTTP methods, and stores them in full."""
    for methods in (*((one,) for one in ("*", *METHODS)), METHODS, ("*", *METHODS)):
        api.draft(RouteGroup((match("m", "/", *methods),))).is_taken().shows("matches.0.methods", list(methods))

    api.draft(ONE).having("matches.0.unknown", "field").is_taken().shows("matches.0.methods", ["GET"])


@requirement("API-074", schedule="fresh")
def test_name_stands_for_one_match(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A second match of the same name is refused, or a rule naming it grants the same set every time."""
    pair = policy.group(server, *TWO.matches)
    policy.target(clients.z, server, pair.rule("two"))
    clients.z.cannot(server.at.get("/one"), beside=clients.z.can(server.at.get("/two")))

    policy.target(clients.a, server, api.draft(SAME).is_offered().rule("same"))
    policy.allow(clients.b, server, http("/later", "GET"))
    clients.b.can(server.at.get("/later"))
    found = granted(clients.a, server.at.get("/one"), server.at.get("/two"))

    pair.with_matches(match("one", "/three", "GET"), match("two", "/four", "GET"))
    clients.z.can(server.at.get("/four"))
    found.remains(server.at.get("/one"), server.at.get("/two"))
    server.restart()
    clients.z.can(server.at.get("/four"))
    found.remains(server.at.get("/one"), server.at.get("/two"))


@requirement("API-075")
@pytest.mark.parametrize("field", ["pathRegex", "methods"])
def test_what_an_absent_field_is(
    server: Server, policy: Policy, clients: Actors, api: Api, readings: Readings, field: str
) -> None:
    """At v1alpha1 a match without pathRegex or without methods may be refused or accepted."""
    partial = api.draft(ONE).without(f"matches.0.{field}").is_offered()
    policy.target(clients.a, server, partial.rule())
    policy.allow(clients.b, server, http("/later", "GET"))

    clients.b.can(server.at.get("/later"))
    found = partial.exists, clients.a.meets(server.at.get("/one"))
    known = {(True, "admitted"): "matches-any", (True, "denied"): "matches-none", (False, "denied"): "refused"}
    readings.of(found, known, f"without {field}")


@requirement("API-076")
def test_no_filter_is_lost(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """Whatever shape of the headers field the served schema takes, none of its filters is lost."""
    stored, version = api.headers_in_served_shape(*FILTERS), policy.scene.versions["specs"]
    stored.means(HEADERS, version=version)
    policy.target(clients.a, server, stored.rule())
    both, single = [("x-a", "1"), ("x-b", "2")], ([("x-a", "1")], [("x-b", "2")])
    admitted = clients.a.can(server.at.get("/", both))
    clients.a.cannot(*(server.at.get("/", headers) for headers in single), beside=admitted)

    stored.takes("matches.0.pathRegex", "/updated.*")
    stored.means(RouteGroup((HttpMatch("m", "/updated.*", headers=FILTERS),)), version=version)
    admitted = clients.a.can(server.at.get("/updated", both))
    stale = server.at.get("/", both)
    clients.a.cannot(stale, *(server.at.get("/updated", headers) for headers in single), beside=admitted)


@requirement("API-077")
def test_unknown_method_widens_nothing(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A method name outside the standard set is refused or never matches a request with another method."""
    group = policy.group(server, GOOD)
    policy.target(clients.a, server, group)
    clients.a.can(server.at.get("/good"))

    api.doubtful(group, match("odd", "/odd", "FETCH"), GOOD, LATER)
    admitted = clients.a.can(server.at.get("/good"), server.at.get("/later"))
    clients.a.cannot(server.at.get("/odd"), server.at.call("POST", "/odd"), beside=admitted)
