"""TrafficSplit: the root and its own selection."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.split import ALL, Splitter
from fixtures.stage import Stage
from smi_conformance.plugin import requirement


@requirement("SP-024")
def test_clients_outside_see_the_plain_service(split: Splitter, clients: Actors) -> None:
    """Clients outside the mesh see the root service as plain Kubernetes configures it."""
    root = split.across((100, 0))
    clients.a.follows(root)
    clients.outsider.finds(root, *ALL)

    root.deleted()
    clients.a.finds(root, *ALL)
    clients.outsider.finds(root, *ALL)


@requirement("SP-034")
def test_without_a_split_all_versions_serve(split: Splitter, clients: Actors) -> None:
    """Without a split a service with several versions behind its selector serves from all of them."""
    root = split.unsplit(backends=ALL)
    clients.a.follows(split.across((80, 20)), rough=True)

    clients.a.finds(root, *ALL)
    clients.b.finds(root, *ALL)


@requirement("SP-041")
def test_missing_root_disturbs_no_other_split(split: Splitter, clients: Actors) -> None:
    """A split whose root service does not exist disturbs no other split."""
    other = split.across((80, 20))
    rootless = split.onto(split.backend("absent"), v3=50, v4=50)

    clients.a.follows(other, within=0.1)
    clients.a.follows(other.reweighted((20, 80)), within=0.1)
    clients.a.follows(rootless.at("v3"))
    clients.a.follows(rootless.at("v4"))


@requirement("SP-042")
def test_split_waits_for_its_root(split: Splitter, clients: Actors) -> None:
    """A split acts once its missing root service is created."""
    root = split.onto(split.backend("late"), v1=80, v2=20)
    clients.a.converges_on(root.at("v1"))
    split.service("web", name=root.service.name)

    clients.a.follows(root, within=0.1)


@requirement("SP-045", schedule="fresh", omits={"unmeshed client sees all three": "judged by SP-024"})
def test_pods_without_backend_get_nothing(split: Splitter, stage: Stage, clients: Actors) -> None:
    """Pods that the root selects but no backend with weight selects get no root traffic from mesh clients."""
    root = split.across((100, 0))
    clients.a.follows(root)
    newcomer = stage.client(clients.a.account_name)
    newcomer.stays_within(root, "v1")
    newcomer.follows(root)

    failing = split.onto(v1=50, v2=(split.service("v2", {8080: 9999}), 50))
    clients.a.arrives_only_at(failing, "v1")


@requirement("SP-046")
def test_backends_need_not_be_selected_by_the_root(split: Splitter, clients: Actors) -> None:
    """The backends need not be covered by the root's selector, since the split alone decides where requests go."""
    partial = split.onto(split.service("odd"), v1=50, v2=50)
    empty = split.onto(split.service("nobody"), v1=50, v2=50)

    clients.a.follows(partial, within=0.1)
    clients.a.follows(empty, within=0.1)
    partial.deleted()
    clients.a.finds(partial, "v1", "v3")
