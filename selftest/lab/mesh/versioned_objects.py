"""One object of each kind at each API version, with everything that the version can say."""

from __future__ import annotations

from smi_conformance.lab.mesh.model import Json

ACCESS, SPECS, SPLIT = "access.smi-spec.io", "specs.smi-spec.io", "split.smi-spec.io"
VERSIONS = ("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4")
META = {"name": "one", "namespace": "shop", "labels": {"a": "b"}, "annotations": {"note": "mine"}}

A: Json = {"kind": "ServiceAccount", "name": "a", "namespace": "shop"}
B: Json = {"kind": "ServiceAccount", "name": "b", "namespace": "shop"}
BOUND: Json = {"kind": "IdentityBinding", "group": ACCESS, "name": "a", "namespace": "shop"}
GROUP: Json = {"kind": "HTTPRouteGroup", "name": "g", "matches": ["m"]}
TCP: Json = {"kind": "TCPRoute", "name": "t"}
UDP: Json = {"kind": "UDPRoute", "name": "u"}
FULL: Json = {"name": "m", "pathRegex": "/a", "methods": ["GET"]}
HEADERS: Json = {"name": "h", "headers": [{"x-a": "1"}, {"x-b": "2"}]}
BACKENDS: list[Json] = [{"service": "web-v1", "weight": 90}, {"service": "web-v2", "weight": 10}]


def versioned(kind: str, group: str, version: str, **fields: object) -> Json:
    """An object as a user writes it."""
    return {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": META, **fields}


def target(version: str, destination: Json = B, sources: tuple[Json, ...] = (A,), rules: tuple[Json, ...] = ()) -> Json:
    """A TrafficTarget in the layout of its version."""
    body = {"destination": destination, "sources": list(sources), "rules": list(rules or (GROUP, TCP))}
    if version == "v1alpha1":
        return versioned(
            "TrafficTarget", ACCESS, version, **{"specs" if k == "rules" else k: v for k, v in body.items()}
        )
    return versioned("TrafficTarget", ACCESS, version, spec=body)


def group(version: str, *matches: Json) -> Json:
    """An HTTPRouteGroup in the layout of its version."""
    body = {"matches": list(matches)}
    return versioned("HTTPRouteGroup", SPECS, version, **(body if version <= "v1alpha2" else {"spec": body}))


def tcp_route(version: str, *ports: int) -> Json:
    """A TCPRoute in the layout of its version; ports are for v1alpha4."""
    spec = {"matches": {"ports": list(ports)}} if ports else {}
    return versioned("TCPRoute", SPECS, version, **({"spec": spec} if version >= "v1alpha3" else {}))


def split(version: str, *weights: object, matches: tuple[str, ...] = ()) -> Json:
    """A TrafficSplit; weights are for web-v1, web-v2 and so on."""
    backends = [{"service": f"web-v{number}", "weight": weight} for number, weight in enumerate(weights, 1)]
    groups = {"matches": [{"kind": "HTTPRouteGroup", "name": name} for name in matches]} if matches else {}
    return versioned("TrafficSplit", SPLIT, version, spec={"service": "web", "backends": backends, **groups})


#: By what is written, as a name for the test.
EXAMPLES: dict[str, Json] = {
    "target-1": target("v1alpha1"),
    "target-1-port": target("v1alpha1", B | {"port": 8080}),
    "target-2-port": target("v1alpha2", B | {"port": 8080}),
    "target-2-strange": target("v1alpha2", rules=(GROUP, UDP), sources=(A, {"kind": "Group", "name": "all"})),
    "target-3": target("v1alpha3", rules=(GROUP, TCP, UDP)),
    "target-3-strange": target("v1alpha3", sources=(A, {"kind": "IdentityBinding", "name": "a"})),
    "target-4": target("v1alpha4", BOUND | {"name": "b"}, (A, BOUND), (GROUP, UDP)),
    "target-4-group": target("v1alpha4", B | {"group": ACCESS}, (A | {"group": ACCESS}, B)),
    "group-1": group("v1alpha1", FULL, FULL | {"name": "n"}),
    "group-2": group("v1alpha2", FULL, HEADERS, {"name": "any"}),
    "group-3": group("v1alpha3", HEADERS, FULL | {"headers": {"x-a": "1"}}),
    "group-4": group("v1alpha4", HEADERS, FULL, {"name": "empty", "methods": [], "headers": {}}),
    "tcp-1": tcp_route("v1alpha1"),
    "tcp-2": tcp_route("v1alpha2"),
    "tcp-3": tcp_route("v1alpha3"),
    "tcp-4": tcp_route("v1alpha4", 7000, 7001),
    "tcp-4-empty": versioned("TCPRoute", SPECS, "v1alpha4", spec={"matches": {"ports": []}}),
    "split-1": split("v1alpha1", "1", "500m", 0),
    "split-1-whole": split("v1alpha1", 90, 10),
    "split-2": split("v1alpha2", 90, 10, 0),
    "split-3": split("v1alpha3", 1000, 500, matches=("g", "h")),
    "split-4": split("v1alpha4", 1, 0, matches=("g",)),
}
