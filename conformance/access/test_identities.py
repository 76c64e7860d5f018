"""Access control: what makes the identity of a client and of a server."""

from __future__ import annotations

from fixtures.cast import Actors, Lease, Server
from fixtures.forgeries import forged
from fixtures.policy import ALL_HTTP, Policy, http
from fixtures.readings import Readings
from fixtures.stage import Stage
from fixtures.traffic import Client
from smi_conformance.plugin import requirement


@requirement("TA-031", schedule="fresh")
def test_client_follows_its_account(server: Server, policy: Policy, clients: Actors, stage: Stage) -> None:
    """When a client is redeployed under another ServiceAccount, its access follows the new account."""
    call, moving = server.at.get("/data"), stage.client("sa-a")
    policy.allow(clients.a, server, http("/data", "GET"))
    admitted = clients.a.can(call)
    moving.can(call)

    with clients.a.throughout(call):
        moving = stage.under(moving, "sa-az")
        moving.cannot(call, beside=admitted, at_once=True)
        moving = stage.under(moving, "sa-a")
        moving.can(call)


@requirement("TA-031", schedule="fresh")
def test_server_follows_its_account(policy: Policy, clients: Actors, stage: Stage) -> None:
    """When a server is redeployed under another ServiceAccount, what was granted on the old one does not hold."""
    moving = stage.server()
    policy.allow(clients.a, moving, http("/data", "GET"))
    clients.a.can(moving.at.get("/data"))

    stage.under(moving, policy.scene.fresh("sa"))
    clients.a.cannot(moving.at.get("/data"), at_once=True)
    policy.allow(clients.b, moving, http("/data", "GET"))
    admitted = clients.b.can(moving.at.get("/data"))
    clients.a.cannot(moving.at.get("/data"), beside=admitted)


@requirement("TA-033")
def test_no_account_is_the_default_one(
    server: Server, policy: Policy, clients: Actors, anonymous: tuple[Client, Client]
) -> None:
    """A pod without an explicit ServiceAccount holds the default one of its namespace."""
    here, elsewhere = anonymous
    call = server.at.get("/data")
    here.cannot(call)
    policy.allow(here, server, http("/data", "GET"))

    admitted = here.can(call)
    clients.z.cannot(call, beside=admitted)
    elsewhere.cannot(call, beside=admitted)


@requirement("TA-034")
def test_forged_headers_give_no_identity(server: Server, policy: Policy, clients: Actors) -> None:
    """What a client writes into its own request cannot give it another identity."""
    policy.allow(clients.a, server, http("/data", "GET"))

    admitted = clients.a.can(server.at.get("/data"))
    as_client = server.at.get("/data").with_host(f"{clients.a.name}.{clients.a.pod.namespace}")
    clients.z.cannot(*(server.at.get("/data", headers) for headers in forged(clients.a)), as_client, beside=admitted)


@requirement("TA-036")
def test_same_identity_needs_a_grant(siblings: tuple[Server, Server, Server], policy: Policy, clients: Actors) -> None:
    """Pods of one ServiceAccount reach each other only when the account is listed as a source for itself."""
    one, other, _ = siblings
    call = one.at.get("/")
    policy.allow(clients.a, one, ALL_HTTP)
    admitted = clients.a.can(call)
    other.client.cannot(call, beside=admitted)

    policy.allow(other, one, ALL_HTTP)
    other.client.can(call)
    clients.a.can(call)


@requirement("TA-036")
def test_same_deployment_needs_a_grant(lease: Lease, policy: Policy, clients: Actors) -> None:
    """Pods of one Deployment do not reach each other either unless the account is listed as a source for itself."""
    pair = lease.pair()
    call = pair.at.at(pair.at.pods[1]).get("/")
    policy.allow(clients.a, pair, ALL_HTTP)
    clients.a.can(pair.at.get("/"))

    pair.client.cannot(call)


@requirement("TA-042")
def test_listed_account_outside_the_mesh(
    server: Server, policy: Policy, clients: Actors, proxyless: Client, readings: Readings
) -> None:
    """A client outside the mesh that runs under a listed ServiceAccount may be denied or admitted."""
    policy.allow(clients.a, server, ALL_HTTP)
    clients.a.can(server.at.get("/"))

    readings.of(proxyless.meets(server.at.get("/")), {"denied": "denied", "admitted": "admitted"})
