"""IdentityBindings: whom they stand for, as source and as destination."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selftest.unit.model.test_oracle import CLIENT, NS, SA_A, SERVER, admits, get, grant, placed, world
from smi_conformance.model.objects import IdentityBinding, ServiceAccountRef, TrafficTarget
from smi_conformance.model.oracle import Oracle
from smi_conformance.model.readings import Readings
from smi_conformance.model.world import Key, Placed, World


def bindings(target: TrafficTarget, binding: IdentityBinding) -> World:
    """A world with one TrafficTarget and one IdentityBinding, who."""
    return replace(world(target), bindings={Key(NS, "who"): placed(binding, "who")})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("binding", "bound"),
    [
        (IdentityBinding(service_account="sa-a"), True),
        (IdentityBinding(service_account="sa-x"), False),
        (IdentityBinding(spiffe_ids=("spiffe://cluster.local/ns/ns/sa/sa-a",)), True),
        (IdentityBinding(spiffe_ids=("cluster.local/ns/ns/sa/sa",)), False),
        (IdentityBinding((("tier", "x"),)), True),
        (IdentityBinding((("tier", "x"), ("app", "y"))), False),
        (IdentityBinding(), False),
    ],
)
def test_identity_bindings(binding: IdentityBinding, bound: bool) -> None:
    client = replace(CLIENT, labels={"tier": "x"})
    source = ServiceAccountRef("who", NS, "IdentityBinding")
    known = replace(world(grant(source=source)), bindings={Key(NS, "who"): placed(binding, "who")})  # type: ignore[dict-item]
    assert admits(known, get(client=client)) is bound


def bound(binding: IdentityBinding, readings: Readings | None = None, namespace: str = NS) -> bool:
    """Whether an IdentityBinding in that namespace stands for the client."""
    there = Placed(Key(namespace, "who"), binding, "who", 0, "v1alpha4")
    return Oracle(readings or Readings()).binds(there, replace(CLIENT, labels={"tier": "x"}), CLIENT.account)


def test_identity_bindings_say_nothing_of_other_namespaces() -> None:
    """Whatever their schemes are."""
    for binding in (IdentityBinding(service_account="sa-a"), IdentityBinding((("tier", "x"),))):
        assert bound(binding)
        assert not bound(binding, namespace="far")


def test_two_schemes_in_one_binding_are_a_reading() -> None:
    both = IdentityBinding((("tier", "x"),), service_account="sa-x")
    assert bound(both)
    assert not bound(both, Readings(both_schemes="void"))
    assert bound(IdentityBinding((("tier", "x"),)), Readings(both_schemes="void"))


def test_the_prefix_of_spiffe_ids_is_a_reading() -> None:
    plain, prefixed = (
        IdentityBinding(spiffe_ids=(f"{head}cluster.local/ns/ns/sa/sa-a",)) for head in ("", "spiffe://")
    )
    assert (bound(plain), bound(prefixed)) == (True, True)
    required, absent = Readings(spiffe_prefix="required"), Readings(spiffe_prefix="absent")
    assert (bound(plain, required), bound(prefixed, required)) == (False, True)
    assert (bound(plain, absent), bound(prefixed, absent)) == (True, False)


@pytest.mark.parametrize("readings", [Readings(), Readings(source_without_namespace="own")])
def test_a_binding_without_a_namespace_is_one_of_the_same(readings: Readings) -> None:
    """Of a TrafficTarget's own namespace, whatever that means for a ServiceAccount."""
    known = bindings(
        grant(source=ServiceAccountRef("who", None, "IdentityBinding")), IdentityBinding(service_account="sa-a")
    )
    assert admits(known, get(), readings=readings)
    assert not admits(replace(known, bindings={}), get(), readings=readings)


def test_a_binding_stands_for_nobody_who_proves_nothing() -> None:
    """A client outside the mesh, whatever its account and labels are."""
    source = ServiceAccountRef("who", NS, "IdentityBinding")
    outsider = replace(CLIENT, meshed=False, labels={"tier": "x"})
    for binding in (IdentityBinding(service_account="sa-a"), IdentityBinding((("tier", "x"),))):
        assert not admits(bindings(grant(source=source), binding), get(client=outsider))


def test_a_binding_may_be_the_destination() -> None:
    """Then it stands for the pods that are called, by the same schemes."""
    who = ServiceAccountRef("who", NS, "IdentityBinding")
    target = replace(grant(), destination=who)
    assert admits(bindings(target, IdentityBinding(service_account="sa-b")), get())
    assert admits(bindings(target, IdentityBinding((("app", "server"),))), get())
    assert not admits(bindings(target, IdentityBinding(service_account="sa-a")), get())
    assert not admits(world(target), get())


def test_another_kind_stands_for_nobody() -> None:
    """Also where an IdentityBinding or an account has its name."""
    for name in ("who", SA_A.name):
        known = bindings(grant(source=ServiceAccountRef(name, NS, "Group")), IdentityBinding(service_account="sa-a"))
        assert not admits(known, get())
    assert SERVER.account != CLIENT.account
