"""The numbers of a Prometheus as the metrics API would tell them, so that the same scenarios can judge them.

It answers what scenarios ask the metrics API for: lists, objects and edges. Only the numbers in these answers are the
mesh's; their shape is ours, and nothing is to be judged by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from smi_conformance.cluster.port import Answer, ClusterError, api_root
from smi_conformance.cluster.prometheus import Reads, Sample, ask, now
from smi_conformance.judge.metrics import COUNTS, PERCENTILES
from smi_conformance.meshes.numbers import BOTH, DESTINATION, SOURCE, End, Prometheus
from smi_conformance.model.metrics.answers import Ask, NotServed, no_such_path, not_found, parse_path
from smi_conformance.model.metrics.items import Json, resource, traffic_metrics
from smi_conformance.model.metrics.kinds import API_VERSION, KINDS
from smi_conformance.model.metrics.traffic import Ref

Key = tuple[str, ...]
Place = tuple[str, str]
WHOLE = 2.0**53  # from here on a float is no exact count


@dataclass
class MetricsAdapter:
    """Asks a Prometheus each time that it is asked itself."""

    cluster: Reads
    source: Prometheus
    _names: dict[str, dict[Place, Place]] = field(default_factory=dict)
    """By plural: objects as the labels write them to what they are called; as of one answer."""
    _at: str = ""
    """Unix time of all numbers of one answer: what lies on the edge of the window is in all of them, or in none."""

    def get(self, path: str) -> Answer:
        """What a GET is answered with; 404 for what there are no numbers of. Raises ClusterError."""
        path, _, query = path.partition("?")
        self._names.clear()
        try:
            if query:
                raise no_such_path()
            return Answer(200, self._body(parse_path(path)))
        except NotServed as error:
            return Answer(error.code, error.status)

    def _body(self, ask: Ask) -> Json:
        if ask.plural not in self.source.kinds or ask.subresource not in ("", "edges"):
            raise no_such_path()
        self._at = now(self.cluster, self.source)
        if ask.subresource:
            return _list([*self._edges(ask.ref)])
        found = [*self._totals(ask.plural, DESTINATION), *self._totals(ask.plural, SOURCE)]
        if not ask.name:
            return _list([item for ref, item in found if ask.namespace in ("", ref.namespace)])
        own = [item for ref, item in found if ref == ask.ref]
        if not own:
            raise not_found(ask.ref)
        return own[0]

    def _totals(self, plural: str, ends: tuple[End, ...]) -> Iterator[tuple[Ref, Json]]:
        """What each object received, or sent."""
        about = {"direction": "from" if ends == DESTINATION else "to", "resource": None}
        for key, rows in self._numbers(self.source.by(plural, ends)):
            if place := self._place(plural, key):
                ref = Ref(plural, *place)
                yield ref, traffic_metrics(ref, about, rows, float(self._at), self.source.window)

    def _edges(self, about: Ref) -> Iterator[Json]:
        """An item for each peer and direction of an object."""
        plural, count = about.plural, len(self.source.by(about.plural, DESTINATION))
        for key, rows in self._numbers(self.source.by(plural, BOTH)):
            ends = self._place(plural, key[:count]), self._place(plural, key[count:])
            for direction, own, peer in (("from", *ends), ("to", *reversed(ends))):
                if own == about[1:] and peer:
                    edge = {"direction": direction, "resource": resource(Ref(plural, *peer))}
                    yield traffic_metrics(about, edge, rows, float(self._at), self.source.window)

    def _numbers(self, by: Key) -> Iterator[tuple[Key, list[Json]]]:
        """The metrics of whatever has counts. Nobody has a series of what never happened: it is 0."""
        found = {metric: ask(self.cluster, self.source, metric, by, self._at) for metric in self.source.queries}
        for key in sorted({key for name in COUNTS for key in found[name]}):
            counts = {name: _count(found[name].get(key)) for name in COUNTS}
            if set(counts.values()) != {"0"}:
                rows = [{"name": name, "value": value} for name, value in counts.items()]
                rows += [
                    {"name": name, "unit": self.source.unit, "value": found[name][key].value}
                    for name in PERCENTILES.values()
                    if key in found.get(name, {})
                ]
                yield key, rows

    # Names

    def _place(self, plural: str, key: Key) -> Place | None:
        """Namespace and name of an object by the values of its labels; None where no object is written so."""
        place = (key[0], key[1]) if len(key) > 1 else ("", key[0])
        if not self.source.rewritten:
            return place
        if plural not in self._names:
            self._names[plural] = self._existing(plural)
        return self._names[plural].get(place)

    def _existing(self, plural: str) -> dict[Place, Place]:
        kind, written = KINDS[plural], self.source.written
        answer = self.cluster.api("GET", f"{api_root(kind.api_version)}/{plural}")
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise ClusterError(f"{plural} cannot be listed: {answer.status} {answer.message}")
        metas = [one["metadata"] for one in answer.body.get("items") or ()]
        places = [(meta.get("namespace", ""), meta["name"]) for meta in metas]
        return {(written(space), written(name)): (space, name) for space, name in places}


def _list(items: list[Json]) -> Json:
    return {"kind": "TrafficMetricsList", "apiVersion": API_VERSION, "metadata": {}, "resource": {}, "items": items}


def _count(sample: Sample | None) -> str:
    """A count as the API writes it: 12 for 1.2e+01; what is no whole number stays as it is."""
    if sample is None:
        return "0"
    number = float(sample.value)
    return str(int(number)) if number.is_integer() and abs(number) < WHOLE else sample.value
