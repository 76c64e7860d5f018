"""TrafficSplit: names of roots and backends, and whom they concern."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors
from fixtures.readings import Readings
from fixtures.split import ALL, HERE, Splitter
from smi_conformance.plugin import requirement


@requirement("SP-020")
@pytest.mark.parametrize(
    ("client", "form"),
    [
        *(("a", form) for form in ("{svc}", "{svc}.{ns}", "{svc}.{ns}.svc", "{svc}.{ns}.svc.cluster.local")),
        *(("x", form) for form in ("{svc}.{ns}", "{svc}.{ns}.svc", "{svc}.{ns}.svc.cluster.local")),
    ],
)
def test_split_acts_under_every_name(split: Splitter, clients: Actors, client: str, form: str) -> None:
    """A split acts on requests to the root under every DNS form of its name, from its own and from other namespaces."""
    root, sender = split.across((90, 10)).named(form), getattr(clients, client)

    sender.follows(root)
    sender.sample(root.with_port_in_host(), rough=True).follows()
    sender.finds(split.unsplit(), *ALL)


@requirement("SP-021")
def test_root_may_be_a_plain_name(split: Splitter, elsewhere: Splitter, clients: Actors) -> None:
    """spec.service may be the plain name of a Service in the namespace of the split."""
    root = split.across((80, 20))
    namesake = elsewhere.like(root)

    clients.a.follows(root.watching(namesake.service), within=0.1)
    clients.x.finds(namesake, "v1-x", "v2-x")


@requirement("SP-022")
def test_split_acts_under_a_trailing_dot(split: Splitter, clients: Actors) -> None:
    """A split acts on requests to the root's name with a trailing dot."""
    root = split.across((80, 20)).named("{svc}.{ns}.svc.cluster.local.")

    clients.a.follows(root, within=0.1)


@requirement("SP-023")
def test_backend_names_are_not_split(split: Splitter, clients: Actors) -> None:
    """Requests to a backend service by its own name all go to that backend, whatever its weight in a split."""
    root = split.across((100, 0))
    clients.a.follows(root)

    clients.a.follows(root.at("v1"))
    clients.a.follows(root.at("v2"))


@requirement("SP-025")
def test_only_the_named_root_is_split(split: Splitter, elsewhere: Splitter, clients: Actors) -> None:
    """A split affects only the root service it names, in its own namespace."""
    root = split.across((0, 100))
    namesake = elsewhere.like(root)
    same_pods, longer_name = split.unsplit(), split.unsplit(name=f"{root.service.name}-more")
    clients.a.follows(root.watching(namesake.service))

    clients.a.finds(namesake, "v1-x", "v2-x")
    clients.x.finds(namesake, "v1-x", "v2-x")
    clients.a.finds(same_pods, *ALL)
    clients.a.finds(longer_name, *ALL)


@requirement("SP-027")
@pytest.mark.parametrize("host", ["root's name", "cluster IP"])
def test_cluster_ip_of_a_root(split: Splitter, clients: Actors, readings: Readings, host: str) -> None:
    """A split may or may not act on calls to the root's cluster IP."""
    root = split.onto(v1=50, v2=50)
    clients.a.converges_on(root)

    found = clients.a.places(root.by_ip(named=host == "root's name"))
    named = {frozenset({"v1", "v2"}): "split", frozenset(ALL): "not-split", frozenset({"nobody"}): "fails"}
    readings.of(found, named, f"with the {host} as Host")


@requirement("SP-028")
@pytest.mark.parametrize("form", ["{svc}.{ns}", "{svc}.{ns}.svc.cluster.local"])
def test_root_by_a_qualified_name(split: Splitter, clients: Actors, readings: Readings, form: str) -> None:
    """spec.service may also be accepted as a qualified name."""
    root = split.offer(split.service("web"), root_as=form, v1=50, v2=50)

    found = (root.stands, clients.a.places(root))
    named = {
        (True, frozenset({"v1", "v2"})): "split",
        (True, frozenset(ALL)): "ignored",
        (False, frozenset(ALL)): "refused",
    }
    readings.of(found, named, form)


@requirement("SP-029")
def test_backends_are_of_the_own_namespace(split: Splitter, elsewhere: Splitter, clients: Actors) -> None:
    """The backends of a split are Services of the split's own namespace."""
    root = split.onto(v1=0, v2=(split.service("v2"), 100))
    root = root.watching(elsewhere.like(root).service)
    clients.a.follows(root)

    root.loses("v2")
    clients.a.places(root)
    clients.a.stays_within(root, *HERE)

    split.service("v2", name=root.backend("v2").name)
    clients.a.follows(root)


@requirement("SP-031")
def test_backend_of_another_namespace(
    split: Splitter, elsewhere: Splitter, clients: Actors, readings: Readings
) -> None:
    """A backend written with another namespace may be refused, ignored or used."""
    far = elsewhere.service("v1")
    root = split.offer(v1=50, far=(split.qualified(far), 50))

    found = (root.stands, clients.a.places(root))
    named = {
        (True, frozenset({"v1", "far"})): "used",
        (True, frozenset({"v1"})): "ignored",
        (True, frozenset({"v1", "nobody"})): "ignored",
        (False, frozenset(ALL)): "refused",
    }
    readings.of(found, named)
