"""HTTPRouteGroup: header filters of a match."""

from __future__ import annotations

from fixtures.calls import user_agents
from fixtures.cast import Actors, Server
from fixtures.policy import Policy, header
from fixtures.readings import Readings
from fixtures.splitter import Splitter
from smi_conformance.model.objects import HttpMatch
from smi_conformance.plugin import requirement

INSIDER = ("cookie", "^(.*?;)?(type=insider)(;.*)?$")  # as in the documented example


def match(*filters: tuple[str, str], path: str | None = None, methods: tuple[str, ...] = ()) -> HttpMatch:
    """A match with several header filters."""
    return HttpMatch("m", path, methods, filters)


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


@requirement("TS-031")
def test_all_filters_of_a_match_hold(server: Server, policy: Policy, clients: Actors) -> None:
    """All header filters of one match must hold together."""
    policy.allow(clients.a, server, match(("x-a", "1.*"), ("x-b", "2.*"), ("x-c", "3.*")))

    given = [("x-a", "1"), ("x-b", "2"), ("x-c", "3")]
    admitted = clients.a.can(server.at.get("/", given))
    missing = [given[:n] + given[n + 1 :] for n in range(3)]
    wrong = [("x-a", "1"), ("x-b", "3"), ("x-c", "3")]
    clients.a.cannot(*(server.at.get("/", headers) for headers in [*missing, wrong]), beside=admitted)


@requirement("TS-032")
def test_filters_of_different_matches_are_alternatives(server: Server, policy: Policy, clients: Actors) -> None:
    """Header filters of different matches are alternatives, so satisfying one match is enough."""
    android = match(("user-agent", ".*Android.*"), INSIDER)
    policy.allow(clients.a, server, android, match(("user-agent", ".*Firefox.*")))

    insider = ("cookie", "a=b;type=insider")
    fitting = [[*user_agents("x Android y"), insider], user_agents("Mozilla Firefox/1")]
    admitted = clients.a.can(*(server.at.get("/", headers) for headers in fitting))
    failing = [user_agents("x Android y"), [*user_agents("Chrome"), insider]]
    clients.a.cannot(*(server.at.get("/", headers) for headers in failing), beside=admitted)


@requirement("TS-033")
def test_path_methods_and_headers_hold_together(server: Server, policy: Policy, clients: Actors) -> None:
    """Path, methods and headers in one match must hold together."""
    policy.allow(clients.a, server, match(("user-agent", ".*iPhone.*"), path="/api/.*", methods=("GET", "HEAD")))

    phone = user_agents("an iPhone")
    admitted = clients.a.can(server.at.get("/api/x", phone), server.at.call("HEAD", "/api/x", phone))
    path, method = server.at.get("/other/x", phone), server.at.call("POST", "/api/x", phone)
    clients.a.cannot(path, method, server.at.get("/api/x", user_agents("Chrome")), beside=admitted)


@requirement("TS-034")
def test_filter_on_an_absent_header_does_not_hold(server: Server, policy: Policy, clients: Actors) -> None:
    """A filter on a header that the request does not carry does not hold."""
    policy.allow(clients.a, server, header("x-canary", ".+"))
    policy.allow(clients.b, server, match(("x-first", ".+"), ("x-canary", ".+")))

    alone, first = [("x-canary", "1")], [("x-first", "1")]
    admitted = clients.a.can(server.at.get("/", alone))
    clients.a.cannot(server.at.get("/"), beside=admitted)
    admitted = clients.b.can(server.at.get("/", first + alone))
    clients.b.cannot(server.at.get("/", first), server.at.get("/", alone), server.at.get("/"), beside=admitted)


@requirement("TS-035")
def test_letter_case_of_names_does_not_count(server: Server, policy: Policy, clients: Actors) -> None:
    """Header names are compared without regard to letter case, as HTTP defines them."""
    policy.allow(clients.a, server, header("user-agent", ".*Firefox.*"), header("X-Canary", "on.*"))

    agents = [[(name, "Mozilla Firefox/1")] for name in ("user-agent", "User-Agent", "USER-AGENT")]
    canaries = [[(name, "on")] for name in ("x-canary", "X-Canary", "X-CANARY")]
    lower = [server.at.get("/", headers).http2() for headers in (agents[0], canaries[0])]
    admitted = clients.a.can(*(server.at.get("/", headers) for headers in agents + canaries), *lower)
    wrong = [user_agents("Chrome"), [("x-canary", "off")], [("X-Canary", "off")]]
    clients.a.cannot(*(server.at.get("/", headers) for headers in wrong), beside=admitted)


@requirement("TS-036", versions=("v1alpha2",))
def test_how_much_of_a_value_has_to_fit(server: Server, policy: Policy, clients: Actors, readings: Readings) -> None:
    """A header expression may have to fit the whole value or any part of it."""
    policy.allow(clients.a, server, header("x-agent", "Firefox"))

    clients.a.can(server.at.get("/", [("x-agent", "Firefox")]))
    found = clients.a.meets(server.at.get("/", [("x-agent", "Mozilla Firefox/1")]))
    readings.of(found, {"denied": "whole-value", "admitted": "any-part"})


@requirement("TS-036", versions=("v1alpha3", "v1alpha4"))
def test_how_much_of_a_value_has_to_fit_everywhere(
    server: Server, policy: Policy, split: Splitter, clients: Actors, readings: Readings
) -> None:
    """A header expression may have to fit the whole value or any part of it, alike in both places of its use."""
    policy.allow(clients.a, server, header("x-agent", "Firefox"))
    root = split.onto(matches=[split.group(header("x-agent", "Firefox"))], v1=1)

    clients.a.can(server.at.get("/", [("x-agent", "Firefox")]))
    clients.a.finds(root.asked(headers=[("x-agent", "Firefox")]), "v1")
    part = [("x-agent", "Mozilla Firefox/1")]
    found = clients.a.meets(server.at.get("/", part)), clients.a.places(root.asked(headers=part)) == {"v1"}
    known = {("denied", False): "whole-value", ("admitted", True): "any-part"}
    readings.of(found, {("denied", True): "differs", ("admitted", False): "differs", **known})


@requirement("TS-037")
def test_what_an_absent_header_is_to_an_empty_match(
    server: Server, policy: Policy, clients: Actors, readings: Readings
) -> None:
    """A filter whose expression also matches the empty string may or may not hold when the header is absent."""
    policy.allow(clients.a, server, header("x-canary", "(on)?"))

    clients.a.can(server.at.get("/", [("x-canary", "on")]))
    readings.of(clients.a.meets(server.at.get("/")), {"denied": "absent-fails", "admitted": "absent-as-empty"})


@requirement("TS-038")
def test_documented_cookie_filter(server: Server, policy: Policy, clients: Actors) -> None:
    """The documented cookie filter selects exactly the requests whose cookie has type=insider between semicolons."""
    policy.allow(clients.a, server, match(INSIDER))

    cookies = ("type=insider", "a=b;type=insider", "a=b;type=insider;c=d")
    fitting = [server.at.get("/", [("cookie", value)]) for value in cookies]
    admitted = clients.a.can(*fitting, *(call.http2() for call in fitting))
    failing = [server.at.get("/", [("cookie", value)]) for value in ("type=insiders", "xtype=insider")]
    failing.append(server.at.get("/"))
    clients.a.cannot(*failing, *(call.http2() for call in failing), beside=admitted)
