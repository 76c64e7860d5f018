"""TrafficSplit: ports of root and backends."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.split import Splitter
from smi_conformance.plugin import requirement


@requirement("SP-053")
def test_each_backend_maps_the_port_itself(split: Splitter, clients: Actors) -> None:
    """Each backend Service maps the called port to its own numeric targetPort."""
    root = split.blue_green(green_port=8081)
    clients.a.converges_on(root)
    clients.a.sample(root).follows().hits(blue=8080, green=8081)

    root = root.moved(green_port=8082)
    clients.a.converges_on(root)
    clients.a.sample(root, rough=True).follows().hits(blue=8080, green=8082)
