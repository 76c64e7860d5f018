"""Defects in the shapes of TrafficSplits that the API takes, and in what becomes of bad ones (API-080 to API-088)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from smi_conformance.cluster.model.api_edits import Answering, Manifest, optional, refusing, schemas
from smi_conformance.cluster.model.apiserver import Answer, ApiCall
from smi_conformance.cluster.model.edits import fields_of
from smi_conformance.cluster.model.switchboard import API, CRD, MANIFEST, STORED, WORLD, fault
from smi_conformance.model.objects import Split
from smi_conformance.model.oracle import weight_of
from smi_conformance.model.world import Placed, World

CRDS = "CustomResourceDefinition"
SPLIT = "TrafficSplit"
WHOLE = ("v1alpha2", "v1alpha3", "v1alpha4")


@fault("API-080/missing-weight-accepted", "a backend without weight is accepted", CRD, kind=CRDS)
def missing_weight(crd: Manifest) -> Manifest:
    return optional(crd, SPLIT, "weight", "backends")


@fault("API-080/missing-backends-accepted", "a split without backends is accepted", CRD, kind=CRDS)
def missing_backends(crd: Manifest) -> Manifest:
    return optional(crd, SPLIT, "backends")


@fault("API-080/missing-service-accepted", "a split without service is accepted", CRD, kind=CRDS)
def missing_service(crd: Manifest) -> Manifest:
    return optional(crd, SPLIT, "service")


def any_weight(crd: Manifest, **schema: object) -> Manifest:
    """Weights of any kind are taken, or those that a schema says."""
    for one in schemas(crd, SPLIT):
        one["properties"]["backends"]["items"]["properties"]["weight"] = schema or {
            "x-kubernetes-preserve-unknown-fields": True
        }
    return crd


@fault("API-081/fraction-truncated", "a fractional weight is accepted and counts as 0", CRD, kind=CRDS)
@fault("API-081/string-read-as-zero", "a weight as text is accepted and counts as 0", CRD, kind=CRDS)
@fault(
    "API-088/bad-weight-breaks-all",
    "a weight that is no whole number is accepted and undoes all splits",
    CRD,
    kind=CRDS,
)
@fault(
    "API-088/later-edits-missed",
    "a weight that is no whole number is accepted and stops all changes of splits",
    CRD,
    kind=CRDS,
)
def any_weight_accepted(crd: Manifest) -> Manifest:
    return any_weight(crd)


@fault(
    "API-086/bad-split-stops-reconciliation", "a split that makes no sense stops all changes of splits", CRD, kind=CRDS
)
@fault("API-086/proxy-rejects-whole-update", "a split that makes no sense undoes all splits", CRD, kind=CRDS)
def negative_weight_accepted(crd: Manifest) -> Manifest:
    return any_weight(crd, type="integer")


def _with_weights(split: Manifest, kind: type, value: object) -> Manifest:
    for backend in fields_of(split).get("backends", ()):
        if isinstance(backend.get("weight"), kind):
            backend["weight"] = value
    return split


@fault(
    "API-081/fraction-truncated",
    "a fractional weight is accepted and counts as 0",
    MANIFEST,
    kind=SPLIT,
    versions=WHOLE,
)
def fraction_truncated(split: Manifest) -> Manifest:
    return _with_weights(split, float, 0)


@fault(
    "API-081/string-read-as-zero", "a weight as text is accepted and counts as 0", MANIFEST, kind=SPLIT, versions=WHOLE
)
def string_read_as_zero(split: Manifest) -> Manifest:
    return _with_weights(split, str, 0)


@fault("API-082/strings-refused", "weights as text are refused", API)
def strings_refused(inner: Answering, call: ApiCall) -> Answer:
    return _refusing_weights(inner, call, str)


@fault("API-082/numbers-refused", "weights as numbers are refused", API)
def numbers_refused(inner: Answering, call: ApiCall) -> Answer:
    return _refusing_weights(inner, call, int)


def _refusing_weights(inner: Answering, call: ApiCall, kind: type) -> Answer:
    def bad(fields: Manifest) -> bool:
        return any(isinstance(one.get("weight"), kind) for one in fields.get("backends") or ())

    return refusing(inner, call, SPLIT, bad, "weight in body is of the wrong type")


@fault("API-082/milli-lost", "500m is stored as 500", STORED, kind=SPLIT)
def milli_lost(split: Manifest) -> Manifest:
    for backend in fields_of(split).get("backends", ()):
        backend["weight"] = str(backend["weight"]).removesuffix("m")
    return split


@fault("API-083/other-kind-accepted", "matches of any kind are accepted", CRD, kind=CRDS)
def other_kind_accepted(crd: Manifest) -> Manifest:
    for schema in schemas(optional(crd, SPLIT, "kind", "matches"), SPLIT):
        matches = schema["properties"].get("matches", {"items": {"properties": {"kind": {}}}})
        matches["items"]["properties"]["kind"].pop("enum", None)
    return crd


def nonsense(split: Placed[Split]) -> bool:
    """Whether a split has a negative weight or names a backend twice."""
    names = Counter(backend.service for backend in split.thing.backends)
    return max(names.values(), default=0) > 1 or any(weight_of(one) < 0 for one in split.thing.backends)


def no_whole_number(split: Placed[Split]) -> bool:
    """Whether a split has a weight that its version does not know."""
    return split.version != "v1alpha1" and any(isinstance(one.weight, str) for one in split.thing.backends)


class _KeepsOldSplits:
    """As long as there is a bad split, what was known before it came counts."""

    def __init__(self) -> None:
        self._before: tuple[Placed[Split], ...] = ()

    @staticmethod
    def bad(split: Placed[Split]) -> bool:
        return nonsense(split)

    def __call__(self, world: World) -> World:
        if not any(map(self.bad, world.splits)):
            self._before = world.splits
        return replace(world, splits=self._before)


@fault("API-086/bad-split-stops-reconciliation", "a split that makes no sense stops all changes of splits", WORLD)
class NonsenseStopsChanges(_KeepsOldSplits):
    """Nonsense stops changes."""


@fault("API-086/proxy-rejects-whole-update", "a split that makes no sense undoes all splits", WORLD)
def nonsense_rejected(world: World) -> World:
    return replace(world, splits=()) if any(map(nonsense, world.splits)) else world


@fault(
    "API-088/later-edits-missed", "a weight that is no whole number is accepted and stops all changes of splits", WORLD
)
class WeightStopsChanges(_KeepsOldSplits):
    """A weight that is no whole number stops changes."""

    @staticmethod
    def bad(split: Placed[Split]) -> bool:
        return no_whole_number(split)


@fault("API-088/bad-weight-breaks-all", "a weight that is no whole number is accepted and undoes all splits", WORLD)
def bad_weight_breaks_all(world: World) -> World:
    return replace(world, splits=()) if any(map(no_whole_number, world.splits)) else world


@fault("API-087/fraction-accepted", "fractional weights are accepted", CRD, kind=CRDS)
def fraction_accepted(crd: Manifest) -> Manifest:
    return any_weight(crd, type="number", minimum=0)


@fault("API-087/string-accepted", "weights as text are accepted", CRD, kind=CRDS)
def string_accepted(crd: Manifest) -> Manifest:
    return any_weight(crd, **{"x-kubernetes-int-or-string": True})
