"""Access control: changes take effect on running workloads."""

from __future__ import annotations

from fixtures.cast import Actors, Lease, Server
from fixtures.passing import Passing
from fixtures.policy import Policy, http
from fixtures.services import Services
from fixtures.stage import Stage
from smi_conformance.plugin import requirement


@requirement("TA-120")
def test_creation_acts_on_running_pods(lease: Lease, policy: Policy, clients: Actors) -> None:
    """Creating a TrafficTarget changes what running workloads may do, without a restart of any pod."""
    server = lease.pair()
    pods = server.at.pods
    call, other = server.at.get("/one"), server.at.get("/other")
    policy.allow(clients.b, server, http("/other", "GET"))
    clients.a.cannot(call, beside=clients.b.can(other))

    with clients.b.throughout(other):
        policy.allow(clients.a, server, http("/one", "GET"))
        clients.a.can(call, on_every_pod=True)
    server.keeps(pods)


@requirement("TA-121")
def test_deletion_withdraws_the_grant(lease: Lease, policy: Policy, clients: Actors) -> None:
    """Deleting a TrafficTarget withdraws what it alone granted."""
    server = lease.pair()
    call, other = server.at.get("/one"), server.at.get("/other")
    only = policy.allow(clients.a, server, http("/one", "GET"))
    last = policy.allow(clients.b, server, http("/other", "GET"))
    clients.a.can(call, on_every_pod=True)
    admitted = clients.b.can(other)

    only.withdraw()
    clients.a.closes_together(call)
    clients.a.cannot(call, other, beside=admitted)
    clients.b.can(other)
    last.withdraw()
    clients.b.cannot(call, other)
    clients.a.cannot(call, other)


@requirement("TA-121", schedule="fresh")
def test_grant_ends_with_its_namespace(policy: Policy, clients: Actors, passing: Passing) -> None:
    """A grant ends with the namespace of its TrafficTarget, also when namespace and server come again."""
    policy.allow(clients.a, passing.server, http("/one", "GET"))
    clients.a.can(passing.server.at.get("/one"))

    passing.comes_again()
    clients.a.cannot(passing.server.at.get("/one"))
    policy.allow(clients.b, passing.server, http("/two", "GET"))
    clients.a.cannot(passing.server.at.get("/one"), beside=clients.b.can(passing.server.at.get("/two")))


@requirement("TA-122")
def test_update_replaces_the_grant(server: Server, policy: Policy, clients: Actors) -> None:
    """Updating a TrafficTarget replaces its grant, both what is added and what is taken away, without restarts."""
    pods, paths = server.at.pods, ("/one", "/two", "/three")
    one, two, three, other = (server.at.get(path) for path in (*paths, "/other"))
    groups = [policy.group(server, http(path, "GET")) for path in paths]
    policy.allow(clients.b, server, http("/other", "GET"))
    target = policy.target(clients.a, server, groups[0], groups[1])
    clients.b.can(other)
    clients.a.can(one, two)

    with clients.b.throughout(other):
        target.with_rules(groups[1])
        clients.a.cannot(one, beside=clients.a.can(two))
        target.with_rules(groups[2])
        clients.a.cannot(one, two, beside=clients.a.can(three))
        target.with_rules(groups[0])
        clients.a.cannot(two, three, beside=clients.a.can(one))
    server.keeps(pods)


@requirement("TA-124", schedule="fresh")
def test_starting_pods_admit_nobody_unlisted(policy: Policy, clients: Actors, stage: Stage, services: Services) -> None:
    """A destination pod that has just started admits no unlisted client before its proxy has received policy."""
    server = stage.server()
    early = services.over(server, unready=True).get("/")
    policy.allow(clients.a, server, http("/", "GET"))
    clients.a.can(server.at.get("/"))

    with clients.z.never(early) as z, clients.outsider.never(early) as outsider:
        server.restart()
        for size in (1, 0, 1, 0, 1):
            stage.scale(server, size)
            z.looks_at(server)
            outsider.looks_at(server)
    clients.a.can(server.at.get("/"))


@requirement("TA-126")
def test_withdrawal_reaches_open_connections(server: Server, policy: Policy, clients: Actors) -> None:
    """A withdrawn grant ends access on connections that are already open for HTTP."""
    held, other = server.at.get("/one").held(), server.at.get("/other")
    grant = policy.allow(clients.a, server, http("/one", "GET"))
    policy.allow(clients.b, server, http("/other", "GET"))
    clients.a.can(held, held.http2())
    admitted = clients.b.can(other)

    grant.withdraw()
    clients.a.cannot(held, held.http2(), beside=admitted)
    clients.b.can(other)
