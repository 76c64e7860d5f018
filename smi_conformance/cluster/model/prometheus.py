"""A Prometheus for a mesh without a metrics API, as far as the model has one: it tells the numbers of the model.

It evaluates no PromQL. It knows the queries that the adapter makes of a profile, and what each of them means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from smi_conformance.cluster.model.apiserver import Answer, ApiCall
from smi_conformance.cluster.model.metrics import Changed, Context, Metrics
from smi_conformance.cluster.model.traffic import EPOCH
from smi_conformance.cluster.prometheus import NOW
from smi_conformance.judge import metrics as read
from smi_conformance.judge.metrics import COUNTS, PERCENTILES, Item, Unreadable
from smi_conformance.meshes.numbers import BOTH, DESTINATION, SOURCE, End, Prometheus
from smi_conformance.model.metrics.answers import Ask, edges, received_by, sent_by
from smi_conformance.model.metrics.items import Direction, Json, Reading, edge, item
from smi_conformance.model.metrics.traffic import Ref, Side, total

WAYS: dict[tuple[End, ...], tuple[Direction, Side]] = {DESTINATION: ("from", "server"), SOURCE: ("to", "client")}
PERCENT = {name: percent for percent, name in PERCENTILES.items()}
SCALES = {"seconds": 1.0, "milliseconds": 1000.0}
UNKNOWN = "the model evaluates no PromQL: it knows the queries of the profile"


class Question(NamedTuple):
    """What a query asks for."""

    metric: str
    plural: str
    ends: tuple[End, ...]


@dataclass
class ModelPrometheus:
    """Answers for the model's metrics, with their faults."""

    metrics: Metrics
    source: Prometheus

    @cached_property
    def _known(self) -> dict[str, Question]:
        source = self.source
        asked = [Question(*one) for one in _combined(tuple(source.queries), source.kinds)]
        return {source.query(one.metric, source.by(one.plural, one.ends)): one for one in asked}

    def answer(self, call: ApiCall) -> Answer:
        """An instant query; a page for all else."""
        if call.path != f"{self.source.service.path}/api/v1/query":
            return 404, "<!doctype html><title>404 page not found</title>"
        if call.query.get("query") == NOW:
            return 200, _vector([{"metric": {}, "value": [EPOCH + self._now, repr(EPOCH + self._now)]}])
        question = self._known.get(call.query.get("query", ""))
        if question is None:
            return 400, {"status": "error", "errorType": "bad_data", "error": UNKNOWN}
        now = float(call.query["time"]) - EPOCH if "time" in call.query else self._now
        result = [self._sample(question, one, now) for one in self._items(question, now)]
        return 200, _vector([one for one in result if one])

    @property
    def _now(self) -> float:
        return self.metrics.clock.now()

    def _items(self, question: Question, now: float) -> Iterator[Item]:
        """The model's own items: those that its API would make, with what is wrong with it."""
        context = Context(self.metrics, now)
        changed, flows = Changed(self.metrics.switches, context), context.flows(float(self.source.window))
        for ref in context.inventory.objects(question.plural):
            of_edges = question.ends == BOTH
            asked = Ask(question.plural, ref.namespace, ref.name, "edges") if of_edges else Ask(question.plural)
            reading = context.reading(changed.counted(flows, asked))
            made = edges(ref, reading) if of_edges else _total(ref, question.ends, reading)
            yield from (read.item(body) for body in changed.listed(made, asked))

    def _sample(self, question: Question, about: Item, now: float) -> Json | None:
        """One series; None where it belongs to another one, or there is no value."""
        objects = [about.resource]
        if question.ends == BOTH:
            if about.direction == "to" or not about.peer:
                return None
            objects.append(about.peer)
        words = [self.source.written(word) for one in objects for word in (one.namespace, one.name) if word]
        labels = dict(zip(self.source.by(question.plural, question.ends), words, strict=True))
        value = self._value(question.metric, about)
        return None if value is None else {"metric": labels, "value": [EPOCH + now, value]}

    def _value(self, metric: str, about: Item) -> str | None:
        try:
            if metric in COUNTS:
                return str(about.count(metric))
            return repr(about.latency(PERCENT[metric]) * SCALES[self.source.unit])
        except Unreadable:
            return None


def _vector(result: list[Json]) -> Json:
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def _combined(metrics: tuple[str, ...], plurals: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    ways = (DESTINATION, SOURCE, BOTH)
    return ((metric, plural, ends) for metric in metrics for plural in plurals for ends in ways)


def _total(ref: Ref, ends: tuple[End, ...], reading: Reading) -> list[Json]:
    counted = received_by(ref, reading.flows) if ends == DESTINATION else sent_by(ref, reading.flows)
    return [item(ref, edge(*WAYS[ends]), total(counted.values()), reading)] if counted else []
