"""The configuration of one sidecar in the form it travels in: JSON text per resource."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from smi_conformance.lab.mesh.envoy import TYPE, Resources
from smi_conformance.lab.mesh.model import Json

CLUSTERS = TYPE + "config.cluster.v3.Cluster"
LISTENERS = TYPE + "config.listener.v3.Listener"
ROUTES = TYPE + "config.route.v3.RouteConfiguration"
#: Not Envoy's: for the agent.
DATAGRAMS = "type.googleapis.com/smi.reference.Datagrams"


@dataclass(frozen=True)
class Snapshot:
    """Resources by name."""

    clusters: Mapping[str, str]
    listeners: Mapping[str, str]
    routes: Mapping[str, str]
    datagrams: Mapping[str, str] = field(default_factory=dict)

    def __or__(self, other: Snapshot) -> Snapshot:
        return Snapshot(
            {**self.clusters, **other.clusters},
            {**self.listeners, **other.listeners},
            {**self.routes, **other.routes},
            {**self.datagrams, **other.datagrams},
        )


@dataclass(frozen=True)
class Response:
    """A DiscoveryResponse and its version, which is a digest of the content."""

    version: str
    body: bytes


def snapshot(resources: Resources) -> Snapshot:
    """The resources as text."""
    kinds = (resources.clusters, resources.listeners, resources.routes, resources.datagrams)
    return Snapshot(*map(_texts, kinds))


def _texts(items: Iterable[Json]) -> dict[str, str]:
    return {item["name"]: json.dumps(item, separators=(",", ":")) for item in items}


def response(kind: str, texts: Iterable[str]) -> Response:
    """The resources of one kind as an answer to a proxy."""
    typed = ",".join(f'{{"@type":"{kind}",{text[1:]}' for text in texts)
    version = hashlib.sha256(typed.encode()).hexdigest()[:16]
    body = f'{{"version_info":"{version}","type_url":"{kind}","resources":[{typed}]}}'
    return Response(version, body.encode())
