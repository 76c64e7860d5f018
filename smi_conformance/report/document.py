"""The report as a document: what `report.json` holds, and what every other format is made from.

`reports/report.schema.json` is this model as JSON Schema. A change that an existing reader cannot pass over
needs a new number in `SCHEMA`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from smi_conformance.report.events import (
    Cluster,
    Deviation,
    Evidence,
    Judged,
    Mesh,
    Omission,
    Part,
    Propagation,
    RegisterId,
    Suite,
    Versions,
)
from smi_conformance.report.verdicts import Status

SCHEMA: Final = 2
SCHEMA_ID = "https://github.com/servicemeshinterface/smi-conformance/reports/report.schema.json"

Statement = Literal["conformant", "not-conformant", "undecided", "not-claimed"]


class Run(Part):
    """When, how and with what the run was made."""

    started: str
    finished: str | None = None
    seconds: float | None = None
    complete: bool
    """False: the run ended early, so what is missing was not judged."""
    interrupted: bool
    broken: str | None = None
    """What went wrong with the suite itself."""
    stopped: str | None = None
    """Why scenarios were left out that the run had selected: its time was over."""
    exit: int | None = None
    posture: str
    rigor: str
    seed: int | None = None
    workers: int
    api: Versions
    """API group to the versions under test."""
    faults: tuple[str, ...] = ()
    """Defects switched on in the mesh on purpose."""
    filter: tuple[str, ...] = ()
    """Patterns that limited the run; empty: everything."""
    deadlines: dict[str, float]
    """Seconds."""
    raised: tuple[str, ...] = ()
    """Deadlines above the default of the suite."""
    command: str | None = None
    """Repeats the run. Names of clusters, registries and people are taken out."""
    who: str | None = None


class Statistics(Part):
    """How sure the statistical verdicts are."""

    judgements: int
    """Statistical judgements made."""
    family_wise_false_failure: float | None = None
    """Chance that a mesh that is right fails at least one of them."""


class Count(Part):
    """Rows of one level and ground, by verdict."""

    level: str
    ground: str
    counts: dict[Status, int]


class ProfileStatement(Part):
    """What may be said of one certification profile, and why."""

    name: str
    versions: dict[str, str]
    """API group to the version that the statement is about."""
    features: tuple[str, ...]
    statement: Statement
    required: int
    """Core musts that count: settled, and in force at these versions."""
    passed: int
    tentative: int
    """Core musts outside the score."""
    reasons: tuple[str, ...] = ()
    """Why the profile is not called conformant."""


class Reading(Part):
    """How the mesh reads something that the specification leaves open."""

    id: str
    meaning: str


class Row(Part):
    """One requirement at one version: the worst that any of its scenarios found."""

    requirement: str
    version: str
    area: str
    group: str
    level: str
    ground: str
    state: str
    tentative: bool
    """Outside the score at this version."""
    posture: str
    feature: str
    core: bool
    statement: str
    clause: str | None = None
    verdict: Status
    reason: str | None = None
    scenarios: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
    """Level may: what the mesh was seen to do, of what the register names; several where clients saw several."""
    evidence_at: str | None = None
    """The version that means the same and carries the full evidence, when this one was only checked lightly."""
    adapter: str | None = None
    """Where numbers were read that are no metrics API of the mesh. Nothing passes so."""
    claimed: bool
    """Whether the mesh claims this version of the API group."""
    deviation: Deviation | None = None
    """A departure that was known before the run."""


class Scenario(Part):
    """One execution of a test, with its evidence."""

    nodeid: str
    title: str
    area: str
    worker: str | None = None
    finished: bool
    verdict: Status
    seconds: float | None = None
    requirements: tuple[Judged, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    """API group to the version that its objects were written at."""
    light: bool = False
    """Whether a light check was made: fewer attempts, rough samples."""
    posture: str | None = None
    """Of the mesh meanwhile."""
    message: str | None = None
    details: str | None = None
    omits: tuple[Omission, ...] = ()
    """Outcomes that the requirement allows for and that this scenario does not look at."""
    evidence: tuple[Evidence, ...] = ()
    propagation: tuple[Propagation, ...] = ()


class Scope(Part):
    """Register entries without a row, counted by why."""

    not_selected: int = 0
    """Left out by the filter."""
    other_version: int = 0
    """Not in force at the versions under test."""
    other_posture: int = 0
    """Asks for the other posture."""


class Message(Part):
    """A remark of the run."""

    time: str
    level: str
    text: str


class Report(Part):
    """The result of one run of the SMI conformance suite."""

    schema_: Annotated[Literal[2], Field(alias="schema", description="Version of this format.")] = SCHEMA
    suite: Suite
    register_id: Annotated[
        RegisterId,
        # Two aliases: with a plain one, a type checker would not know the field by its own name.
        Field(
            validation_alias="register",
            serialization_alias="register",
            description="What was judged against.",
        ),
    ]
    mesh: Mesh
    cluster: Cluster
    run: Run
    statistics: Statistics
    profiles: tuple[ProfileStatement, ...]
    headline: tuple[Count, ...]
    rows: tuple[Row, ...]
    scenarios: tuple[Scenario, ...]
    scope: Scope
    notes: tuple[Message, ...] = ()


def json_schema() -> dict[str, Any]:
    """The format as JSON Schema, Draft 2020-12."""
    body = Report.model_json_schema(by_alias=True, mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return head | body
