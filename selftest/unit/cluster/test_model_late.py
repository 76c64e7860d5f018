"""A mesh that is late: what it knows, and when."""

from __future__ import annotations

from smi_conformance.cluster.model.history import History
from smi_conformance.cluster.model.late import Late
from smi_conformance.model.objects import Split
from smi_conformance.model.world import Key, Placed, Pod, Service, World


def world(number: int) -> World:
    """The world after so many changes: each has other pods, Services and splits."""
    key = Key("ns", f"n{number}")
    service = Service(Key("ns", "web"), selector={"version": str(number)})
    return World(
        pods=(Pod(key, str(number), f"10.0.0.{number}", key),),
        services={service.key: service, key: Service(key)},
        splits=(Placed(key, Split("web", ())),),
    )


def known(delay: float, at: float, seed: int = 1) -> World:
    """What is known of two worlds, the second of which came after 100 s."""
    history, late = History(), Late(delay, seed)
    history.add(0.0, world(1))
    history.add(100.0, world(2))
    return late.world(history, at)


def test_everything_is_known_after_the_delay() -> None:
    assert known(5, 105.1) == world(2)


def test_smi_objects_are_those_of_before_until_then() -> None:
    """At the least after a fifth of the delay."""
    assert known(5, 100.9).splits == world(1).splits


def test_pods_and_new_services_are_known_at_once() -> None:
    """A Service that was there before is known as it was; one that is gone is not known any more."""
    seen = known(5, 100.1)

    assert seen.pods == world(2).pods
    assert seen.services.keys() == world(2).services.keys()
    assert seen.services[Key("ns", "web")].selector == {"version": "1"}


def test_the_seed_decides_what_comes_last() -> None:
    """With some seed splits are known before Services, with another after them."""
    orders = set()
    for seed in range(10):
        history, late = History(), Late(5, seed)
        history.add(0.0, world(1))
        history.add(100.0, world(2))
        steps = [late.world(history, 100 + tenth / 10) for tenth in range(60)]
        split = next(n for n, one in enumerate(steps) if one.splits == world(2).splits)
        service = next(n for n, one in enumerate(steps) if one.services == world(2).services)
        orders.add(split < service)
    assert orders == {True, False}


def test_nothing_new_is_the_same_world() -> None:
    """Whatever was worked out for it holds."""
    history, late = History(), Late(5, 1)
    history.add(0.0, world(1))

    assert late.world(history, 10.0) is late.world(history, 11.0)
