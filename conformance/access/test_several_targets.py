"""Access control: several TrafficTargets for one destination."""

from __future__ import annotations

from fixtures.cast import Actors, Server
from fixtures.policy import Policy, http
from smi_conformance.plugin import requirement


@requirement("TA-050")
def test_targets_add_up(server: Server, policy: Policy, clients: Actors) -> None:
    """Several TrafficTargets for one destination add up: what any one of them grants is granted."""
    policy.allow(clients.a, server, http("/one", "GET"))
    policy.allow(clients.b, server, http("/two", "GET"))
    policy.allow(clients.a, server, http("/three", "GET"))

    a = clients.a.can(server.at.get("/one"), server.at.get("/three"))
    b = clients.b.can(server.at.get("/two"))
    clients.a.cannot(server.at.get("/two"), beside=a)
    clients.b.cannot(server.at.get("/one"), server.at.get("/three"), beside=b)
