"""The API surface: versions that work together, and what a mesh needs beside SMI resources."""

from __future__ import annotations

from fixtures.api import Api
from fixtures.cast import Actors, Server
from fixtures.policy import NO_GROUP, Policy, http
from fixtures.readings import Readings
from fixtures.splitter import Splitter
from smi_conformance.plugin import requirement

EVERY = ("v1", "v2", "v3", "v4")


@requirement("API-090")
def test_access_works_with_its_specs_versions(server: Server, policy: Policy, clients: Actors, api: Api) -> None:
    """A served access version works together with the specs versions it is declared compatible with."""
    policy.target(clients.b, server, NO_GROUP)
    for specs in api.pairings("access"):
        policy.allow(clients.a, server, http(f"/{specs}", "GET"))
        admitted = clients.a.can(server.at.get(f"/{specs}"))
        clients.a.cannot(server.at.get("/other"), beside=admitted)
        clients.b.cannot(server.at.get(f"/{specs}"), server.at.get("/"), beside=admitted)


@requirement("API-091")
def test_split_works_with_its_specs_version(split: Splitter, clients: Actors, api: Api) -> None:
    """A served split version with matches works together with the specs version it is declared compatible with."""
    for _ in api.pairings("split"):
        root = split.onto(matches=[split.group(http("/part", "GET"))], v1=1)
        clients.a.finds(root.asked(path="/part"), "v1")
        clients.a.finds(root, *EVERY)


@requirement("API-095")
def test_what_it_takes_beside_smi_resources(
    server: Server, policy: Policy, clients: Actors, readings: Readings
) -> None:
    """SMI resources alone may be enough, or a mesh may need vendor objects or annotations."""
    policy.allow(clients.a, server, http("/data", "GET"))

    clients.a.can(server.at.get("/data"))
    profile, posture = readings.scene.options.profile, readings.scene.options.posture
    settings = [
        f"{one.kind} {one.name}" for name, all_of in profile.postures.items() if name == posture for one in all_of
    ]
    known = {True: "static-settings", False: "enrolment-only"}
    readings.of(bool(settings), known, ", ".join(settings))
