"""Access control: what a TrafficTarget opens, and under which addresses."""

from __future__ import annotations

from dataclasses import replace

from fixtures.calls import Destination
from fixtures.cast import Actors, Lease, Server
from fixtures.policy import ALL_HTTP, Policy
from fixtures.readings import Readings
from fixtures.services import Services
from fixtures.stage import Stage
from smi_conformance.plugin import requirement

FORMS = ("{svc}", "{svc}.{ns}", "{svc}.{ns}.svc", "{svc}.{ns}.svc.cluster.local")


def names_of(server: Server) -> list[Destination]:
    """A server under every form of the name of its Service."""
    return [server.at.named(form.format(svc=server.at.name, ns=server.at.namespace)) for form in FORMS]


def addresses_of(server: Server, services: Services) -> dict[str, Destination]:
    """A server under its other addresses."""
    return {
        "cluster IP": services.by_ip(server.at),
        "headless": services.over(server, headless=True),
        "pod IP": server.at.at(server.at.pods[0]),
    }


@requirement("TA-013")
def test_only_the_named_destination_is_opened(lease: Lease, policy: Policy, clients: Actors) -> None:
    """A TrafficTarget opens only the destination identity it names and leaves every other workload denied."""
    one, other, third = lease.servers(3)
    policy.allow(clients.a, one, ALL_HTTP)
    clients.a.can(one.at.get("/"))
    clients.a.cannot(other.at.get("/"))
    policy.allow(clients.b, other, ALL_HTTP)

    admitted = clients.b.can(other.at.get("/"))
    clients.a.cannot(other.at.get("/"), beside=admitted)
    clients.a.cannot(third.at.get("/"))
    clients.b.cannot(one.at.get("/"), beside=clients.a.can(one.at.get("/")))
    clients.b.cannot(third.at.get("/"))


@requirement("TA-023", schedule="fresh")
def test_target_applies_to_the_pods_of_an_identity(
    siblings: tuple[Server, Server, Server], policy: Policy, clients: Actors, services: Services, stage: Stage
) -> None:
    """A TrafficTarget applies to exactly the pods under the destination identity, whatever they belong to."""
    first, second, _ = siblings  # the third stands behind the first Service, too
    policy.allow(clients.a, first, ALL_HTTP)
    front, back = services.selecting({"app": "sib"}), services.selecting({"app": "other"})
    clients.a.reaches([*first.at.pods, *second.at.pods], front.get("/"), back.get("/"))
    clients.z.cannot(front.get("/"), back.get("/"))

    late = stage.server(first.account[0], {"app": "sib"})
    stage.scale(late, 2)
    grown = replace(front, pods=(*front.pods, *late.at.pods))
    clients.a.reaches([*first.at.pods, *late.at.pods], grown.get("/"))
    clients.z.cannot(grown.get("/"))


@requirement("TA-025")
def test_unlisted_client_is_denied_under_every_address(
    server: Server, policy: Policy, clients: Actors, services: Services
) -> None:
    """An unlisted client is denied whichever address it uses: any name of any Service, cluster IP or pod IP."""
    policy.allow(clients.a, server, ALL_HTTP)
    others, second = addresses_of(server, services), services.over(server)
    hosts = [server.at.name, f"{server.at.name}.{server.at.namespace}.svc.cluster.local", "elsewhere.example", "c-a"]

    admitted = clients.a.can(names_of(server)[-1].get("/"))
    calls = [place.get("/") for place in (*names_of(server), *others.values(), second)]
    calls += [others["pod IP"].get("/").with_host(host) for host in hosts]
    clients.z.cannot(*calls, beside=admitted)


@requirement("TA-026")
def test_addresses_of_a_listed_client(
    server: Server, policy: Policy, clients: Actors, services: Services, readings: Readings
) -> None:
    """A listed client may or may not be admitted under every address of the destination."""
    policy.allow(clients.a, server, ALL_HTTP)
    clients.a.can(names_of(server)[-1].get("/"))
    others = addresses_of(server, services)

    names = clients.a.meets(*(place.get("/") for place in names_of(server)))
    met = {where: clients.a.meets(place.get("/")) for where, place in others.items()}
    outcomes = (names == "admitted", set(met.values()) == {"admitted"})
    named = {(True, True): "all-addresses", (True, False): "service-names-only", (False, False): "mesh-names-only"}
    readings.of(outcomes, named, ", ".join(f"{where}: {outcome}" for where, outcome in met.items()))
