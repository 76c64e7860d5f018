"""Conversion of SMI objects between API versions, for the API server.

Nothing is lost on the way: what a version cannot say travels in an annotation and comes back with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from smi_conformance.lab.mesh.model import Json
from smi_conformance.lab.mesh.versions import ALL, KEPT, KINDS, Kind, fields_of, kept_of

#: What may be changed of a converted object, given that and the object as it was asked about.
Change = Callable[[Json, Json], Json]
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)


class ConversionError(Exception):
    """The object cannot be converted; the text says why, to the user who sent the request."""


def review(asked: Json, change: Change = lambda converted, _written: converted) -> Json:
    """The answer to a ConversionReview: all of its objects, or none and the reason."""
    request = asked["request"]
    response: Json = {"uid": request["uid"], "convertedObjects": [], "result": {"status": "Success"}}
    try:
        for item in request["objects"]:
            response["convertedObjects"].append(change(convert(item, request["desiredAPIVersion"]), item))
    except ConversionError as error:
        failed = {"status": "Failed", "message": str(error)}
        response |= {"convertedObjects": [], "result": failed}
    return {"apiVersion": asked["apiVersion"], "kind": "ConversionReview", "response": response}


def convert(item: Json, api_version: str) -> Json:
    """The same object at another version of its group. Raises ConversionError."""
    kind, version = _known(item, item.get("apiVersion", ""))
    _, wanted = _known(item, api_version)
    try:
        fields, kept = kind.write(_read(kind, item, version), wanted)
    except UNREADABLE as error:
        name = item.get("metadata", {}).get("name")
        raise ConversionError(f"{item['kind']} {name} of {item['apiVersion']} cannot be read: {error}") from error
    metadata = with_kept(item["metadata"], kept)
    return {"apiVersion": api_version, "kind": item["kind"], "metadata": metadata, **fields}


def _known(item: Json, api_version: str) -> tuple[Kind, str]:
    kind, (group, _, version) = KINDS.get(item.get("kind", "")), api_version.partition("/")
    if kind is None or group != kind.group or version not in ALL:
        raise ConversionError(f"{item.get('kind')} has no version {api_version!r} that the reference mesh knows")
    return kind, version


def _read(kind: Kind, item: Json, version: str) -> Json:
    """An annotation that somebody spoilt must not keep others from listing their objects: it counts for nothing here.

    The mesh itself leaves such an object out.
    """
    try:
        return kind.read(fields_of(item), version, kept_of(item))
    except UNREADABLE:
        return kind.read(fields_of(item), version, {})


def with_kept(metadata: Json, kept: Json) -> Json:
    """The metadata with what is to be kept, and without what was kept before."""
    others = {name: text for name, text in (metadata.get("annotations") or {}).items() if name != KEPT}
    annotations = others | ({KEPT: json.dumps(kept, sort_keys=True, separators=(",", ":"))} if kept else {})
    rest = {name: value for name, value in metadata.items() if name != "annotations"}
    return rest | ({"annotations": annotations} if annotations else {})
