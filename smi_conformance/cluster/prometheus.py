"""Instant queries of a Prometheus behind the API server, and their answers.

Whatever is no answer of a Prometheus (a page, an error, nothing) says nothing about the mesh: it is a ClusterError.
What a Prometheus answers is the mesh's own word, also NaN, and is not changed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from smi_conformance.cluster.port import Answer, ClusterError
from smi_conformance.meshes.numbers import Prometheus

_NUMBER = re.compile(r"[+-]?(Inf|\d+(\.\d+)?(e[+-]?\d+)?)|NaN")


class Reads(Protocol):
    """What can ask the API server: the cluster port."""

    def api(self, method: str, path: str) -> Answer:
        """The answer to a request."""


@dataclass(frozen=True)
class Sample:
    """One series of a vector: its labels, and its value as it was written."""

    labels: Mapping[str, str]
    value: str


NOW = "vector(time())"


def now(cluster: Reads, source: Prometheus) -> str:
    """The Unix time of the Prometheus. Raises ClusterError."""
    found = samples(cluster.api("GET", source.path(NOW)), f"Prometheus {source.service}")
    if len(found) != 1:
        raise ClusterError(f"Prometheus {source.service} tells {len(found)} times instead of one")
    return found[0].value


def ask(cluster: Reads, source: Prometheus, metric: str, by: tuple[str, ...], at: str) -> dict[tuple[str, ...], Sample]:
    """The samples of a metric at a time, by the values of these labels; series that lack one are about nobody.

    Raises ClusterError when no Prometheus answers, or its answer is no vector of one series for each of the values.
    """
    query = source.query(metric, by)
    answer = cluster.api("GET", source.path(query, at))
    found: dict[tuple[str, ...], Sample] = {}
    for sample in samples(answer, f"Prometheus {source.service}, query {metric}"):
        key = tuple(sample.labels.get(label, "") for label in by)
        if key in found:
            raise ClusterError(f"query {metric}: several series for {'/'.join(key)}: aggregate by $by alone: {query}")
        found[key] = sample
    return {key: sample for key, sample in found.items() if all(key)}


def samples(answer: Answer, what: str) -> list[Sample]:
    """The vector that an instant query is answered with. Raises ClusterError."""
    body: Mapping[str, Any] = answer.body if isinstance(answer.body, dict) else {}
    if body.get("status") == "error":
        raise ClusterError(f"{what}: {body.get('errorType')}: {' '.join(str(body.get('error')).split())[:300]}")
    data = body.get("data")
    if answer.status != 200 or body.get("status") != "success" or not isinstance(data, dict):
        raise ClusterError(f"{what}: no answer of a Prometheus, but {answer.status} {answer.message}"[:400])
    if data.get("resultType") != "vector" or not isinstance(data.get("result"), list):
        raise ClusterError(f"{what}: the result is a {data.get('resultType')}, not a vector")
    return [_sample(one, what) for one in data["result"]]


def _sample(one: Any, what: str) -> Sample:
    labels, value = (one.get("metric"), one.get("value")) if isinstance(one, dict) else (None, None)
    if not isinstance(labels, dict) or not isinstance(value, Sequence) or len(value) != 2:
        raise ClusterError(f"{what}: no sample: {one!r}"[:400])
    text = value[1]
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise ClusterError(f"{what}: no value of a sample: {value!r}"[:400])
    return Sample({str(name): str(word) for name, word in labels.items()}, text)
