"""The model's controller: the objects of the API server, read into a World."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from smi_conformance.cluster.model.switchboard import MANIFEST, Switches
from smi_conformance.lab.api.store import Store, copy_json
from smi_conformance.model.convert import meaning
from smi_conformance.model.read import Unreadable
from smi_conformance.model.world import Key, Placed, Pod, Protocol, Service, ServicePort, World, keyed

Manifest = dict[str, Any]
ENDED = ("Succeeded", "Failed")
HTTP = {"http", "http2", "h2c", "grpc", "kubernetes.io/h2c"}
SMI = {
    "targets": "traffictargets.access.smi-spec.io",
    "bindings": "identitybindings.access.smi-spec.io",
    "groups": "httproutegroups.specs.smi-spec.io",
    "tcp_routes": "tcproutes.specs.smi-spec.io",
    "udp_routes": "udproutes.specs.smi-spec.io",
    "splits": "trafficsplits.split.smi-spec.io",
}


class Reader:
    """Reads the store as the mesh's controller does. What has not changed is not read again.

    `order` numbers objects by their creation, by uid. Objects that cannot be read are left out.
    """

    def __init__(self, store: Store, order: Mapping[str, int], switches: Switches, sidecar: str) -> None:
        self._store, self._order, self._switches, self._sidecar = store, order, switches, sidecar
        self._read: dict[str, tuple[Manifest, Any]] = {}

    def world(self, posture: str) -> World:
        """Everything that is there now, in order of creation."""
        smi = {name: list(self._each(resource, self._placed)) for name, resource in SMI.items()}
        return World(
            pods=tuple(self._each("pods", self._pod)),
            services={one.key: one for one in self._each("services", service)},
            targets=tuple(smi["targets"]),
            bindings=keyed(smi["bindings"]),
            groups=keyed(smi["groups"]),
            tcp_routes=keyed(smi["tcp_routes"]),
            udp_routes=keyed(smi["udp_routes"]),
            splits=tuple(smi["splits"]),
            posture=posture,
        )

    def _each(self, resource: str, read: Callable[[Manifest], Any]) -> Iterator[Any]:
        for manifest in sorted(self._store.walk(resource), key=lambda found: self._order[found["metadata"]["uid"]]):
            uid = manifest["metadata"]["uid"]
            known, value = self._read.get(uid, (None, None))
            if known is not manifest:
                value = self._seen(manifest, read)
                self._read[uid] = manifest, value
            if value is not None:
                yield value

    def _seen(self, manifest: Manifest, read: Callable[[Manifest], Any]) -> Any:
        if self._switches.any(MANIFEST):
            found = self._switches.manifest(MANIFEST, copy_json(manifest))
            return None if found is None else read(found)
        return read(manifest)

    def _pod(self, manifest: Manifest) -> Pod | None:
        age = self._order[manifest["metadata"]["uid"]]
        return pod(manifest, self._sidecar, age) if _lives(manifest) else None

    def _placed(self, manifest: Manifest) -> Placed[Any] | None:
        """An SMI object with its place; None when it makes no sense."""
        meta, version = manifest["metadata"], str(manifest["apiVersion"]).rpartition("/")[2]
        try:
            return Placed(key_of(manifest), meaning(manifest), meta["uid"], self._order[meta["uid"]], version)
        except Unreadable:
            return None


def key_of(manifest: Manifest) -> Key:
    """Namespace and name."""
    return Key(manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])


def _lives(manifest: Manifest) -> bool:
    status = manifest.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in ENDED


def pod(manifest: Manifest, sidecar: str, age: int = 0) -> Pod:
    """A pod; a member of the mesh has its sidecar."""
    meta, spec, status = manifest["metadata"], manifest["spec"], manifest["status"]
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
    return Pod(
        key=key_of(manifest),
        uid=meta["uid"],
        ip=status["podIP"],
        account=Key(meta["namespace"], spec.get("serviceAccountName") or "default"),
        labels=meta.get("labels") or {},
        meshed=any(container["name"] == sidecar for container in spec["containers"]),
        ready=conditions.get("Ready") == "True" and "deletionTimestamp" not in meta,
        owner=_owner(meta),
        created=age,
        named_ports={
            port["name"]: port["containerPort"]
            for container in spec["containers"]
            for port in container.get("ports") or ()
            if port.get("name")
        },
        listens=dict(_listeners(spec)),
    )


def _owner(meta: Mapping[str, Any]) -> str:
    """A ReplicaSet stands for its Deployment: its name without the template's hash."""
    owner = next((o["name"] for o in meta.get("ownerReferences") or () if o.get("controller")), meta["name"])
    template = (meta.get("labels") or {}).get("pod-template-hash", "")
    return str(owner).removesuffix(f"-{template}") if template else str(owner)


def _listeners(spec: Manifest) -> Iterator[tuple[tuple[str, int], str]]:
    """What the workload's command line says: `serve --http 8080,8081 --udp 9000`."""
    for container in spec["containers"]:
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        for option, ports in pairwise(words):
            if str(option).startswith("--") and all(port.isdigit() for port in str(ports).split(",")):
                kind = str(option).removeprefix("--")
                for port in str(ports).split(","):
                    yield ("udp" if kind == "udp" else "tcp", int(port)), kind


def service(manifest: Manifest) -> Service:
    """A Service with its ports."""
    spec = manifest["spec"]
    external = spec.get("type") == "ExternalName"
    address = spec.get("clusterIP")
    return Service(
        key=key_of(manifest),
        uid=manifest["metadata"].get("uid", ""),
        address="" if external or address in (None, "None") else address,
        selector=spec.get("selector") or {},
        ports=tuple(_ports(spec.get("ports") or ())),
        external=spec.get("externalName", "") if external else "",
    )


def _ports(ports: Iterable[Manifest]) -> Iterator[ServicePort]:
    for port in ports:
        target = port.get("targetPort") or port["port"]
        yield ServicePort(port["port"], _protocol(port), target, port.get("name", ""))


def _protocol(port: Manifest) -> Protocol:
    """UDP, or what appProtocol or the prefix of the port's name says; what neither says is opaque TCP."""
    if port.get("protocol", "TCP") == "UDP":
        return "udp"
    hint = port.get("appProtocol") or str(port.get("name", "")).partition("-")[0]
    return "http" if hint.lower() in HTTP else "tcp"
