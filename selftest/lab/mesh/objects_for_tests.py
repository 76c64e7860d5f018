"""Kubernetes and SMI objects as a small cluster would have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from smi_conformance.lab.mesh import objects
from smi_conformance.lab.mesh.model import Account, Json, Name, State

NS = "shop"
UDP_PORTS = (("udp-9000", 9000), ("udp-9500", 9500, 9001))
PORTS = (("http-8080", 8080), ("http-9090", 9090), ("tcp-7000", 7000), ("tcp-7001", 7001), ("tcp-7002", 7002))


def meta(name: str, namespace: str = NS, **more: Any) -> Json:
    created = more.pop("created", "2026-01-01T00:00:00Z")
    return {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}", "creationTimestamp": created, **more}


def pod(name: str, account: str, ip: str, labels: Mapping[str, str], **more: Any) -> Json:
    namespace, meshed = more.pop("namespace", NS), more.pop("meshed", True)
    containers: list[Json] = [{"name": "app", "ports": [{"name": "web", "containerPort": 8081}]}]
    return {
        "metadata": meta(name, namespace, labels=dict(labels), **more),
        "spec": {
            "serviceAccountName": account,
            "containers": containers + ([{"name": objects.SIDECAR}] if meshed else []),
        },
        "status": {"phase": "Running", "podIP": ip},
    }


def service(name: str, vip: str, selector: Mapping[str, str], ports: Iterable[Any] = PORTS, **more: Any) -> Json:
    protocol = {"protocol": more.pop("protocol", "TCP")}
    listed = [{"name": p[0], "port": p[1], "targetPort": p[2] if len(p) > 2 else p[1]} | protocol for p in ports]
    spec = {"clusterIP": vip, "selector": dict(selector), "ports": listed}
    return {"metadata": meta(name, **more), "spec": spec}


def endpoints(name: str, ips: Iterable[str], ports: Iterable[Any] = PORTS, protocol: str = "TCP") -> Json:
    listed = [{"name": p[0], "port": p[-1], "protocol": protocol} for p in ports]
    return {"metadata": meta(name), "subsets": [{"addresses": [{"ip": ip} for ip in ips], "ports": listed}]}


def target(name: str, destination: str, sources: Iterable[str], *rules: Json, **more: Any) -> Json:
    return {
        "apiVersion": "access.smi-spec.io/v1alpha3",
        "kind": "TrafficTarget",
        "metadata": meta(name, **more),
        "spec": {
            "destination": {"kind": "ServiceAccount", "name": destination, "namespace": NS},
            "sources": [{"kind": "ServiceAccount", "name": source, "namespace": NS} for source in sources],
            "rules": list(rules),
        },
    }


def http_rule(name: str, *matches: str) -> Json:
    return {"kind": "HTTPRouteGroup", "name": name} | ({"matches": list(matches)} if matches else {})


def tcp_rule(name: str) -> Json:
    return {"kind": "TCPRoute", "name": name}


def udp_rule(name: str) -> Json:
    return {"kind": "UDPRoute", "name": name}


def binding(name: str, **schemes: Any) -> Json:
    return {"metadata": meta(name), "spec": {"schemes": schemes}}


def group(name: str, *matches: Json) -> Json:
    return {"metadata": meta(name), "spec": {"matches": list(matches)}}


def tcp_route(name: str, *ports: int) -> Json:
    return {"metadata": meta(name), "spec": {"matches": {"ports": list(ports)}}}


def split(name: str, root: str, weights: Mapping[str, Any], matches: Iterable[str] = (), **more: Any) -> Json:
    backends = [{"service": service, "weight": weight} for service, weight in weights.items()]
    spec: Json = {"service": root, "backends": backends}
    groups = [{"kind": "HTTPRouteGroup", "name": name} for name in matches]
    return {
        "kind": "TrafficSplit",
        "metadata": meta(name, **more),
        "spec": spec | ({"matches": groups} if groups else {}),
    }


DATA = {"name": "data", "pathRegex": "/data|/info", "methods": ["GET", "PUT", "DELETE"]}
AGENT = {"name": "agent", "headers": [{"User-Agent": ".*(Firefox|Android).*"}, {"x-b": "2.*"}]}
GROUPS = (group("routes", DATA, AGENT), group("firefox", AGENT))


def cluster(**other: Iterable[Json]) -> dict[str, list[Json]]:
    """Clients a and z, servers b (two pods), web over v1, v2, v3; keywords replace or add resources."""
    versions = {f"v{n}": f"10.0.1.{n}" for n in (1, 2, 3)}
    pods = [
        pod("c-a", "a", "10.0.0.1", {"app": "client"}),
        pod("c-z", "z", "10.0.0.2", {"app": "client"}),
        pod("s-b-1", "b", "10.0.0.3", {"app": "b"}),
        pod("s-b-2", "b", "10.0.0.4", {"app": "b"}, created="2026-01-01T00:00:09Z"),
        pod("plain", "plain", "10.0.0.9", {"app": "plain"}, namespace="outside", meshed=False),
        *(pod(v, f"sa-{v}", ip, {"app": "web", "v": v}) for v, ip in versions.items()),
    ]
    services = [
        service("b", "10.96.0.1", {"app": "b"}),
        service("web", "10.96.0.2", {"app": "web"}),
        service("b-udp", "10.96.0.3", {"app": "b"}, UDP_PORTS, protocol="UDP"),
        service("dns", "10.96.0.4", {"app": "web"}, UDP_PORTS, protocol="UDP"),
        service("dns-v1", "10.96.2.1", {"app": "web", "v": "v1"}, UDP_PORTS, protocol="UDP"),
        service("dns-v2", "10.96.2.2", {"app": "web", "v": "v2"}, UDP_PORTS[:1], protocol="UDP"),
        *(service(f"web-{v}", f"10.96.1.{v[1]}", {"app": "web", "v": v}) for v in versions),
    ]
    ready = [
        endpoints("b", ["10.0.0.3", "10.0.0.4"]),
        endpoints("web", versions.values()),
        *(endpoints(f"web-{v}", [ip]) for v, ip in versions.items()),
        endpoints("b-udp", ["10.0.0.3", "10.0.0.4"], UDP_PORTS, "UDP"),
        endpoints("dns-v1", ["10.0.1.1"], UDP_PORTS, "UDP"),
        endpoints("dns-v2", ["10.0.1.2"], UDP_PORTS[:1], "UDP"),
    ]
    made: dict[str, Iterable[Json]] = {
        "pods": pods,
        "services": services,
        "endpoints": ready,
        "httproutegroups": GROUPS,
        "tcproutes": (tcp_route("tcp", 7000, 7002),),
        "udproutes": (tcp_route("udp", 9000, 9001),),
        **other,
    }
    groups = {
        "traffictargets": ".access.smi-spec.io",
        "identitybindings": ".access.smi-spec.io",
        "httproutegroups": ".specs.smi-spec.io",
        "tcproutes": ".specs.smi-spec.io",
        "udproutes": ".specs.smi-spec.io",
        "trafficsplits": ".split.smi-spec.io",
    }
    return {name + groups.get(name, ""): list(items) for name, items in made.items()}


def state(posture: str = "deny", **other: Iterable[Json]) -> State:
    """The cluster as the mesh sees it."""
    return objects.read(cluster(**other), posture=posture)


def representative(posture: str = "deny", **other: Iterable[Json]) -> State:
    """Grants of all kinds and splits of all kinds at once."""
    made: dict[str, Iterable[Json]] = {
        "traffictargets": (
            target("t1", "b", ["a"], http_rule("routes"), tcp_rule("tcp")),
            target("t2", "b", ["a", "z"], http_rule("firefox", "agent")),
            target("t3", "sa-v1", ["a"], tcp_rule("tcp")),
            target("t4", "b", ["z"], udp_rule("udp")),
        ),
        "trafficsplits": (
            split("web", "web", {"web-v1": 90, "web-v2": 10, "web-v3": 0}),
            split("b", "b", {"web-v1": 1, "web-v2": 2}, ["firefox"]),
            split("dns", "dns", {"dns-v1": 90, "dns-v2": 10, "web-v3": 1}),
        ),
        **other,
    }
    return state(posture, **made)


def account(name: str) -> Account:
    return Account(NS, name)


def named(name: str) -> Name:
    return Name(NS, name)
