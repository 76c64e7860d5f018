"""The events of a run, and how they are read back.

A run appends one JSON object per line to `events.jsonl`. Fields and events that this edition does not know
are passed over, so an older reader can open a newer run. The last line may be cut off: the run was killed
while it wrote. A damaged line anywhere else means that the file was altered, and is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from smi_conformance.report.errors import ReportError
from smi_conformance.report.verdicts import Status, Verdict

_SURROGATES = re.compile("[\ud800-\udfff]")


def _none_is_empty(value: Any) -> Any:
    return {} if value is None else value


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Versions = dict[str, Annotated[tuple[str, ...], BeforeValidator(_several)]]
"""API group to versions; a single one may be written without a list."""


class Part(BaseModel):
    """Base of all parts: immutable, and open to fields of later editions."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


class Suite(Part):
    version: str
    commit: str | None = None


class RegisterId(Part):
    sha256: str | None = None
    spec_commit: str | None = None


class Claim(Part):
    claim: str
    """full, partial or none."""
    reason: str | None = None


class Deviation(Part):
    requirement: str
    text: str
    link: str | None = None


class Mesh(Part):
    name: str
    title: str | None = None
    version: str | None = None
    verified: str | None = None
    """Where and when the profile of this mesh was last seen to hold."""
    claims: Versions = {}
    """API group to the versions that the mesh claims to serve."""
    features: dict[str, Claim] = {}
    deviations: tuple[Deviation, ...] = ()
    """Departures known before the run. They change no verdict."""


class Node(Part):
    os: str | None = None
    arch: str | None = None
    kernel: str | None = None


class Crd(Part):
    name: str
    versions: tuple[str, ...] = ()
    sha256: str | None = None


class Cluster(Part):
    backend: str
    """embedded, kind, current, model or replay."""
    kubernetes: str | None = None
    node: Annotated[Node, BeforeValidator(_none_is_empty)] = Node()
    crds: tuple[Crd, ...] = ()
    images: dict[str, str | None] = {}
    """Image to the digest that ran."""


class RunStarted(Part):
    event: Literal["run-started"]
    time: str
    suite: Suite
    register_id: Annotated[RegisterId, BeforeValidator(_none_is_empty)] = Field(
        default=RegisterId(), validation_alias="register"
    )
    mesh: Mesh
    cluster: Cluster
    posture: str
    rigor: str
    profile: str | None = None
    """What `--mesh` named: a built-in profile or a file."""
    seed: int | None = None
    workers: int = 0
    api: Versions
    """API group to the versions under test."""
    faults: tuple[str, ...] = ()
    """Defects switched on in the mesh on purpose; a run with any says nothing about a real mesh."""
    filter: tuple[str, ...] = ()
    """Patterns that limited the run; empty: everything."""
    deadlines: dict[str, float] = {}
    """Seconds."""
    raised: tuple[str, ...] = ()
    """Deadlines above the default of the suite."""
    command: str | None = None
    who: str | None = None
    namespace_prefix: str = "smi"
    """How the names of the run's namespaces begin."""


class Planned(Part):
    nodeid: str
    requirements: tuple[str, ...]
    versions: dict[str, str] = {}
    """Requirement to the version at which the scenario judges it."""


class Uncovered(Part):
    id: str
    reason: str | None = None


class Plan(Part):
    """What was selected, known once collection is done. Optional; without it fewer rows can be told apart."""

    event: Literal["plan"]
    scenarios: tuple[Planned, ...] = ()
    uncovered: tuple[Uncovered, ...] = ()


class ScenarioStarted(Part):
    event: Literal["scenario-started"]
    time: str
    nodeid: str
    worker: str | None = None
    requirements: tuple[str, ...] = ()


class Judged(Part):
    id: str
    version: str
    verdict: Verdict
    reason: str | None = None
    evidence_at: str | None = None
    """The version that means the same and carries the full evidence, when this one was only checked lightly."""
    adapter: str | None = None
    """Where numbers were read that are no metrics API of the mesh. Nothing passes so."""


class Omission(Part):
    outcome: str
    reason: str


class Look(Part):
    n: int
    """Requests sent until this look."""
    counts: dict[str, int]
    """Arrivals per backend."""


class Bound(Part):
    confidence: float
    value: float
    """With this confidence, less than this share leaks."""


class Evidence(Part):
    kind: str
    title: str
    passed: bool
    text: str = ""
    numbers: dict[str, Any] = {}
    looks: tuple[Look, ...] = ()
    bound: Bound | None = None
    false_failure: float | None = None
    """Chance that a mesh that is right fails here."""


class Propagation(Part):
    change: str
    first_effect: float | None = None
    """Seconds from the API's answer to the first request that saw the change."""
    stable: float | None = None
    """Seconds until all requests of a window saw it."""


class ScenarioFinished(Part):
    event: Literal["scenario-finished"]
    time: str
    nodeid: str
    worker: str | None = None
    title: str = ""
    requirements: tuple[Judged, ...]
    versions: dict[str, str] = {}
    """API group to the version that its objects were written at."""
    light: bool = False
    """Whether a light check was made: fewer attempts, rough samples."""
    posture: str | None = None
    """Of the mesh meanwhile."""
    verdict: Verdict
    message: str | None = None
    details: str | None = None
    seconds: float = 0.0
    omits: tuple[Omission, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    propagation: tuple[Propagation, ...] = ()


class Note(Part):
    event: Literal["note"]
    time: str
    level: str = "info"
    text: str


class ExtraRow(Part):
    """A row that no scenario made: not covered, or left out before the run."""

    id: str
    version: str
    verdict: Status
    reason: str | None = None


def _rows(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else ()


class RunFinished(Part):
    event: Literal["run-finished"]
    time: str
    seconds: float
    interrupted: bool = False
    exit: int
    broken: str | None = None
    """What went wrong with the suite itself."""
    stopped: str | None = None
    """Why scenarios were left out that the run had selected: its time was over."""
    family_wise_false_failure: float | None = None
    rows: Annotated[tuple[ExtraRow, ...], BeforeValidator(_rows)] = ()


Event = RunStarted | Plan | ScenarioStarted | ScenarioFinished | Note | RunFinished

_KINDS: dict[str, type[Event]] = {
    "run-started": RunStarted,
    "plan": Plan,
    "scenario-started": ScenarioStarted,
    "scenario-finished": ScenarioFinished,
    "note": Note,
    "run-finished": RunFinished,
}


def read(path: Path) -> list[Event]:
    """The events of a file, in order. Raises ReportError when there is none to read or a line is damaged."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}") from error
    return list(parse(lines, str(path)))


def start(events: Iterable[Event]) -> RunStarted:
    """The run-started event. Raises ReportError when there is none."""
    found = next((event for event in events if isinstance(event, RunStarted)), None)
    if found is None:
        raise ReportError("the events hold no run-started: the run ended before it began")
    return found


def parse(lines: Iterable[bytes], origin: str) -> Iterator[Event]:
    """As `read`, of lines."""
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    last = numbered[-1][0] if numbered else 0
    for number, line in numbered:
        try:
            raw = _clean(json.loads(line.decode(errors="replace"), parse_constant=lambda _: None))
        except ValueError as error:
            if number == last:
                return
            raise ReportError(f"{origin}, line {number} is no JSON: the file was altered") from error
        event = _event(raw, f"{origin}, line {number}")
        if event:
            yield event


def _event(raw: Any, place: str) -> Event | None:
    if not isinstance(raw, dict) or "event" not in raw:
        raise ReportError(f"{place} is no event")
    kind = _KINDS.get(str(raw["event"]))
    if kind is None:
        return None
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ReportError(f"{place}: {raw['event']}: {field}: {first['msg']}") from error


def _clean(value: Any) -> Any:
    """Without lone surrogates, which JSON can carry and UTF-8 cannot."""
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
