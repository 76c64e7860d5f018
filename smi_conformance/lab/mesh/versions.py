"""What each API version of an SMI object can say, and what has to travel beside an object that cannot say it.

Every object has one complete form, which holds all that any version can say. A version's reader makes it from an
object's fields and from what was kept beside them; its writer takes it apart again. What is kept counts for nothing
where the version can say the same itself, and for nothing once it does not fit the fields any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from smi_conformance.lab.mesh import quantities
from smi_conformance.lab.mesh.model import Json

#: The annotation that holds what the version of an object cannot say, as JSON.
KEPT = "smi-reference/other-versions"
#: In the complete form: a rule or subject whose kind the version it was written at does not define. It means nothing.
VOID = "void"
ALL = ("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4")
#: The first access version that defines a kind of rule or subject.
SINCE = {
    "ServiceAccount": "v1alpha1",
    "HTTPRouteGroup": "v1alpha1",
    "TCPRoute": "v1alpha1",
    "UDPRoute": "v1alpha3",
    "IdentityBinding": "v1alpha4",
}
#: The fields of a TrafficTarget that hold rules or subjects.
_NAMING = {"destination", "rules", "sources"}


@dataclass(frozen=True)
class Kind:
    """A kind that several versions serve. `stored` is the version that the mesh watches.

    `read` makes the complete form of fields, version and what was kept; `write` makes fields and what is to be kept of
    the complete form and a version.
    """

    group: str
    stored: str
    read: Callable[[Json, str, Json], Json]
    write: Callable[[Json, str], tuple[Json, Json]]


def complete(kind: str, item: Json, version: str = "") -> Json:
    """The complete form of an object; the version is the stored one unless given. Raises ValueError and TypeError."""
    known = KINDS[kind]
    return known.read(fields_of(item), version or known.stored, kept_of(item))


def fields_of(item: Json) -> Json:
    """What an object says besides its name."""
    return {name: value for name, value in item.items() if name not in ("apiVersion", "kind", "metadata")}


def kept_of(item: Json) -> Json:
    """What was kept beside an object. Raises ValueError when somebody wrote something else there."""
    kept = json.loads((item["metadata"].get("annotations") or {}).get(KEPT, "{}"))
    if not isinstance(kept, dict):
        raise ValueError(f"the annotation {KEPT} is no JSON object")
    return kept


def read_target(fields: Json, version: str, kept: Json) -> Json:
    """Destination, port, rules and sources."""
    found = _renamed(fields, "specs", "rules") if version == "v1alpha1" else dict(fields.get("spec") or {})
    port = kept.get("port")
    if "destination" in found and version < "v1alpha3":
        port = found["destination"].get("port")
        found["destination"] = _without(found["destination"], "port")
    later, void = kept.get("later", {}), kept.get(VOID, {})
    found = _each(found, lambda field, item: _meant(item, version, later.get(field, ()), void.get(field, ())))
    return found | ({"port": port} if port is not None else {})


def _each(target: Json, change: Callable[[str, Json], Json]) -> Json:
    """A target with other subjects and rules."""
    changed: Json = {}
    for field in _NAMING & target.keys():
        value = target[field]
        changed[field] = [change(field, item) for item in value] if isinstance(value, list) else change(field, value)
    return target | changed


def _meant(item: Json, version: str, later: Sequence[Json], void: Sequence[Json]) -> Json:
    """A rule or subject as it was written, at whatever version."""
    for one in later:
        if version < "v1alpha4" and _without(one, "group") == item:
            return one
    since = SINCE.get(item.get("kind", ""), version)
    return item | {VOID: True} if version < since or item in void else item


def write_target(target: Json, version: str) -> tuple[Json, Json]:
    """A kind of a later version is shown as it is, for a version gives no meaning to a kind that it does not define."""
    kept: Json = {}

    def shown(field: str, item: Json) -> Json:
        plain = _without(item, VOID)
        visible = plain if version >= "v1alpha4" else _without(plain, "group")
        later = version < SINCE.get(item.get("kind", ""), version)
        if VOID in item and not later:
            kept.setdefault(VOID, {}).setdefault(field, []).append(plain)
        elif VOID not in item and (later or visible != plain):
            kept.setdefault("later", {}).setdefault(field, []).append(plain)
        return visible

    body = _each(_without(target, "port"), shown)
    if "port" in target and version < "v1alpha3" and "destination" in body:
        body["destination"] = {**body["destination"], "port": target["port"]}
    elif "port" in target:
        kept["port"] = target["port"]
    return (_renamed(body, "rules", "specs") if version == "v1alpha1" else {"spec": body}), kept


def read_group(fields: Json, version: str, kept: Json) -> Json:
    """Matches, in order."""
    found = dict(fields) if version <= "v1alpha2" else dict(fields.get("spec") or {})
    if version == "v1alpha1" and "matches" in found:
        found["matches"] = _with_others(found["matches"], kept.get("matches", ()))
    return found


def _with_others(matches: Sequence[Json], kept: Sequence[Any]) -> list[Json]:
    """The matches of a v1alpha1 object, those that it cannot show put back in their places."""
    found = list(matches)
    for place, match in kept:
        view = _at_first(match)
        if view in found:
            found[found.index(view)] = match
        elif view is None and all(other.get("name") != match["name"] for other in found):
            found.insert(place, match)
    return found


def _at_first(match: Json) -> Json | None:
    """A match as v1alpha1 can show it; with header conditions it cannot, for without them it would match more."""
    if match.get("headers"):
        return None
    anything = {"pathRegex": match.get("pathRegex") or ".*", "methods": match.get("methods") or ["*"]}
    return _without(match, "headers") | anything


def write_group(group: Json, version: str) -> tuple[Json, Json]:
    """v1alpha1 has no headers, and does not say what it means to leave path or methods out."""
    if version != "v1alpha1" or "matches" not in group:
        return (dict(group) if version <= "v1alpha2" else {"spec": group}), {}
    views = [_at_first(match) for match in group["matches"]]
    others = [[place, match] for place, match in enumerate(group["matches"]) if views[place] != match]
    shown = group | {"matches": [view for view in views if view is not None]}
    return shown, {"matches": others} if others else {}


def read_tcp_route(fields: Json, version: str, kept: Json) -> Json:
    """Ports, which a route has from v1alpha4 on."""
    return dict((fields if version >= "v1alpha4" else kept).get("spec") or {})


def write_tcp_route(route: Json, version: str) -> tuple[Json, Json]:
    """Before v1alpha4 a route has no fields of its own, at first not even an empty spec."""
    if version >= "v1alpha4":
        return {"spec": route}, {}
    return ({"spec": {}} if version == "v1alpha3" else {}), {"spec": route} if route else {}


def read_split(fields: Json, version: str, kept: Json) -> Json:
    """Root, backends with whole weights, groups, and `quantities`: the weights as v1alpha1 wrote them."""
    found = dict(fields.get("spec") or {})
    numbers, written = _weights(found, version, kept)
    if numbers != written and version == "v1alpha1":
        found["backends"] = _weighted(found["backends"], numbers)
    if version < "v1alpha3" and "matches" in kept:
        found["matches"] = [dict(group) for group in kept["matches"]]
    return found | ({"quantities": written} if written != numbers else {})


def _weights(split: Json, version: str, kept: Json) -> tuple[list[Any], list[Any]]:
    """The weights as whole numbers, and as v1alpha1 wrote them if nobody has changed any of them since."""
    weights = [backend.get("weight") for backend in split.get("backends", ())]
    if version == "v1alpha1":
        return quantities.whole(weights), weights
    numbers, written = kept.get("quantities", (weights, weights))
    return (numbers, written) if numbers == weights and len(written) == len(weights) else (weights, weights)


def write_split(split: Json, version: str) -> tuple[Json, Json]:
    """Quantities at v1alpha1, whole numbers later; groups from v1alpha3 on."""
    body, kept = _without(split, "quantities"), {}
    if "quantities" in split and version == "v1alpha1":
        body["backends"] = _weighted(body["backends"], split["quantities"])
    elif "quantities" in split:
        kept["quantities"] = [[backend["weight"] for backend in body["backends"]], split["quantities"]]
    if version < "v1alpha3" and "matches" in body:
        kept["matches"] = body.pop("matches")
    return {"spec": body}, kept


def _weighted(backends: Sequence[Json], weights: Sequence[object]) -> list[Json]:
    return [backend | {"weight": weight} for backend, weight in zip(backends, weights, strict=True)]


def _without(item: Json, name: str) -> Json:
    return {key: value for key, value in item.items() if key != name}


def _renamed(item: Json, old: str, new: str) -> Json:
    return {new if key == old else key: value for key, value in item.items()}


#: Kinds of several versions. UDPRoute and IdentityBinding have one each.
KINDS = {
    "TrafficTarget": Kind("access.smi-spec.io", "v1alpha3", read_target, write_target),
    "HTTPRouteGroup": Kind("specs.smi-spec.io", "v1alpha4", read_group, write_group),
    "TCPRoute": Kind("specs.smi-spec.io", "v1alpha4", read_tcp_route, write_tcp_route),
    "TrafficSplit": Kind("split.smi-spec.io", "v1alpha4", read_split, write_split),
}
