"""Route groups and L4 routes as objects: by themselves they do nothing, and the names inside them are their own."""

from __future__ import annotations

from fixtures.api import Api
from fixtures.cast import Actors, Server
from fixtures.policy import ALL_HTTP, Policy, http, match
from fixtures.splitter import Splitter
from smi_conformance.plugin import requirement

EVERY = ("v1", "v2", "v3", "v4")
PART = match("part", "/part.*", "GET")


@requirement("TS-060")
def test_routes_alone_open_and_close_nothing(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """Route groups and L4 routes neither admit nor deny any traffic until another resource refers to them."""
    granted, closed = server.at.get("/data"), (server.at.get("/part"), server.at.tcp(7000), server.at.tcp(7001))
    policy.allow(clients.a, server, http("/data", "GET"))
    clients.a.cannot(*closed, beside=clients.a.can(granted))

    idle = api.idle_routes(ALL_HTTP, server.at.name, f"{server.at.name}-tcp")
    narrow = api.idle_routes(PART, policy.scene.fresh("rt"))
    policy.allow(clients.b, server, http("/made", "GET"))
    clients.b.can(server.at.get("/made"))
    clients.a.cannot(*closed, beside=clients.a.can(granted))

    idle.withdraw()
    narrow.withdraw()
    policy.allow(clients.b, server, http("/deleted", "GET"))
    clients.b.can(server.at.get("/deleted"))
    clients.a.cannot(*closed, beside=clients.a.can(granted))


@requirement("TS-061")
def test_routes_alone_redirect_nothing(split: Splitter, clients: Actors, api: Api) -> None:
    """Route groups and L4 routes by themselves do not redirect any traffic."""
    root, unsplit = split.across((90, 10)), split.unsplit()
    clients.a.follows(root, rough=True)

    idle = api.idle_routes(PART, root.service.name, root.backend("v1").name, unsplit.service.name)
    root = root.reweighted((70, 30))
    clients.a.follows(root)
    for path in ("/", "/part"):
        clients.a.follows(root.asked(path=path), rough=True)
        clients.a.finds(unsplit.asked(path=path), *EVERY)

    idle.withdraw()
    clients.a.follows(root.reweighted((90, 10)), rough=True)
    clients.a.finds(unsplit, *EVERY)


@requirement("TS-062")
def test_match_names_are_local_to_their_group(server: Server, policy: Policy, clients: Actors) -> None:
    """Match names are local to their route group, so equal names in two groups stay apart."""
    one, two = (policy.group(server, match("m1", path, "GET")) for path in ("/one", "/two"))
    target = policy.target(clients.a, server, one.rule("m1"))
    clients.a.cannot(server.at.get("/two"), beside=clients.a.can(server.at.get("/one")))

    target.with_rules(two.rule("m1"))
    clients.a.cannot(server.at.get("/one"), beside=clients.a.can(server.at.get("/two")))
