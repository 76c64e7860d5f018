"""Writes an SMI object in one API version: the same meaning in each, or Unrenderable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

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
from smi_conformance.model.versions import api_version, at_least

Manifest = dict[str, Any]
HeaderShape = Literal["list", "map"]

SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}
TOP_LEVEL = {("access", "v1alpha1"), ("specs", "v1alpha1"), ("specs", "v1alpha2")}


class Unrenderable(Exception):
    """The version cannot say what the object means."""

    def __init__(self, group: str, version: str, reason: str) -> None:
        super().__init__(f"{group} {version}: {reason}")
        self.group, self.version, self.reason = group, version, reason


def render(
    thing: SmiObject,
    name: str,
    namespace: str,
    versions: Mapping[str, str],
    *,
    header_shape: HeaderShape = "list",
) -> Manifest:
    """The manifest of an object in the version of its group.

    `versions` maps groups to versions. `header_shape` is that of release v0.6.0 and of all known CRDs, a list
    of maps with one entry each; the map stands on the main branch of the specification. Raises Unrenderable,
    and ValueError for an unknown version.
    """
    made = bare(thing, versions, header_shape=header_shape)
    return {**made, "metadata": {"name": name, "namespace": namespace}}


def bare(thing: SmiObject, versions: Mapping[str, str], *, header_shape: HeaderShape = "list") -> Manifest:
    """The same with no metadata."""
    group, kind, write = _WRITERS[type(thing)]
    version = versions[group]
    fields = write(thing, version, header_shape)
    if (group, version) not in TOP_LEVEL:
        fields = {"spec": fields}
    return {"apiVersion": api_version(group, version), "kind": kind, "metadata": {}, **fields}


def kind_of(thing: SmiObject) -> str:
    """The Kubernetes kind of an object."""
    return _WRITERS[type(thing)][1]


def _target(target: TrafficTarget, version: str, _: HeaderShape) -> Manifest:
    destination = _subject(target.destination, version)
    if target.port is not None:
        if at_least("access", version, "v1alpha3"):
            raise Unrenderable("access", version, "destination.port ended with v1alpha2; use ports of a route")
        destination["port"] = target.port
    rules = "specs" if version == "v1alpha1" else "rules"
    return {
        "destination": destination,
        rules: [_rule(rule, version) for rule in target.rules],
        "sources": [_subject(source, version) for source in target.sources],
    }


def _subject(reference: ServiceAccountRef, version: str) -> Manifest:
    subject = {"kind": reference.kind, "name": reference.name}
    if reference.namespace is not None:
        subject["namespace"] = reference.namespace
    if reference.kind == "IdentityBinding":
        if not at_least("access", version, "v1alpha4"):
            raise Unrenderable("access", version, "IdentityBinding exists from v1alpha4 on")
        subject["group"] = "access.smi-spec.io"
    return subject


def _rule(rule: Rule, version: str) -> Manifest:
    if rule.kind == "UDPRoute" and not at_least("access", version, "v1alpha3"):
        raise Unrenderable("access", version, "rules of kind UDPRoute exist from v1alpha3 on")
    named = {"matches": list(rule.matches)} if rule.matches else {}
    return {"kind": rule.kind, "name": rule.name, **named}


def _route_group(group: RouteGroup, version: str, shape: HeaderShape) -> Manifest:
    return {"matches": [_match(match, version, shape) for match in group.matches]}


def _match(match: HttpMatch, version: str, shape: HeaderShape) -> Manifest:
    """At v1alpha1 the text requires path and methods, so that "any" is written out."""
    explicit = version == "v1alpha1"
    written: Manifest = {"name": match.name}
    if match.path_regex is not None or explicit:
        written["pathRegex"] = ".*" if match.path_regex is None else match.path_regex
    if match.methods or explicit:
        written["methods"] = list(match.methods) or ["*"]
    if match.headers:
        written["headers"] = _headers(match, version, shape)
    return written


def _headers(match: HttpMatch, version: str, shape: HeaderShape) -> dict[str, str] | list[dict[str, str]]:
    if not at_least("specs", version, "v1alpha2"):
        raise Unrenderable("specs", version, "headers exist from v1alpha2 on")
    if shape == "list":
        return [{name: expression} for name, expression in match.headers]
    if len(dict(match.headers)) < len(match.headers):
        raise Unrenderable("specs", version, "a map holds one expression for each header")
    return dict(match.headers)


def _tcp_route(route: TcpRoute, version: str, _: HeaderShape) -> Manifest:
    if at_least("specs", version, "v1alpha4"):
        return {"matches": {"ports": list(route.ports)}}
    if route.ports:
        raise Unrenderable("specs", version, "a TCPRoute has ports from v1alpha4 on")
    return {}


def _udp_route(route: UdpRoute, version: str, _: HeaderShape) -> Manifest:
    if not at_least("specs", version, "v1alpha4"):
        raise Unrenderable("specs", version, "UDPRoute exists from v1alpha4 on")
    return {"matches": {"ports": list(route.ports)}}


def _binding(binding: IdentityBinding, version: str, _: HeaderShape) -> Manifest:
    if not at_least("access", version, "v1alpha4"):
        raise Unrenderable("access", version, "IdentityBinding exists from v1alpha4 on")
    schemes: Manifest = {}
    if binding.pod_labels:
        schemes["podLabelSelector"] = {"matchLabels": dict(binding.pod_labels)}
    if binding.spiffe_ids:
        schemes["spiffeIdentities"] = list(binding.spiffe_ids)
    if binding.service_account is not None:
        schemes["serviceAccount"] = binding.service_account
    return {"schemes": schemes}


def _split(split: Split, version: str, _: HeaderShape) -> Manifest:
    written: Manifest = {
        "service": split.service,
        "backends": [_backend(backend, version) for backend in split.backends],
    }
    if split.matches:
        if not at_least("split", version, "v1alpha3"):
            raise Unrenderable("split", version, "matches exist from v1alpha3 on")
        written["matches"] = [{"kind": "HTTPRouteGroup", "name": name} for name in split.matches]
    return written


def _backend(backend: Backend, version: str) -> Manifest:
    weight = backend.weight
    if isinstance(weight, str) and version != "v1alpha1":
        exact = quantity(weight)
        if exact != int(exact):
            raise Unrenderable("split", version, f"weights are whole numbers from v1alpha2 on, not {weight}")
        weight = int(exact)
    return {"service": backend.service, "weight": weight}


def quantity(text: str) -> Decimal:
    """The value of a Kubernetes quantity with a decimal suffix. Raises ValueError."""
    suffix = text[-1:] if text[-1:].isalpha() else ""
    try:
        return Decimal(text.removesuffix(suffix)).scaleb(SUFFIXES[suffix])
    except (InvalidOperation, KeyError):
        raise ValueError(f"not a quantity: {text!r}") from None


_WRITERS: dict[type, tuple[str, str, Callable[[Any, str, HeaderShape], Manifest]]] = {
    TrafficTarget: ("access", "TrafficTarget", _target),
    RouteGroup: ("specs", "HTTPRouteGroup", _route_group),
    TcpRoute: ("specs", "TCPRoute", _tcp_route),
    UdpRoute: ("specs", "UDPRoute", _udp_route),
    Split: ("split", "TrafficSplit", _split),
    IdentityBinding: ("access", "IdentityBinding", _binding),
}
