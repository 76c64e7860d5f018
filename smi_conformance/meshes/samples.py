"""One object of each kind that a run with a profile writes, for an API server to look at without keeping any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from smi_conformance.cluster.port import Cluster, Manifest, api_root
from smi_conformance.meshes import crds
from smi_conformance.meshes.profile import Profile
from smi_conformance.meshes.verification import canary
from smi_conformance.model.objects import (
    Backend,
    HttpMatch,
    IdentityBinding,
    RouteGroup,
    Rule,
    ServiceAccountRef,
    SmiObject,
    Split,
    TcpRoute,
    TrafficTarget,
    UdpRoute,
)
from smi_conformance.model.render import Unrenderable, kind_of, render
from smi_conformance.model.versions import VERSIONS

State = Literal["accepted", "refused", "not tried"]
NAMESPACE = "default"  # where nothing is left: a dry run keeps no object
THINGS: tuple[SmiObject, ...] = (
    RouteGroup((HttpMatch("all", ".*", ("GET", "POST")),)),
    TcpRoute(),
    UdpRoute((5000,)),
    TrafficTarget(
        ServiceAccountRef("server", NAMESPACE),
        (ServiceAccountRef("client", NAMESPACE),),
        (Rule("HTTPRouteGroup", "all"),),
    ),
    IdentityBinding(service_account="client"),
    Split("web", (Backend("web-v1", 90), Backend("web-v2", 10))),
    Split("web", (Backend("web-v1", 90), Backend("web-v2", 10)), ("all",)),
)


@dataclass(frozen=True)
class Tried:
    """What an API server says of one object."""

    state: State
    what: str
    told: str = ""


def objects(profile: Profile) -> Iterator[Manifest]:
    """SMI objects at every version that the mesh comes with, as far as it can say them."""
    versions = dict(profile.crds)
    for thing in THINGS:
        name = next((name for name in versions if name.startswith(f"{kind_of(thing).lower()}s.")), None)
        for version in versions.get(name or "", ()):
            group = str(name).split(".")[1]
            try:
                yield render(thing, "smi-sample", NAMESPACE, {**_any(), group: version})
            except Unrenderable:
                continue  # what this version has no words for


def _any() -> dict[str, str]:
    return {group: versions[-1] for group, versions in VERSIONS.items()}


def workload(profile: Profile) -> list[Manifest]:
    """A pod with the labels of the mesh, and a Service whose ports are told as it wants them."""
    _, _, pod = canary(profile, "sample")
    pod["metadata"]["namespace"] = NAMESPACE
    # The account may be new: where Kubernetes gives it a token, a pod that mounts it would have to wait for that.
    pod["spec"] |= {"serviceAccountName": "default", "automountServiceAccountToken": False}
    ports = [
        _port(profile, *port) for port in (("http", 8080), ("tcp", 7000), ("tcp-server-first", 7100), ("udp", 9000))
    ]
    marks = {key: value for few in profile.ports.annotations.values() for key, value in few.items()}
    meta = {"name": "smi-sample", "namespace": NAMESPACE, "annotations": marks}
    spec = {"selector": {"app": "canary"}, "ports": ports}
    return [pod, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}]


def _port(profile: Profile, protocol: str, number: int) -> Manifest:
    word = profile.ports.words.get(protocol, protocol.partition("-")[0])
    told = {"appProtocol": word} if profile.ports.app_protocol else {}
    transport = "UDP" if protocol == "udp" else "TCP"
    return {"name": f"{word}-{number}", "port": number, "protocol": transport, **told}


def tried(cluster: Cluster, profile: Profile) -> Iterator[Tried]:
    """What the API server says of the resources and of an object of each kind; none is kept. Raises ClusterError."""
    space, _, _ = canary(profile, "sample")
    there = _served(cluster)
    for manifest in (*crds.of(profile), space, *workload(profile), *objects(profile)):
        group = manifest["apiVersion"].partition("/")[0]
        if group.endswith("smi-spec.io") and (manifest["apiVersion"], manifest["kind"]) not in there:
            yield Tried("not tried", _what(manifest), "the cluster does not serve it: install the mesh first")
        else:
            yield dry_run(cluster, manifest)


def dry_run(cluster: Cluster, manifest: Manifest) -> Tried:
    """Create an object without keeping it; one that is there already is merged into."""
    path, name = _path(manifest), manifest["metadata"]["name"]
    answer = cluster.api("POST", f"{path}?dryRun=All", manifest)
    if answer.status == 409:
        content = "application/merge-patch+json"
        answer = cluster.api("PATCH", f"{path}/{name}?dryRun=All", manifest, content_type=content)
    return Tried(
        "accepted" if answer.status in (200, 201) else "refused", _what(manifest), _told(answer.status, answer.message)
    )


def _told(status: int, message: str) -> str:
    return "" if status in (200, 201) else f"{status} {message}"


def _what(manifest: Manifest) -> str:
    named = f" {manifest['metadata']['name']}" if manifest["kind"] == "CustomResourceDefinition" else ""
    return f"{manifest['kind']} {manifest['apiVersion']}{named}"


def _path(manifest: Manifest) -> str:
    version, kind, namespace = manifest["apiVersion"], manifest["kind"], manifest["metadata"].get("namespace")
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{api_root(version)}{place}/{kind.lower()}s"


def _served(cluster: Cluster) -> set[tuple[str, str]]:
    """Version and kind of every SMI resource that the cluster serves."""
    found = set()
    for group, versions in VERSIONS.items():
        for version in versions:
            answer = cluster.api("GET", f"/apis/{group}.smi-spec.io/{version}")
            if answer.status == 200 and isinstance(answer.body, dict):
                found |= {(f"{group}.smi-spec.io/{version}", one["kind"]) for one in answer.body["resources"]}
    return found
