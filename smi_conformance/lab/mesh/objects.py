"""Kubernetes and SMI objects, as the API server sends them, read into the mesh's model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from smi_conformance.lab.mesh import expressions
from smi_conformance.lab.mesh.model import (
    UNKNOWN,
    Account,
    Backend,
    Binding,
    HeaderFilter,
    HttpMatch,
    Json,
    Mistake,
    Name,
    Pod,
    Protocol,
    Rule,
    Service,
    ServicePort,
    Split,
    State,
    Subject,
    Target,
)
from smi_conformance.lab.mesh.quantities import MAX_WEIGHTS
from smi_conformance.lab.mesh.versions import VOID, complete

T = TypeVar("T")
SIDECAR = "refmesh-proxy"
HTTP_PROTOCOLS = {"http", "http2", "h2c", "grpc", "kubernetes.io/h2c"}
#: The API groups that an object may give the kind of a subject, which all of them mean the same.
SUBJECT_GROUPS = (None, "", "access.smi-spec.io")
SUBJECTS = ("ServiceAccount", "IdentityBinding")
CLUSTER_SUFFIXES = ("", ".svc", ".svc.cluster.local")

#: Objects by resource ("pods", "traffictargets.access.smi-spec.io", ...), each list in order of creation.
Objects = Mapping[str, Sequence[Json]]


def read(objects: Objects, *, posture: str = "deny") -> State:
    """All objects as one state. Objects that make no sense are left out and become mistakes."""
    mistakes: list[Mistake] = []

    def all_of(resource: str, reader: Callable[[Json], T]) -> list[T]:
        return _read_each(objects.get(resource, ()), reader, mistakes)

    endpoints = {_name(item): item for item in objects.get("endpoints", ())}
    services = all_of("services", lambda item: _service(item, endpoints.get(_name(item), {})))
    pods = [pod for pod in all_of("pods", _pod) if pod]
    groups = all_of("httproutegroups.specs.smi-spec.io", lambda item: (_name(item), _group(item, mistakes)))
    routes = all_of("tcproutes.specs.smi-spec.io", lambda item: (_name(item), _ports(item)))
    return State(
        pods=tuple(pods),
        services={service.name: service for service in services},
        targets=tuple(all_of("traffictargets.access.smi-spec.io", _target)),
        groups=dict(groups),
        tcp_routes=dict(routes),
        udp_routes=dict(all_of("udproutes.specs.smi-spec.io", lambda item: (_name(item), _ports(item)))),
        bindings={one.name: one for one in all_of("identitybindings.access.smi-spec.io", _binding)},
        without_ports=frozenset(
            _name(item) for item in objects.get("tcproutes.specs.smi-spec.io", ()) if not _lists(item)
        ),
        splits=tuple(all_of("trafficsplits.split.smi-spec.io", _split)),
        posture=posture,
        mistakes=tuple(mistakes),
    )


def reference(item: Json) -> dict[str, str]:
    """What an Event says of the object it is about."""
    meta = item.get("metadata", {})
    return {
        "apiVersion": str(item.get("apiVersion", "")),
        "kind": str(item.get("kind", "")),
        "namespace": str(meta.get("namespace", "")),
        "name": str(meta.get("name", "")),
        "uid": str(meta.get("uid", "")),
    }


def _read_each(items: Iterable[Json], reader: Callable[[Json], T], mistakes: list[Mistake]) -> list[T]:
    found = []
    for item in items:
        try:
            found.append(reader(item))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            mistakes.append(Mistake(reference(item), "Invalid", f"left out, it cannot be read: {error!r}"))
    return found


def _name(item: Json) -> Name:
    return Name(item["metadata"].get("namespace", ""), item["metadata"]["name"])


def _pod(item: Json) -> Pod | None:
    meta, spec, status = item["metadata"], item["spec"], item.get("status", {})
    if status.get("phase") in ("Succeeded", "Failed") or spec.get("hostNetwork"):
        return None
    containers = spec.get("containers", [])
    owners = [owner for owner in meta.get("ownerReferences", []) if owner.get("controller")]
    statuses = [s for s in status.get("containerStatuses", []) if s.get("name") != SIDECAR]
    return Pod(
        name=_name(item),
        ip=status.get("podIP", ""),
        account=Account(meta["namespace"], spec.get("serviceAccountName") or "default"),
        labels=meta.get("labels") or {},
        meshed=any(container["name"] == SIDECAR for container in containers),
        owner=_workload(owners[0], meta) if owners else meta["name"],
        created=meta.get("creationTimestamp", ""),
        restarts=sum(s.get("restartCount", 0) for s in statuses),
        named_ports={
            port["name"]: port["containerPort"]
            for container in containers
            for port in container.get("ports", [])
            if port.get("name")
        },
    )


def _workload(owner: Json, meta: Json) -> str:
    """A ReplicaSet stands for its Deployment: its name without the template's hash."""
    template = (meta.get("labels") or {}).get("pod-template-hash", "")
    return str(owner["name"]).removesuffix(f"-{template}") if template else str(owner["name"])


def _service(item: Json, endpoints: Json) -> Service:
    spec = item["spec"]
    external = spec.get("type") == "ExternalName"
    return Service(
        name=_name(item),
        uid=item["metadata"].get("uid", ""),
        vip="" if external or spec.get("clusterIP") in (None, "None") else spec["clusterIP"],
        selector=spec.get("selector") or {},
        ports=_service_ports(spec, endpoints, "TCP"),
        udp_ports=_service_ports(spec, endpoints, "UDP"),
    )


def _service_ports(spec: Json, endpoints: Json, transport: str) -> dict[int, ServicePort]:
    return {
        port["port"]: ServicePort(
            port["port"],
            "udp" if transport == "UDP" else protocol_of(port),
            port.get("targetPort") or port["port"],
            _endpoints(endpoints, port.get("name", ""), transport),
        )
        for port in spec.get("ports") or []
        if port.get("protocol", "TCP") == transport
    }


def _endpoints(endpoints: Json, port_name: str, transport: str) -> tuple[tuple[str, int], ...]:
    return tuple(
        sorted(
            (address["ip"], port["port"])
            for subset in endpoints.get("subsets") or []
            for port in subset.get("ports") or []
            if port.get("name", "") == port_name and port.get("protocol", "TCP") == transport
            for address in subset.get("addresses") or []
        )
    )


def protocol_of(port: Json) -> Protocol:
    """appProtocol decides, else the prefix of the port's name; what neither says is opaque TCP."""
    hint = port.get("appProtocol") or str(port.get("name", "")).partition("-")[0]
    return "http" if hint.lower() in HTTP_PROTOCOLS else "tcp"


def _group(item: Json, mistakes: list[Mistake]) -> tuple[HttpMatch, ...]:
    found = []
    for position, match in enumerate((item.get("spec") or {}).get("matches") or []):
        read_match = _match(match, position)
        if read_match:
            found.append(read_match)
        else:
            text = f"match {match.get('name')!r} has an expression that does not compile and matches nothing"
            mistakes.append(Mistake(reference(item), "InvalidExpression", text))
    return tuple(found)


def _match(match: Json, position: int) -> HttpMatch | None:
    path, headers = match.get("pathRegex") or "", _headers(match.get("headers"))
    if not all(expressions.compiles(e) for e in (path, *(value for _, value in headers))):
        return None
    methods = tuple(match.get("methods") or ())
    return HttpMatch(
        name=match["name"],
        path=path,
        pattern=expressions.anchored(path) if path else "",
        methods=() if "*" in methods else methods,
        headers=tuple(HeaderFilter(name.lower(), value) for name, value in headers),
        position=position,
    )


def _headers(headers: Any) -> list[tuple[str, Any]]:
    """Both shapes in circulation: one map, or a list of maps."""
    maps = headers if isinstance(headers, list) else [headers or {}]
    return [(name, value) for one in maps for name, value in one.items()]


def _ports(item: Json) -> frozenset[int] | None:
    return frozenset(int(port) for port in _matches(item).get("ports") or ()) or None


def _lists(item: Json) -> bool:
    """Whether an L4 route has a list of ports, be it empty."""
    return _matches(item).get("ports") is not None


def _matches(item: Json) -> Json:
    matches: Json = (item.get("spec") or {}).get("matches") or {}
    return matches


def _target(item: Json) -> Target:
    found, name = complete("TrafficTarget", item), _name(item)
    destination, sources = found.get("destination") or {}, found.get("sources") or []
    to = _subject(destination, name.namespace)
    # A TrafficTarget speaks for its own namespace only.
    own = to.name.namespace == name.namespace
    known = [_subject(source) for source in sources]
    # Nothing says which account is meant without a namespace; a binding can only be one of the own namespace.
    bound = [_subject(source, name.namespace) for source in sources]
    return Target(
        name=name,
        uid=item["metadata"].get("uid", ""),
        destination=Account(*to.name) if own and to.kind == "ServiceAccount" else None,
        sources=tuple(Account(*s.name) for s in known if s.kind == "ServiceAccount" and s.name.namespace),
        rules=tuple(_rule(rule) for rule in found.get("rules") or []),
        binding=to.name if own and to.kind == "IdentityBinding" else None,
        bound_sources=tuple(s.name for s in bound if s.kind == "IdentityBinding"),
        port=int(found["port"]) if "port" in found else None,
        strange_destination=None if to.kind in SUBJECTS else to,
        strange_sources=tuple(s for s in bound if s.kind not in SUBJECTS),
    )


def _subject(subject: Json, namespace: str = "") -> Subject:
    """A subject by kind and name; the kind is one of SUBJECTS only where it means that."""
    strange = VOID in subject or subject.get("group") not in SUBJECT_GROUPS
    kind = str(subject.get("kind", ""))
    return Subject(
        UNKNOWN + kind if strange else kind, Name(subject.get("namespace") or namespace, subject.get("name", ""))
    )


def _rule(rule: Json) -> Rule:
    kind = (UNKNOWN if VOID in rule else "") + str(rule.get("kind", ""))
    return Rule(kind, rule.get("name", ""), tuple(rule.get("matches") or ()))


def _binding(item: Json) -> Binding:
    schemes = item["spec"].get("schemes") or {}
    return Binding(
        name=_name(item),
        uid=item["metadata"].get("uid", ""),
        labels=(schemes.get("podLabelSelector") or {}).get("matchLabels") or {},
        spiffe=tuple(str(one).removeprefix("spiffe://") for one in schemes.get("spiffeIdentities") or ()),
        account=schemes.get("serviceAccount") or "",
    )


def _split(item: Json) -> Split:
    spec, name = item["spec"], _name(item)
    backends = tuple(Backend(backend["service"], _weight(backend["weight"])) for backend in spec["backends"])
    if sum(backend.weight for backend in backends) > MAX_WEIGHTS:
        raise ValueError("the weights are too large")
    return Split(
        name=name,
        uid=item["metadata"].get("uid", ""),
        root=Name(name.namespace, _plain(spec["service"], name.namespace)),
        backends=backends,
        groups=_groups_of(spec.get("matches") or ()),
    )


def _groups_of(matches: Sequence[Json]) -> tuple[str, ...] | None:
    return tuple(m["name"] for m in matches if m["kind"] == "HTTPRouteGroup") if matches else None


def _weight(weight: Any) -> int:
    if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
        raise ValueError(f"weight {weight!r} is no whole number")
    return weight


def _plain(service: str, namespace: str) -> str:
    """A qualified name of a Service in the split's own namespace stands for the plain one."""
    for suffix in CLUSTER_SUFFIXES:
        if service.endswith(f".{namespace}{suffix}"):
            return service.removesuffix(f".{namespace}{suffix}")
    return service
