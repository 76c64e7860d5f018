"""Reads an SMI manifest of any API version into the object that it means: the inverse of `render`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

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
from smi_conformance.model.render import TOP_LEVEL, Manifest
from smi_conformance.model.versions import VERSIONS, at_least

SUFFIX = ".smi-spec.io"


class Unreadable(ValueError):
    """The manifest is none of SMI, or its fields make no sense."""


def read(manifest: Manifest) -> SmiObject:
    """What an object means. What its version does not define is left out. Raises Unreadable."""
    group, version = group_version(str(manifest.get("apiVersion", "")))
    reader = _READERS.get((group, str(manifest.get("kind"))))
    if reader is None:
        raise Unreadable(f"{manifest.get('apiVersion')} has no kind {manifest.get('kind')}")
    fields = manifest if (group, version) in TOP_LEVEL else manifest.get("spec") or {}
    try:
        return reader(fields, version)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unreadable(f"{manifest.get('kind')} {version} cannot be read: {error!r}") from error


def group_version(api_version: str) -> tuple[str, str]:
    """Group and version of an SMI object's apiVersion, such as ("access", "v1alpha3"). Raises Unreadable."""
    name, _, version = api_version.partition("/")
    group = name.removesuffix(SUFFIX)
    if not name.endswith(SUFFIX) or version not in VERSIONS.get(group, ()):
        raise Unreadable(f"{api_version!r} is no version of SMI")
    return group, version


def _target(fields: Mapping[str, Any], version: str) -> TrafficTarget:
    destination = fields.get("destination") or {}
    limited = not at_least("access", version, "v1alpha3")
    rules = fields.get("specs" if version == "v1alpha1" else "rules")
    return TrafficTarget(
        destination=_subject(destination),
        sources=tuple(_subject(source) for source in fields.get("sources") or ()),
        rules=tuple(_rule(rule) for rule in rules or ()),
        port=_port(destination) if limited else None,
    )


def _port(destination: Mapping[str, Any]) -> int | None:
    port = destination.get("port")
    return None if port is None else int(port)


def _subject(fields: Mapping[str, Any]) -> ServiceAccountRef:
    return ServiceAccountRef(str(fields.get("name", "")), fields.get("namespace"), str(fields.get("kind", "")))


def _rule(fields: Mapping[str, Any]) -> Rule:
    return Rule(str(fields.get("kind", "")), str(fields.get("name", "")), tuple(fields.get("matches") or ()))


def _binding(fields: Mapping[str, Any], _: str) -> IdentityBinding:
    schemes = fields.get("schemes") or {}
    labels = (schemes.get("podLabelSelector") or {}).get("matchLabels") or {}
    return IdentityBinding(
        tuple(labels.items()), tuple(schemes.get("spiffeIdentities") or ()), schemes.get("serviceAccount")
    )


def _route_group(fields: Mapping[str, Any], version: str) -> RouteGroup:
    return RouteGroup(tuple(_match(match, version) for match in fields.get("matches") or ()))


def _match(fields: Mapping[str, Any], version: str) -> HttpMatch:
    headers = _headers(fields.get("headers")) if at_least("specs", version, "v1alpha2") else ()
    path = fields.get("pathRegex")
    return HttpMatch(
        name=str(fields.get("name", "")),
        path_regex=None if path is None else str(path),
        methods=tuple(map(str, fields.get("methods") or ())),
        headers=tuple(headers),
    )


def _headers(shape: Any) -> Iterable[tuple[str, str]]:
    """One map, or a list of maps: both shapes are in circulation."""
    maps = shape if isinstance(shape, list) else [shape or {}]
    return [(str(name), str(expression)) for one in maps for name, expression in one.items()]


def _ports(fields: Mapping[str, Any], version: str) -> tuple[int, ...]:
    if not at_least("specs", version, "v1alpha4"):
        return ()
    return tuple(int(port) for port in (fields.get("matches") or {}).get("ports") or ())


def _tcp_route(fields: Mapping[str, Any], version: str) -> TcpRoute:
    return TcpRoute(_ports(fields, version))


def _udp_route(fields: Mapping[str, Any], version: str) -> UdpRoute:
    return UdpRoute(_ports(fields, version))


def _split(fields: Mapping[str, Any], version: str) -> Split:
    backends = tuple(
        Backend(str(one["service"]), _weight(one.get("weight", 0))) for one in fields.get("backends") or ()
    )
    matches = fields.get("matches") or () if at_least("split", version, "v1alpha3") else ()
    groups = tuple(str(one["name"]) for one in matches if one.get("kind", "HTTPRouteGroup") == "HTTPRouteGroup")
    return Split(str(fields["service"]), backends, groups)


def _weight(weight: Any) -> int | str:
    if isinstance(weight, bool) or not isinstance(weight, int | str | float):
        raise TypeError(f"weight {weight!r} is no number")
    return weight if isinstance(weight, int | str) else str(weight)


_READERS: dict[tuple[str, str], Callable[[Mapping[str, Any], str], SmiObject]] = {
    ("access", "TrafficTarget"): _target,
    ("access", "IdentityBinding"): _binding,
    ("specs", "HTTPRouteGroup"): _route_group,
    ("specs", "TCPRoute"): _tcp_route,
    ("specs", "UDPRoute"): _udp_route,
    ("split", "TrafficSplit"): _split,
}
