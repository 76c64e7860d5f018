"""Access control and splits together."""

from __future__ import annotations

from fixtures.cast import Actors, Lease
from fixtures.policy import ALL_HTTP, Policy
from fixtures.split import Splitter
from smi_conformance.plugin import requirement


@requirement("SP-200")
def test_split_requests_are_judged_by_the_pod(lease: Lease, splits: Splitter, policy: Policy, clients: Actors) -> None:
    """A split request is judged by the ServiceAccount of the pod it is sent to."""
    one, two = lease.servers(2)
    root = splits.over(one, two)
    grant = policy.allow(clients.a, one, ALL_HTTP)
    clients.a.arrives_only_at(root, one)
    clients.z.cannot(root.get("/"))

    policy.allow(clients.a, two, ALL_HTTP)
    clients.a.arrives_only_at(root, one, two)
    clients.z.cannot(root.get("/"))

    grant.withdraw()
    clients.a.arrives_only_at(root, two)
    clients.z.cannot(root.get("/"))
