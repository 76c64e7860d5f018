"""Access control and splits that are limited to the requests of route groups."""

from __future__ import annotations

from fixtures.calls import user_agents
from fixtures.cast import Actors, Lease
from fixtures.policy import ALL_HTTP, Policy, header
from fixtures.split import Splitter
from smi_conformance.plugin import requirement

FIREFOX, CANARY = header("user-agent", ".*Firefox.*"), header("x-canary", "on.*")
AS_FIREFOX, AS_CHROME, AS_CANARY = user_agents("Mozilla Firefox/1"), user_agents("Chrome/1"), [("x-canary", "on-1")]


@requirement("SP-206")
def test_unmatched_requests_are_judged_by_the_root(
    lease: Lease, splits: Splitter, policy: Policy, clients: Actors
) -> None:
    """Unmatched requests are judged by the accounts of the root's own pods."""
    own, two = lease.servers(2)
    root = splits.over(two, root=own, matches=[splits.group(FIREFOX)])
    firefox, chrome = root.asked(headers=AS_FIREFOX), root.asked(headers=AS_CHROME)
    grant = policy.allow(clients.a, own, ALL_HTTP)
    clients.a.finds(chrome, own.name)
    clients.z.cannot(chrome.call)

    grant.withdraw()
    policy.allow(clients.a, two, ALL_HTTP)
    admitted = clients.a.can(firefox.call)
    clients.a.cannot(chrome.call, beside=admitted)
    clients.z.cannot(chrome.call, firefox.call, beside=admitted)


@requirement("SP-208")
def test_matched_requests_are_judged_by_the_backends(
    lease: Lease, splits: Splitter, policy: Policy, clients: Actors
) -> None:
    """Matched requests are judged by the accounts of the backends."""
    own, two = lease.servers(2)
    root = splits.over(two, root=own, matches=[splits.group(FIREFOX)])
    firefox, chrome = root.asked(headers=AS_FIREFOX), root.asked(headers=AS_CHROME)
    grant = policy.allow(clients.a, two, ALL_HTTP)
    clients.a.finds(firefox, two.name)
    clients.z.cannot(firefox.call)

    grant.withdraw()
    policy.allow(clients.a, own, ALL_HTTP)
    admitted = clients.a.can(chrome.call)
    clients.a.cannot(firefox.call, beside=admitted)
    clients.z.cannot(firefox.call, chrome.call, beside=admitted)


@requirement("TS-080")
def test_being_matched_grants_no_access(lease: Lease, splits: Splitter, policy: Policy, clients: Actors) -> None:
    """Being matched for a split grants no access."""
    own, two = lease.servers(2)
    group = splits.group(FIREFOX)
    root = splits.over(two, root=own, matches=[group])
    policy.target(clients.a, two, group)
    firefox, canary = root.asked(headers=AS_FIREFOX), root.asked(headers=AS_CANARY)
    clients.a.finds(firefox, two.name)
    admitted = clients.a.can(firefox.call)
    clients.z.cannot(firefox.call, root.at(two.name).asked(headers=AS_FIREFOX).call, beside=admitted)
    clients.z.cannot(own.at.get("/", AS_FIREFOX))
    clients.a.cannot(root.asked(headers=AS_CHROME).call, beside=admitted)

    group.with_matches(CANARY)
    clients.a.finds(canary, two.name)
    clients.a.cannot(firefox.call)


@requirement("TS-081")
def test_being_granted_steers_nothing(lease: Lease, splits: Splitter, policy: Policy, clients: Actors) -> None:
    """Being granted by a route group does not steer traffic."""
    servers = [*lease.servers(3), lease.pair()]
    everybody = [server.name for server in servers]
    firefox, canary = splits.group(FIREFOX), splits.group(CANARY)
    for server in servers:
        policy.target(clients.a, server, firefox, canary)
    plain = splits.plain(splits.behind({"family": "pool"}))
    as_firefox, as_canary = plain.asked(headers=AS_FIREFOX), plain.asked(headers=AS_CANARY)
    clients.a.finds(as_firefox, *everybody)

    split = splits.onto(plain.service, steered=(servers[0].at, 100), matches=[canary])
    clients.a.finds(as_canary, servers[0].name)
    clients.a.finds(as_firefox, *everybody)
    split.deleted()
    clients.a.finds(as_canary, *everybody)
    clients.a.finds(as_firefox, *everybody)
