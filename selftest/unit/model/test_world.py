"""What a mesh knows at one moment: pods, Services, and how they belong together."""

from __future__ import annotations

from dataclasses import replace

from smi_conformance.model.objects import TcpRoute
from smi_conformance.model.world import Key, Placed, Pod, Service, ServicePort, World, keyed

LABELS = {"app": "web", "version": "v1"}
ONE = Pod(Key("ns", "one"), "1", "10.0.0.1", Key("ns", "sa-1"), LABELS, listens={("tcp", 80): "http"})
TWO = replace(ONE, key=Key("ns", "two"), uid="2", ip="", account=Key("ns", "sa-2"), labels={"app": "web"}, ready=False)
FAR = replace(ONE, key=Key("far", "one"), uid="3", ip="10.0.0.3")
WEB = Service(
    Key("ns", "web"),
    address="10.96.0.1",
    selector={"app": "web"},
    ports=(ServicePort(53, "tcp", 53), ServicePort(53, "udp", 5353), ServicePort(80, "http", "web")),
)
HEADLESS = Service(Key("ns", "headless"), selector=LABELS)
WORLD = World(pods=(ONE, TWO, FAR), services={one.key: one for one in (WEB, HEADLESS)})


def test_pods_behind_a_service() -> None:
    """Ready or not, of its namespace, and with all labels of its selector; none behind one without a selector."""
    assert WORLD.pods_of(WEB) == [ONE, TWO]
    assert WORLD.pods_of(HEADLESS) == [ONE]
    assert not Service(Key("ns", "bare")).selects(ONE)
    assert WORLD.accounts_of(WEB.key) == {Key("ns", "sa-1"), Key("ns", "sa-2")}
    assert WORLD.accounts_of(Key("far", "web")) == set()


def test_a_port_is_told_by_its_number_and_transport() -> None:
    """HTTP is spoken by TCP."""
    assert [port.target for port in (WEB.port(53), WEB.port(53, "udp"), WEB.port(80)) if port] == [53, 5353, "web"]
    assert WEB.port(80, "udp") is None
    assert WEB.port(81) is None
    assert [port.transport for port in WEB.ports] == ["tcp", "udp", "tcp"]


def test_what_a_pod_serves() -> None:
    assert ONE.serves("tcp", 80) == "http"
    assert ONE.serves("udp", 80) is None
    assert ONE.serves("tcp", 81) is None


def test_what_has_an_address_is_found_by_it() -> None:
    """What has none is not."""
    assert WORLD.by_ip == {"10.0.0.1": ONE, "10.0.0.3": FAR}
    assert WORLD.by_address == {"10.96.0.1": WEB}


def test_objects_have_a_place() -> None:
    route = Placed(Key("ns", "route"), TcpRoute((80,)))
    assert keyed([route]) == {route.key: route}
    assert str(route.key) == "ns/route"
