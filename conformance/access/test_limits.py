"""Access control: what TrafficTargets do not govern, and who may write them."""

from __future__ import annotations

from fixtures.cast import Actors, Cast, Server
from fixtures.policy import ALL_HTTP, Policy, http
from fixtures.readings import Readings
from fixtures.rights import Rights
from smi_conformance.plugin import requirement

NO_GATEWAY = "the workload does not forward: clients send what a gateway would, with the headers it adds"
NO_EGRESS = "no run can count on a host outside of the cluster; a server outside of the mesh stands for it"


@requirement("TA-131", omits={"a request that comes from outside of the cluster": NO_GATEWAY})
def test_gateway_is_judged_like_a_source(server: Server, policy: Policy, clients: Actors, readings: Readings) -> None:
    """An ingress that presents a listed identity may be admitted like any source."""
    outside = clients.outsider.pod.ip
    added = [("x-forwarded-for", outside), ("forwarded", f"for={outside}"), ("x-forwarded-proto", "https")]
    forwarded = server.at.get("/", [*added, ("via", "1.1 gateway")]).with_host("shop.example")
    policy.allow(clients.b, server, ALL_HTTP)
    clients.b.can(server.at.get("/"))

    met = (clients.b.meets(forwarded), clients.z.meets(forwarded))
    named = {("admitted", "denied"): "admitted-by-identity", ("denied", "denied"): "always-denied"}
    readings.of(met, named | {("admitted", "admitted"): "always-admitted"})


@requirement("TA-132")
def test_rights_are_limited_by_namespace(server: Server, clients: Actors, rights: Rights, readings: Readings) -> None:
    """The rights to create TrafficTargets can be limited per namespace; a mesh may install roles that widen them."""
    namespace = server.account[1]
    rights.give(clients.x, clients.x.account[1])
    rights.give(clients.b, namespace)

    met = (rights.may_create_policy(clients.b, namespace), rights.may_create_policy(clients.x, namespace))
    named = {(True, False): "limited", (True, True): "widened"}
    readings.of(met, named, f"aggregated cluster roles: {', '.join(rights.aggregated()) or 'none'}")


@requirement("TA-133", omits={"a host outside the cluster": NO_EGRESS})
def test_target_does_not_change_egress(server: Server, policy: Policy, clients: Actors, cast: Cast) -> None:
    """Creating a TrafficTarget does not change the egress of its source."""
    outside = cast.destination("outsider")
    ways = [outside.get("/"), outside.at(outside.pods[0]).get("/")]
    before = clients.a.meets(*ways)

    grant = policy.allow(clients.a, server, http("/", "GET"))
    clients.a.can(server.at.get("/"))
    clients.a.still_meets(before, *ways)
    grant.withdraw()
    clients.a.cannot(server.at.get("/"))
    clients.a.still_meets(before, *ways)
