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
    """What an agent is sent, and its version, which is a digest of the content."""

    version: str
    body: bytes


def snapshot(resources: Resources) -> Snapshot:
    """The resources as text."""
    kinds = (resources.clusters, resources.listeners, resources.routes, resources.datagrams)
    return Snapshot(*map(_texts, kinds))


def _texts(items: Iterable[Json]) -> dict[str, str]:
    return {item["name"]: json.dumps(item, separators=(",", ":")) for item in items}


def digest(text: str) -> str:
    """The version of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def response(texts: Iterable[str]) -> Response:
    """The resources for UDP as an answer to an agent."""
    listed = ",".join(texts)
    version = digest(listed)
    return Response(version, f'{{"version_info":"{version}","resources":[{listed}]}}'.encode())
