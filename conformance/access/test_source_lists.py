"""Access control: the list of sources, and what comes of changes to it."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors, Server
from fixtures.policy import ALL_HTTP, Policy, http
from fixtures.stage import Stage
from smi_conformance.model.objects import ServiceAccountRef
from smi_conformance.plugin import requirement


@requirement("TA-060")
def test_every_source_is_admitted(server: Server, policy: Policy, clients: Actors) -> None:
    """Every entry of the sources list is admitted."""
    group = policy.group(server, http("/data", "GET"))
    policy.target([clients.b, clients.x, clients.a], server, group)

    for client in (clients.b, clients.x, clients.a):
        admitted = client.can(server.at.get("/data"))
        clients.z.cannot(server.at.get("/data"), beside=admitted)


@requirement("TA-061")
def test_edited_sources_gain_and_lose_access(server: Server, policy: Policy, clients: Actors) -> None:
    """Sources added to or removed from a standing TrafficTarget gain or lose access."""
    call = server.at.get("/data")
    target = policy.target([clients.a, clients.b], server, policy.group(server, http("/data", "GET")))
    admitted = clients.a.can(call)
    clients.b.can(call)

    with clients.a.throughout(call):
        target.with_sources(clients.a)
        clients.b.cannot(call, beside=admitted)
        target.with_sources(clients.a, clients.z)
        clients.z.can(call)
        target.with_sources(clients.a, clients.b)
        clients.b.can(call)
        clients.z.cannot(call, beside=admitted, at_once=True)


@requirement("TA-063", schedule="fresh")
def test_unknown_account_does_no_harm(server: Server, policy: Policy, clients: Actors, stage: Stage) -> None:
    """A source that names no existing account does no harm, and holds once the account exists."""
    call, late = server.at.get("/data"), policy.scene.fresh("sa")
    unknown = ServiceAccountRef(late, server.account[1])
    policy.target([clients.a, unknown], server, policy.group(server, http("/data", "GET")))
    admitted = clients.a.can(call)
    clients.z.cannot(call, beside=admitted)

    stage.client(late).can(call)
    clients.a.can(call)
    clients.z.cannot(call, beside=admitted)


@requirement("TA-064")
@pytest.mark.parametrize("empty", [{"sources": []}, {"sources": None}], ids=["empty", "absent"])
def test_no_sources_admit_nobody(
    server: Server, policy: Policy, clients: Actors, empty: dict[str, list[str] | None]
) -> None:
    """A TrafficTarget without sources, or with an empty sources list, admits nobody."""
    call, group = server.at.get("/"), policy.group(server, ALL_HTTP)
    target = policy.offered(policy.draft([], server, group), server.account[1], **empty)
    for client in (clients.a, clients.z, clients.outsider):
        client.cannot(call)

    target.becomes(sources=policy.draft(clients.a, server).sources)
    clients.a.can(call)
    target.offers(**empty)
    for client in (clients.a, clients.z, clients.outsider):
        client.cannot(call)
