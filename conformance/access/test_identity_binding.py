"""Access control by IdentityBinding (access v1alpha4, unreleased): what a binding stands for."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors, Lease, Server
from fixtures.policy import ALL_HTTP, Policy, spiffe_id
from fixtures.readings import Readings
from fixtures.stage import Stage
from fixtures.traffic import Client
from smi_conformance.plugin import requirement


@requirement("TA-200")
def test_binding_as_destination(lease: Lease, policy: Policy, clients: Actors) -> None:
    """An IdentityBinding named as destination selects the workloads bound by it."""
    one, other = lease.servers(2)
    binding = policy.binding(one, service_account=one.account[0], name=other.account[0])
    policy.target(clients.a, binding.subject, policy.group(one, ALL_HTTP))

    admitted = clients.a.can(one.at.get("/"))
    clients.z.cannot(one.at.get("/"), beside=admitted)
    clients.a.cannot(other.at.get("/"))


@requirement("TA-201")
def test_binding_as_source(server: Server, policy: Policy, clients: Actors) -> None:
    """An IdentityBinding named as a source admits the workloads bound by it."""
    first = policy.binding(server, service_account=clients.a.account_name, name=clients.z.account_name)
    second = policy.binding(server, service_account=clients.b.account_name)
    policy.target([first.subject, second.subject], server, policy.group(server, ALL_HTTP))

    admitted = clients.a.can(server.at.get("/"))
    clients.b.can(server.at.get("/"))
    clients.z.cannot(server.at.get("/"), beside=admitted)


@requirement("TA-202")
def test_schemes_are_alternatives(server: Server, policy: Policy, clients: Actors) -> None:
    """A workload that meets any one of the schemes of an IdentityBinding holds the identity."""
    account, listed = clients.a.account_name, [spiffe_id(clients.b)]
    binding = policy.binding(server, service_account=account, spiffe_ids=listed)
    policy.target(binding.subject, server, policy.group(server, ALL_HTTP))

    admitted = clients.a.can(server.at.get("/"))
    clients.b.can(server.at.get("/"))
    clients.z.cannot(server.at.get("/"), beside=admitted)


@requirement("TA-203")
def test_selector_beside_account(lease: Lease, policy: Policy, clients: Actors, readings: Readings) -> None:
    """An IdentityBinding with both podLabelSelector and serviceAccount may be refused, void, or applied in part."""
    server, control = lease.servers(2)
    account, labels = clients.a.account_name, {"instance": clients.b.name}
    both = policy.offered(policy.identity(service_account=account, pod_labels=labels), server.account[1])
    alone = [policy.binding(server, service_account=account), policy.binding(server, pod_labels=labels)]
    policy.target(both.subject, server, policy.group(server, ALL_HTTP))
    policy.target([one.subject for one in alone], control, policy.group(control, ALL_HTTP))
    clients.a.can(control.at.get("/"))
    clients.b.can(control.at.get("/"))

    met = {client.meets(server.at.get("/")) for client in (clients.a, clients.b)}
    named = {("admitted",): "united", ("denied",): "void", ("admitted", "denied"): "one-applied"}
    readings.of(tuple(sorted(met)) if both.stands else "refused", named | {"refused": "refused"})


@requirement("TA-204")
@pytest.mark.parametrize("order", [1, -1], ids=["foreign first", "foreign last"])
def test_spiffe_ids_are_compared_whole(server: Server, policy: Policy, clients: Actors, order: int) -> None:
    """The spiffeIdentities scheme matches clients by the SPIFFE id proven by their certificate."""
    listed = [spiffe_id(clients.b, "other.example"), spiffe_id(clients.a)][::order]
    binding = policy.binding(server, spiffe_ids=listed)
    policy.target(binding.subject, server, policy.group(server, ALL_HTTP))

    admitted = clients.a.can(server.at.get("/"))
    clients.z.cannot(server.at.get("/"), beside=admitted)
    clients.b.cannot(server.at.get("/"), beside=admitted)


@requirement("TA-205")
def test_account_is_of_the_bindings_namespace(
    server: Server, policy: Policy, clients: Actors, namesake: Client
) -> None:
    """The serviceAccount scheme names an account in the namespace of the IdentityBinding."""
    call, group = server.at.get("/"), policy.group(server, ALL_HTTP)
    here = policy.binding(server, service_account=clients.a.account_name)
    target = policy.target(here.subject, server, group)
    namesake.cannot(call, beside=clients.a.can(call))

    elsewhere = policy.binding(namesake, service_account=namesake.account_name)
    target.with_sources(here.subject, elsewhere.subject)
    namesake.can(call)
    target.with_sources(elsewhere.subject)
    clients.a.cannot(call, beside=namesake.can(call))


@requirement("TA-206")
def test_binding_of_another_namespace_opens_nothing(server: Server, policy: Policy, clients: Actors) -> None:
    """An IdentityBinding says nothing about workloads of other namespaces: it does not open them as destinations."""
    attacker, labels = clients.x, {"instance": server.name}
    theirs = policy.binding(attacker, pod_labels=labels)
    policy.target(attacker, theirs.subject, policy.group(attacker, ALL_HTTP))
    attacker.cannot(server.at.get("/"))

    ours = policy.binding(server, pod_labels=labels)
    policy.target(clients.a, ours.subject, policy.group(server, ALL_HTTP))
    attacker.cannot(server.at.get("/"), beside=clients.a.can(server.at.get("/")))


@requirement("TA-206")
def test_binding_of_another_namespace_admits_nobody(server: Server, policy: Policy, clients: Actors) -> None:
    """An IdentityBinding says nothing about workloads of other namespaces: it does not admit them as clients."""
    call, group, name = server.at.get("/"), policy.group(server, ALL_HTTP), policy.scene.fresh("ib")
    theirs = policy.binding(clients.x, pod_labels={"app": "client"}, name=name)
    target = policy.target(theirs.subject, server, group)
    clients.a.cannot(call, beside=clients.x.can(call))

    ours = policy.binding(server, pod_labels={"instance": clients.b.name}, name=name)
    target.with_sources(ours.subject)
    admitted = clients.b.can(call)
    clients.a.cannot(call, beside=admitted)
    clients.x.cannot(call, beside=admitted)


@requirement("TA-207", schedule="fresh")
def test_selector_needs_all_labels(server: Server, policy: Policy, clients: Actors, stage: Stage) -> None:
    """The podLabelSelector scheme binds the pods of its namespace that carry all its labels."""
    call, account = server.at.get("/"), policy.scene.fresh("sa")
    both = stage.client(account, {"app": "x", "tier": "y"})
    one, other_value = stage.client(account, {"app": "x"}), stage.client(account, {"app": "x", "tier": "z"})
    binding = policy.binding(server, pod_labels={"app": "x", "tier": "y"})
    empty = policy.offered(policy.identity(), server.account[1], schemes={"podLabelSelector": {"matchLabels": {}}})
    policy.target([binding.subject, empty.subject], server, policy.group(server, ALL_HTTP))

    admitted = both.can(call)
    one.cannot(call, beside=admitted)
    other_value.cannot(call, beside=admitted)
    clients.a.cannot(call, beside=admitted)


@requirement("TA-208")
def test_absent_binding_stands_for_nobody(server: Server, policy: Policy, clients: Actors) -> None:
    """A missing or deleted IdentityBinding stands for nobody."""
    call = server.at.get("/")
    binding = policy.binding(server, service_account=clients.a.account_name)
    binding.withdraw()
    policy.target([binding.subject, clients.b], server, policy.group(server, ALL_HTTP))
    admitted = clients.b.can(call)
    clients.a.cannot(call, beside=admitted)

    with clients.b.throughout(call):
        binding.returns()
        clients.a.can(call)
        binding.withdraw()
        clients.a.cannot(call, beside=admitted)
        clients.z.cannot(call, beside=admitted)


@requirement("TA-209")
def test_spelling_of_spiffe_ids(lease: Lease, policy: Policy, clients: Actors, readings: Readings) -> None:
    """SPIFFE identities may be written with or without the spiffe:// prefix."""
    bare, prefixed = lease.servers(2)
    plain = spiffe_id(clients.a)
    for server, written in ((bare, plain), (prefixed, f"spiffe://{plain}")):
        binding = policy.binding(server, spiffe_ids=[written])
        policy.target([binding.subject, clients.b], server, policy.group(server, ALL_HTTP))
        clients.b.can(server.at.get("/"))

    met = (clients.a.meets(bare.at.get("/")), clients.a.meets(prefixed.at.get("/")))
    named = {("admitted", "denied"): "without-prefix", ("denied", "admitted"): "with-prefix"}
    readings.of(met, named | {("admitted", "admitted"): "both"})


@requirement("TA-210", schedule="fresh")
def test_selector_follows_labels(server: Server, policy: Policy, clients: Actors, stage: Stage) -> None:
    """The podLabelSelector scheme follows label changes of running pods."""
    call = server.at.get("/")
    moving, steady = stage.client(labels={"app": "moving"}), stage.client(labels={"app": "x", "tier": "y"})
    binding = policy.binding(server, pod_labels={"app": "x", "tier": "y"})
    policy.target(binding.subject, server, policy.group(server, ALL_HTTP))
    admitted = steady.can(call)
    moving.cannot(call, beside=admitted)

    stage.relabel(moving, app="x", tier="y")
    moving.can(call)
    stage.relabel(moving, tier=None)
    moving.cannot(call, beside=admitted)


@requirement("TA-211")
def test_empty_schemes_stand_for_nobody(server: Server, policy: Policy, clients: Actors) -> None:
    """An IdentityBinding with empty schemes is refused or stands for nobody."""
    call = server.at.get("/")
    binding = policy.offered(policy.identity(), server.account[1])
    policy.target([binding.subject, clients.b], server, policy.group(server, ALL_HTTP))
    admitted = clients.b.can(call)
    clients.a.cannot(call, beside=admitted)
    clients.z.cannot(call, beside=admitted)

    binding.becomes(service_account=clients.a.account_name)
    clients.z.cannot(call, beside=clients.a.can(call))
    binding.offers(schemes={"serviceAccount": None})
    clients.a.cannot(call, beside=admitted)
    clients.z.cannot(call, beside=admitted)
