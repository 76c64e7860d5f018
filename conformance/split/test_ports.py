"""TrafficSplit: ports of root and backends."""

from __future__ import annotations

import pytest

from fixtures.cast import Actors
from fixtures.split import Splitter
from smi_conformance.plugin import requirement

BOTH = {8080: 8080, 8081: 8081}
BLUE_ELSEWHERE = {1024: 8080}


@requirement("SP-050")
def test_backend_without_the_port_gets_nothing(split: Splitter, clients: Actors) -> None:
    """A backend whose Service lacks the called port of the root gets no traffic for it."""
    root = split.onto(blue=(split.service("v1", BLUE_ELSEWHERE), 50), green=(split.service("v2"), 50))
    clients.a.arrives_only_at(root, "green")

    clients.a.follows(root.remapped("blue", 8080), within=0.1)


@requirement("SP-051")
def test_every_port_is_split(split: Splitter, clients: Actors) -> None:
    """A split covers all ports of the root."""
    root = split.on_ports(BOTH).across((50, 50))
    clients.a.converges_on(root)
    clients.a.converges_on(root.on(8081))
    root = root.reweighted((80, 20))

    clients.a.follows(root)
    clients.a.follows(root.on(8081))


@requirement("SP-052")
def test_backend_is_excluded_per_port(split: Splitter, clients: Actors) -> None:
    """A backend that has only some of the root's ports is excluded for the missing ports alone."""
    blue, green = split.service("v1", BOTH), split.service("v2")
    root = split.onto(split.service("web", BOTH), blue=(blue, 50), green=(green, 50))

    clients.a.follows(root, within=0.1)
    clients.a.finds(root.on(8081), "blue")


@requirement("SP-053")
def test_each_backend_maps_the_port_itself(split: Splitter, clients: Actors) -> None:
    """Each backend Service maps the called port to its own numeric targetPort."""
    blue, green = split.service("v1"), split.service("green", {8080: 8081})
    root = split.onto(split.service("family"), blue=(blue, 75), green=(green, 25))
    clients.a.follows(root, hits={"blue": 8080, "green": 8081})

    root = root.remapped("green", 8082)
    clients.a.follows(root, rough=True, hits={"blue": 8080, "green": 8082})


@requirement("SP-054")
def test_target_port_of_the_root_plays_no_part(split: Splitter, clients: Actors) -> None:
    """The targetPort of the root Service plays no part for requests that a split sends to a backend."""
    root = split.onto(split.service("web", {8080: 9999}), v1=80, v2=20)
    clients.a.follows(root)

    root.deleted()
    clients.a.arrives_only_at(root)


@requirement("SP-055")
def test_backends_with_the_port_share_everything(split: Splitter, clients: Actors) -> None:
    """The backends that have the called port share all requests in proportion to their weights."""
    root = split.onto(blue=(split.service("v1", BLUE_ELSEWHERE), 50), green=(split.service("v2"), 50))
    clients.a.finds(root, "green")

    root = root.listing(blue=50, green=20, v3=30)
    clients.a.follows(root.ignoring("blue"), within=0.1)


@requirement("SP-056")
def test_port_names_do_not_make_up_for_numbers(split: Splitter, clients: Actors) -> None:
    """Equal port names do not make up for different port numbers of root and backend."""
    web = split.service("web", names={8080: "http-a"})
    blue = split.service("v1", BLUE_ELSEWHERE, names={1024: "http-a"})
    green = split.service("v2", names={8080: "http-a"})
    root = split.onto(web, blue=(blue, 50), green=(green, 50))

    clients.a.finds(root, "green")


@requirement("SP-057")
def test_requests_stay_on_their_port(split: Splitter, clients: Actors) -> None:
    """A split request stays on the port number it was sent to."""
    root = split.on_ports(BOTH).across((80, 20))

    clients.a.follows(root, within=0.1, hits={"v1": 8080, "v2": 8080})
    clients.a.follows(root.on(8081), within=0.1, hits={"v1": 8081, "v2": 8081})


@requirement("SP-058")
def test_left_out_backend_is_told(split: Splitter, clients: Actors) -> None:
    """When a backend is left out because of its ports, an event on the split names it, or the object is refused."""
    healthy = split.across((80, 20))
    clients.a.converges_on(healthy)
    root = split.offer(blue=(split.service("v1", BLUE_ELSEWHERE), 50), green=(split.service("v2"), 50))

    root.is_told_of("blue")
    healthy.is_not_warned_of()


@requirement("SP-059")
def test_target_port_may_be_a_name(split: Splitter, clients: Actors) -> None:
    """A backend Service may map the called port to a targetPort given by name."""
    blue, green = split.service("shade", {8080: "web"}), split.service("v2")
    root = split.onto(split.service("family"), blue=(blue, 60), green=(green, 40))

    clients.a.follows(root, within=0.1, hits={"blue": (8080, 8081), "green": 8080})


@requirement("SP-061")
@pytest.mark.parametrize("name", ["http-b", ""], ids=["another", "none"])
def test_port_names_need_not_agree(split: Splitter, clients: Actors, name: str) -> None:
    """Ports of root and backend with equal numbers match although their names differ."""
    web, blue = (split.service(what, names={8080: "http-a"}) for what in ("web", "v1"))
    root = split.onto(web, blue=(blue, 80), green=(split.service("v2", names={8080: name}), 20))

    clients.a.follows(root, within=0.1)
