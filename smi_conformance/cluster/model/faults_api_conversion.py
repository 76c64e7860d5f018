"""Defects in the conversion of objects between versions (API-050 to API-053)."""

from __future__ import annotations

import re
from decimal import Decimal

from smi_conformance.cluster.model.api_edits import Manifest
from smi_conformance.cluster.model.edits import fields_of
from smi_conformance.cluster.model.switchboard import CONVERSION, MANIFEST, fault
from smi_conformance.model.convert import KEPT
from smi_conformance.model.render import quantity
from smi_conformance.model.versions import BASELINE

Converted = Manifest


def forgetful(manifest: Manifest) -> Manifest:
    """Without what the version cannot say."""
    (manifest["metadata"].get("annotations") or {}).pop(KEPT, None)
    return manifest


@fault("API-050/port-lost-in-conversion", "destination.port is lost in conversion", CONVERSION, kind="TrafficTarget")
def port_lost(target: Converted, _: Manifest) -> Manifest:
    fields_of(target).get("destination", {}).pop("port", None)
    return forgetful(target)


@fault("API-050/fields-lost-in-conversion", "a converted TrafficTarget is empty", CONVERSION, kind="TrafficTarget")
def target_emptied(target: Converted, _: Manifest) -> Manifest:
    for field in ("destination", "rules", "specs", "sources"):
        fields_of(target).pop(field, None)
    return forgetful(target)


@fault(
    "API-050/non-storage-version-unenforced",
    "only TrafficTargets of the storage version act",
    MANIFEST,
    kind="TrafficTarget",
)
def only_the_storage_version(target: Manifest) -> Manifest | None:
    return target if str(target["apiVersion"]).endswith(BASELINE["access"]) else None


@fault(
    "API-050/namespace-lost-in-conversion",
    "sources lose their namespace in conversion",
    CONVERSION,
    kind="TrafficTarget",
)
def namespace_lost(target: Converted, _: Manifest) -> Manifest:
    for source in fields_of(target).get("sources", ()):
        source.pop("namespace", None)
    return forgetful(target)


@fault("API-051/matches-dropped", "a converted route group has no matches", CONVERSION, kind="HTTPRouteGroup")
def matches_dropped(group: Converted, _: Manifest) -> Manifest:
    fields_of(group)["matches"] = []
    return forgetful(group)


@fault(
    "API-051/header-filters-lost", "a converted route group has no header filters", CONVERSION, kind="HTTPRouteGroup"
)
def header_filters_lost(group: Converted, _: Manifest) -> Manifest:
    for match in fields_of(group).get("matches", ()):
        match.pop("headers", None)
    return forgetful(group)


@fault(
    "API-051/ports-emptied",
    "TCPRoutes are acted on as an older version tells them: for all ports",
    MANIFEST,
    kind="TCPRoute",
)
def ports_emptied(route: Manifest) -> Manifest:
    fields_of(route)["matches"] = {"ports": []}
    return forgetful(route)


@fault(
    "API-052/milli-read-as-digits",
    "the digits of a quantity are converted without its scale",
    CONVERSION,
    kind="TrafficSplit",
)
def milli_read_as_digits(split: Converted, original: Manifest) -> Manifest:
    for backend, source in zip(split["spec"]["backends"], original["spec"]["backends"], strict=True):
        digits = re.match("[0-9]+", str(source["weight"]))
        backend["weight"] = int(digits[0]) if digits else 0
    return forgetful(split)


@fault("API-052/fraction-truncated", "a quantity below 1 is converted to 0", CONVERSION, kind="TrafficSplit")
def fraction_truncated(split: Converted, original: Manifest) -> Manifest:
    for backend, source in zip(split["spec"]["backends"], original["spec"]["backends"], strict=True):
        backend["weight"] = int(quantity(str(source["weight"])) // Decimal(1))
    return forgetful(split)


@fault("API-052/weights-reordered", "converted weights are assigned in another order", CONVERSION, kind="TrafficSplit")
def weights_reordered(split: Converted, _: Manifest) -> Manifest:
    backends = split["spec"]["backends"]
    weights = [backend["weight"] for backend in reversed(backends)]
    for backend, weight in zip(backends, weights, strict=True):
        backend["weight"] = weight
    return forgetful(split)


@fault("API-053/matches-dropped", "a converted split has no matches", CONVERSION, kind="TrafficSplit")
def references_dropped(split: Converted, _: Manifest) -> Manifest:
    split["spec"].pop("matches", None)
    return forgetful(split)


@fault(
    "API-053/second-reference-dropped",
    "a converted split keeps the first of its matches",
    CONVERSION,
    kind="TrafficSplit",
)
def second_reference_dropped(split: Converted, _: Manifest) -> Manifest:
    if "matches" in split["spec"]:
        split["spec"]["matches"] = split["spec"]["matches"][:1]
    return forgetful(split)
