"""Access control and splits together."""

from __future__ import annotations

from fixtures.cast import Actors, Lease
from fixtures.forgeries import forged
from fixtures.policy import ALL_HTTP, Policy, http
from fixtures.split import Splitter
from smi_conformance.plugin import requirement


@requirement("SP-200")
def test_split_requests_are_judged_by_the_pod(lease: Lease, splits: Splitter, policy: Policy, clients: Actors) -> None:
    """A split request is judged by the ServiceAccount of the pod it is sent to."""
    one, two = lease.servers(2)
    root = splits.over(one, two)
    grant = policy.allow(clients.a, one, ALL_HTTP)
    clients.a.arrives_only_at(root, one)
    clients.z.cannot(root.call)

    policy.allow(clients.a, two, ALL_HTTP)
    clients.a.arrives_only_at(root, one, two)
    clients.z.cannot(root.call)

    grant.withdraw()
    clients.a.arrives_only_at(root, two)
    clients.z.cannot(root.call)


@requirement("SP-201")
def test_permitted_backend_keeps_its_share(lease: Lease, splits: Splitter, policy: Policy, clients: Actors) -> None:
    """The permitted backend of a split keeps its share while the rest is denied."""
    one, two = lease.servers(2)
    root = splits.over(one, two)
    policy.allow(clients.a, one, ALL_HTTP)
    clients.a.follows(root.barring(two.name), rough=True)

    policy.allow(clients.a, two, ALL_HTTP)
    clients.a.follows(root, within=0.1)


@requirement("SP-202", schedule="first")
def test_split_grants_no_access(lease: Lease, splits: Splitter, policy: Policy, clients: Actors) -> None:
    """A TrafficSplit grants no access, neither to its backends nor to its root."""
    one, two, only_root = lease.servers(3)
    root = splits.over(one, two)
    direct = [root.at(one.name).call, root.at(two.name).call]
    clients.a.cannot(root.call, *direct)

    policy.allow(clients.a, only_root, ALL_HTTP)
    admitted = clients.a.can(only_root.at.get())
    clients.a.cannot(root.call, *direct, beside=admitted)
    root.deleted()
    clients.a.arrives_only_at(root, only_root)
    clients.a.cannot(*direct, beside=admitted)


@requirement("SP-204")
def test_routes_apply_to_split_requests(lease: Lease, splits: Splitter, policy: Policy, clients: Actors) -> None:
    """HTTP routes of a TrafficTarget apply to split requests exactly as to direct ones."""
    one, two = lease.servers(2)
    root = splits.over(one, two, weights=(80, 20))
    policy.allow(clients.a, one, http("/ok", "GET"))
    policy.allow(clients.a, two, http("/ok", "GET"))
    ways = [root, root.at(one.name), root.at(two.name)]

    clients.a.follows(root.asked(path="/ok"), within=0.1)
    admitted = clients.a.can(*(way.asked(path="/ok").call for way in ways))
    clients.a.cannot(*(way.asked(path="/no").call for way in ways), beside=admitted)
    clients.a.cannot(*(way.asked(path="/ok", method="POST").call for way in ways), beside=admitted)


@requirement("SP-205")
def test_ports_apply_to_split_requests(lease: Lease, splits: Splitter, policy: Policy, clients: Actors) -> None:
    """Ports of a TrafficTarget apply to split requests exactly as to direct ones."""
    one, two = lease.servers(2)
    root = splits.on_ports({8080: 8080, 8081: 8081}).over(one, two, weights=(80, 20))
    policy.allow(clients.a, one, ALL_HTTP, port=8080)
    policy.allow(clients.a, two, ALL_HTTP, port=8080)
    ways = [root, root.at(one.name), root.at(two.name)]

    clients.a.follows(root, within=0.1)
    admitted = clients.a.can(*(way.call for way in ways))
    clients.a.cannot(*(way.on(8081).call for way in ways), beside=admitted)


@requirement("SP-207")
def test_forged_headers_give_no_identity_behind_a_split(
    lease: Lease, splits: Splitter, policy: Policy, clients: Actors
) -> None:
    """What a client writes into its own request cannot give it another identity behind a split either."""
    one, two = lease.servers(2)
    root = splits.over(one, two)
    policy.allow(clients.a, one, ALL_HTTP)
    policy.allow(clients.a, two, ALL_HTTP)
    ways = [root, root.at(one.name), root.at(two.name)]

    admitted = clients.a.can(*(way.call for way in ways))
    forgeries = [way.asked(headers=headers).call for way in ways for headers in forged(clients.a)]
    as_client = [way.call.with_host(f"{clients.a.name}.{clients.a.pod.namespace}") for way in ways]
    clients.z.cannot(*forgeries, *as_client, beside=admitted)
