"""TrafficSplit: splits follow changes of the object."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.split import ALL, Splitter
from fixtures.stage import Stage
from smi_conformance.plugin import requirement

UPDATES = [(100, 0), (90, 10), (50, 50), (0, 100)]


@requirement("SP-030")
def test_deleted_split_ends(split: Splitter, clients: Actors) -> None:
    """When a split is deleted its root serves from all the versions its selector covers again."""
    root = split.across((0, 100))
    for client in clients.in_the_mesh:
        client.follows(root)

    root.deleted()
    clients.a.finds(root, *ALL)
    for client in clients.in_the_mesh:
        client.finds(root, *ALL, at_once=True)
    clients.a.follows(root.restored())


@requirement("SP-032")
def test_changed_weights_take_effect(split: Splitter, clients: Actors) -> None:
    """Changed weights take effect for running clients without restarts."""
    root = split.across(UPDATES[0])
    steady = clients.b.streams(root.kept())
    for weights in UPDATES:
        root = root.reweighted(weights)
        clients.a.converges_on(root)
        steady.settles_on(root)
        clients.a.sample(root).follows()
    steady.ends()
    root.pods_are_unchanged()


@requirement("SP-033")
def test_removed_backend_gets_no_more(split: Splitter, clients: Actors) -> None:
    """A backend taken out of the list gets no more root traffic."""
    root = split.across((1000, 500))
    clients.a.converges_on(root)
    steady = clients.b.streams(root.kept())
    root = root.listing(v2=500)

    clients.a.follows(root)
    steady.settles_on(root)
    steady.ends()
    clients.a.follows(root.at("v1"))


@requirement("SP-035")
def test_split_may_move_to_another_root(split: Splitter, clients: Actors) -> None:
    """When spec.service is changed the new root is split and the old one returns to its own selection."""
    web, shop, third = split.across((0, 100)), split.unsplit(), split.unsplit()
    clients.a.follows(web)

    clients.a.follows(web.moved_to(shop))
    clients.a.finds(web, *ALL)
    clients.a.finds(third, *ALL)


@requirement("SP-038")
def test_added_backend_gets_its_share(split: Splitter, clients: Actors) -> None:
    """A backend added to the list gets its share."""
    root = split.onto(v2=500)
    clients.a.converges_on(root)

    root = root.listing(v2=500, v3=500)
    clients.a.follows(root, within=0.1)
    root = root.listing(v2=500, v3=500, v1=1000)
    clients.a.follows(root, within=0.1)


@requirement("SP-098")
def test_changes_lose_no_request(split: Splitter, clients: Actors) -> None:
    """Creating, changing and deleting a split between healthy backends loses no request."""
    plain, untouched = split.unsplit(), split.unsplit()
    clients.b.finds(plain, *ALL)
    clients.b.finds(untouched, *ALL)
    steady, open_ones = clients.b.streams(plain, rate=100), clients.b.streams(plain.kept(), rate=100)
    control = clients.b.streams(untouched, rate=100)

    root = split.onto(plain.service, v1=100, v2=0)
    for weights in UPDATES:
        root = root.reweighted(weights)
        clients.a.follows(root, rough=True)
    root.deleted()
    clients.a.finds(plain, *ALL)
    steady.loses_nothing(beside=control)
    open_ones.loses_nothing(beside=control)


@requirement("SP-100", schedule="fresh")
def test_documented_rollout(split: Splitter, stage: Stage, clients: Actors) -> None:
    """The documented rollout works from end to end: split first, then the second version, shift, and removal."""
    one, decoy = stage.add(*split.members("foobar", "v1", "v0"))
    split.opened(decoy)
    root = split.onto(split.behind({"app": "foobar"}), one=(split.only(one), 1), two=0)
    clients.a.follows(root)

    root = root.gets("two", *stage.add(*split.members("foobar", "v2")))
    clients.a.follows(root.at("two"))
    clients.a.follows(root)
    root = root.reweighted((1000, 500))
    clients.a.follows(root, within=0.1)
    root = root.listing(two=1)
    clients.a.follows(root)

    root = root.retires("one", one, stage)
    clients.a.follows(root)
    aside = root.beside(split.behind({"app": "foobar"}))
    for service in (root.service, aside.service):
        split.serve(service, {"app": "foobar", "version": "v2"})
    clients.a.finds(aside, "two")  # what was written before, the selection of the root, is known by now
    root.deleted()
    clients.a.finds(root, "two")
