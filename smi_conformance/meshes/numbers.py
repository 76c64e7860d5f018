"""Where the numbers of a mesh live that has no metrics API of its own, as a profile says it.

Either smi-metrics stands beside the mesh and serves the API for it, or there is a Prometheus and no API at all. What is
judged in this way is marked as judged by adapter and never passes.
"""

from __future__ import annotations

from string import Template
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import Field, StringConstraints, field_validator, model_validator

from smi_conformance.judge.metrics import COUNTS, PERCENTILES
from smi_conformance.meshes.recipe import Part
from smi_conformance.model.metrics.kinds import KINDS, SPLITS

NAMESPACE, NEEDED = "namespace", ("namespace", "pods", "deployments")
PLACEHOLDERS = ("by", "window")
METRICS = (*COUNTS, *PERCENTILES.values())
BY_NAME = {*KINDS} - {SPLITS, "namespaces"}

Label = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
Character = Annotated[str, StringConstraints(min_length=1, max_length=1)]
End = Literal["source", "destination"]
DESTINATION: tuple[End, ...] = ("destination",)
SOURCE: tuple[End, ...] = ("source",)
BOTH: tuple[End, ...] = ("destination", "source")


class ServicePort(Part):
    """A port of a Service, which the API server reaches as a proxy."""

    namespace: str
    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}:{self.port}"

    @property
    def path(self) -> str:
        """Where the API server passes requests on."""
        return f"/api/v1/namespaces/{self.namespace}/services/{self.name}:{self.port}/proxy"


class Labels(Part):
    """The labels by which series name who was called and who called: `namespace`, and kinds by their plural."""

    destination: dict[str, Label]
    source: dict[str, Label]

    @model_validator(mode="after")
    def _both_alike(self) -> Self:
        if self.destination.keys() != self.source.keys():
            raise ValueError("destination and source have to name the same kinds")
        if missing := [name for name in NEEDED if name not in self.source]:
            raise ValueError(f"no label for {missing[0]}; needed: {', '.join(NEEDED)}")
        if unknown := sorted(self.source.keys() - BY_NAME - {NAMESPACE}):
            raise ValueError(f"unknown kind {unknown[0]}; known: {NAMESPACE}, {', '.join(sorted(BY_NAME))}")
        return self

    def at(self, end: End, plural: str) -> tuple[str, ...]:
        """The labels that name an object: of its namespace, where it is in one, and of itself."""
        named: dict[str, str] = getattr(self, end)
        if plural == "namespaces":
            return (named[NAMESPACE],)
        return (named[NAMESPACE], named[plural]) if KINDS[plural].namespaced else (named[plural],)


class Prometheus(Part):
    """A Prometheus that scrapes the mesh. A query is PromQL with $by, labels to aggregate by, and $window."""

    source: Literal["prometheus"]
    service: ServicePort
    window: int = Field(default=30, ge=1, description="seconds that the numbers are of")
    unit: Literal["seconds", "milliseconds"] = Field(default="seconds", description="of the latencies")
    labels: Labels
    rewritten: dict[Character, str] = Field(default={}, description="characters of names to how the mesh writes them")
    queries: dict[str, str] = Field(description=f"PromQL of {', '.join(METRICS)}")

    @field_validator("queries")
    @classmethod
    def _placeholders_known(cls, queries: dict[str, str]) -> dict[str, str]:
        if unknown := [name for name in queries if name not in METRICS]:
            raise ValueError(f"unknown metric {unknown[0]}; known: {', '.join(METRICS)}")
        if missing := [name for name in COUNTS if name not in queries]:
            raise ValueError(f"no query for {missing[0]}")
        for name, text in queries.items():
            _check(name, Template(text))
        return queries

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that there are numbers of."""
        return (*(plural for plural in self.labels.source if plural != NAMESPACE), "namespaces")

    @property
    def mark(self) -> str:
        """What a report says beside everything that was judged by these numbers."""
        return f"metrics API absent; numbers read from Prometheus {self.service}"

    def by(self, plural: str, ends: tuple[End, ...]) -> tuple[str, ...]:
        """The labels that name the objects of a kind at these ends."""
        return tuple(label for end in ends for label in self.labels.at(end, plural))

    def query(self, metric: str, by: tuple[str, ...]) -> str:
        """The PromQL of a metric."""
        return Template(self.queries[metric]).substitute(by=", ".join(by), window=f"{self.window}s")

    def path(self, query: str, at: str = "") -> str:
        """The path at the API server that answers an instant query, as of some Unix time or of now."""
        return f"{self.service.path}/api/v1/query?query={quote(query, safe='')}" + (f"&time={at}" if at else "")

    def written(self, name: str) -> str:
        """A name as the labels have it."""
        return "".join(self.rewritten.get(character, character) for character in name)


def _check(metric: str, query: Template) -> None:
    if not query.is_valid():
        raise ValueError(f"{metric}: a $ stands alone; write $$ for the character")
    named = query.get_identifiers()
    known = " and ".join(f"${name}" for name in PLACEHOLDERS)
    if unknown := [name for name in named if name not in PLACEHOLDERS]:
        raise ValueError(f"{metric}: unknown placeholder ${unknown[0]}; known: {known}")
    if missing := [name for name in PLACEHOLDERS if name not in named]:
        raise ValueError(f"{metric}: ${missing[0]} is missing; a query holds {known}")


class SmiMetrics(Part):
    """smi-metrics beside the mesh: it serves metrics.smi-spec.io from the Prometheus of the mesh."""

    source: Literal["smi-metrics"]
    version: str
    adapter: Literal["linkerd", "istio"] = Field(description="which of its two sets of queries it is to use")
    chart: str = Field(description="what it is installed from")
    image: str
    prometheus: str = Field(description="the address that it has to be given")
    known: str = Field(description="what is known of this combination")

    @property
    def mark(self) -> str:
        """What a report says beside everything that was judged by these numbers."""
        return f"metrics API of the mesh absent; answered by smi-metrics {self.version}"


Numbers = Annotated[Prometheus | SmiMetrics, Field(discriminator="source")]
