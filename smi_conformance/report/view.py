"""What the page shows, computed: the template holds no arithmetic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from smi_conformance.report.build import GROUNDS, LEVELS
from smi_conformance.report.document import Count, Report, Row, Scenario
from smi_conformance.report.events import Bound, Evidence, Look
from smi_conformance.report.rows import AREAS
from smi_conformance.report.verdicts import WORDS, Status
from smi_conformance.report.words import tally

AREA_TITLES = {
    "api": "API surface",
    "access": "Traffic access control",
    "specs": "Traffic specs",
    "split": "Traffic split",
    "metrics": "Traffic metrics",
    "interplay": "Interplay",
}
ALWAYS: tuple[Status, ...] = ("pass", "fail", "blocked", "error")
CHART = (320.0, 96.0)
_CHARTED = frozenset({"shares", "detects", "n"})


@dataclass(frozen=True)
class Entry:
    """A row of the page."""

    row: Row
    anchor: str
    label: str
    scenarios: tuple[Scenario, ...]
    because: str | None
    """The reason, where it is short and the verdict needs it at once."""
    words: str
    """Lower case, for the search."""


@dataclass(frozen=True)
class Area:
    key: str
    title: str
    entries: tuple[Entry, ...]
    counts: dict[Status, int]


@dataclass(frozen=True)
class Bar:
    """One backend of a share: all shares from 0 to 1."""

    backend: str
    observed: float
    count: int
    expected: float | None
    band: tuple[float, float] | None
    """Beyond it, a deviation is found almost surely."""


@dataclass(frozen=True)
class Line:
    backend: str
    points: str


@dataclass(frozen=True)
class Chart:
    """Distance from the expected share, in points, at every look."""

    lines: tuple[Line, ...]
    reach: float
    """Points at the upper and lower edge."""
    band_top: float
    band_height: float
    last: int


@dataclass(frozen=True)
class Change:
    """Propagation of one kind of change over all scenarios, in seconds."""

    name: str
    times: int
    first: float | None
    stable: float | None
    slowest: float | None


@dataclass(frozen=True)
class During:
    """Requests of one steady client while something changed."""

    scenario: Scenario
    title: str
    sent: int
    lost: int
    misrouted: str


def areas(report: Report) -> list[Area]:
    """The judged rows by area; what this edition does not cover is listed elsewhere."""
    scenarios: dict[str, list[Scenario]] = {}
    for scenario in report.scenarios:
        scenarios.setdefault(scenario.nodeid, []).append(scenario)
    entries = [_entry(row, scenarios) for row in report.rows if row.verdict != "not-covered"]
    return [_area(key, [e for e in entries if e.row.area == key]) for key in _area_keys(entries)]


def uncovered(report: Report) -> list[Row]:
    return [row for row in report.rows if row.verdict == "not-covered"]


def columns(headline: Sequence[Count]) -> list[Status]:
    """Verdicts that the headline shows: the four that matter, and any other that occurs."""
    return [s for s in WORDS if s in ALWAYS or any(s in count.counts for count in headline)]


def levels(headline: Sequence[Count]) -> list[tuple[str, list[Count]]]:
    """The headline by level, empty combinations left out."""
    known = sorted({c.level for c in headline}, key=lambda level: place(LEVELS, level))
    return [
        (level, sorted((c for c in headline if c.level == level), key=lambda c: place(GROUNDS, c.ground)))
        for level in known
    ]


def bars(evidence: Evidence) -> list[Bar]:
    """Expected and observed share of each backend; empty when the evidence has no counts."""
    expected, bands = _shares(evidence), _bands(evidence)
    counts = evidence.looks[-1].counts if evidence.looks else {}
    total = sum(counts.values())
    if not total:
        return []
    return [
        Bar(name, counts.get(name, 0) / total, counts.get(name, 0), expected.get(name), bands.get(name))
        for name in {**expected, **counts}
    ]


def chart(evidence: Evidence) -> Chart | None:
    """The looks of a share as lines; None with fewer than two, or without expected shares."""
    expected, bands = _shares(evidence), _bands(evidence)
    looks = [look for look in evidence.looks if sum(look.counts.values())]
    if len(looks) < 2 or not expected:
        return None
    drift = {name: [(look.n, _drift(look, name, share)) for look in looks] for name, share in expected.items()}
    edges = [(edge - expected[name]) * 100 for name, band in bands.items() for edge in band]
    far = [abs(value) * 1.1 for line in drift.values() for _, value in line]
    reach = max([abs(edge) * 2 for edge in edges] + far) or 10.0
    upper, lower = max(edges, default=0.0), min(edges, default=0.0)
    top, bottom = (CHART[1] / 2 * (1 - edge / reach) for edge in (upper, lower))
    last = looks[-1].n
    lines = tuple(Line(name, _points(line, last, reach)) for name, line in drift.items())
    return Chart(lines, reach, round(top, 2), round(bottom - top, 2), last)


def numbers(evidence: Evidence) -> list[tuple[str, str]]:
    """What is left of the numbers once the bars have taken theirs."""
    charted = _CHARTED if bars(evidence) else frozenset()
    return [(key.replace("_", " "), _number(value)) for key, value in evidence.numbers.items() if key not in charted]


def changes(scenarios: Iterable[Scenario]) -> list[Change]:
    """Propagation times per kind of change."""
    found: dict[str, list[tuple[float | None, float | None]]] = {}
    for scenario in scenarios:
        for one in scenario.propagation:
            found.setdefault(one.change, []).append((one.first_effect, one.stable))
    return [_change(name, times) for name, times in sorted(found.items())]


def during(scenarios: Iterable[Scenario]) -> list[During]:
    """What became of requests that were sent while something changed; told, not judged."""
    told = ((scenario, one) for scenario in scenarios for one in scenario.evidence if one.kind == "told")
    return [_during(scenario, one) for scenario, one in told if _outcomes(one)]


def _during(scenario: Scenario, evidence: Evidence) -> During:
    counts = _outcomes(evidence)
    sent = sum(counts.values())
    return During(scenario, evidence.title, sent, sent - counts.get("answer", 0), _misrouted(evidence))


def _outcomes(evidence: Evidence) -> dict[str, int]:
    value = evidence.numbers.get("outcomes")
    return {name: count for name, count in value.items() if isinstance(count, int)} if isinstance(value, dict) else {}


def _misrouted(evidence: Evidence) -> str:
    value = evidence.numbers.get("misrouted")
    return str(value) if isinstance(value, int) else "-"


def overall(changes: Sequence[Change], scenarios: Iterable[Scenario]) -> list[Change]:
    """All changes together, where there is more than one kind."""
    times = [(one.first_effect, one.stable) for scenario in scenarios for one in scenario.propagation]
    return [_change("all changes", times)] if len(changes) > 1 else []


def omissions(report: Report) -> list[tuple[str, str, list[str]]]:
    """Outcome, reason, and the requirements whose scenarios leave it out."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for scenario in report.scenarios:
        for omit in scenario.omits:
            ids = found.setdefault((omit.outcome, omit.reason), {})
            ids.update(dict.fromkeys(one.id for one in scenario.requirements))
    return [(outcome, reason, list(ids)) for (outcome, reason), ids in found.items()]


def weakest_bound(report: Report) -> Bound | None:
    """The loosest bound on a leak in the report."""
    bounds = [one.bound for scenario in report.scenarios for one in scenario.evidence if one.bound]
    return max(bounds, key=lambda bound: (bound.value, -bound.confidence), default=None)


def reach(report: Report) -> tuple[float, float] | None:
    """The finest and the coarsest deviation that a share of this run fails with almost surely, in points."""
    shares = [one for scenario in report.scenarios for one in scenario.evidence if one.numbers.get("detects")]
    found = [
        abs(edge - _shares(one)[name]) * 100 for one in shares for name, band in _bands(one).items() for edge in band
    ]
    return (min(found), max(found)) if found else None


def label(row: Row) -> str:
    """The word of a row's verdict; an entry of level may is reported, not passed."""
    told = row.level == "may" and row.verdict in ("pass", "tentative-pass")
    return "reported" if told else WORDS[row.verdict].label


def clause_link(row: Row, commit: str | None) -> str | None:
    """Where the clause stands in the spec repository."""
    if not row.clause or not commit or not re.fullmatch(r"[0-9a-f]{40}", commit):
        return None
    return f"https://github.com/servicemeshinterface/smi-spec/blob/{commit}/{row.clause}"


def _entry(row: Row, scenarios: Mapping[str, Sequence[Scenario]]) -> Entry:
    own = tuple(scenario for nodeid in row.scenarios for scenario in scenarios.get(nodeid, ()))
    words = (row.requirement, row.version, row.level, row.ground, row.feature, label(row), row.statement)
    readings = (one.id for one in row.readings)
    text = " ".join([*words, row.reason or "", *readings, *(s.title for s in own)]).lower()
    return Entry(row, f"{row.requirement}-{row.version}", label(row), own, _because(row), text)


def _because(row: Row) -> str | None:
    if row.readings:
        return "; ".join(one.meaning for one in row.readings)
    told = row.level == "may" or row.verdict not in ("pass", "fail", "tentative-pass", "tentative-fail")
    short = row.reason is not None and len(row.reason) <= 160 and "\n" not in row.reason
    return row.reason if told and short else None


def _area(key: str, entries: list[Entry]) -> Area:
    return Area(key, AREA_TITLES.get(key, key), tuple(entries), tally(entry.row for entry in entries))


def _area_keys(entries: Iterable[Entry]) -> list[str]:
    return sorted({entry.row.area for entry in entries}, key=lambda key: (place(AREAS, key), key))


def _tolerance(evidence: Evidence) -> float:
    value = evidence.numbers.get("tolerance")
    return float(value) if isinstance(value, int | float) else 0.0


def _shares(evidence: Evidence) -> dict[str, float]:
    value = evidence.numbers.get("shares")
    if not isinstance(value, dict):
        return {}
    return {name: float(share) for name, share in value.items() if isinstance(share, int | float)}


def _bands(evidence: Evidence) -> dict[str, tuple[float, float]]:
    """Per backend the shares from which on a deviation is found; the second of two mirrors the first."""
    value = evidence.numbers.get("detects")
    pairs = value.items() if isinstance(value, dict) else ()
    found = {name: (float(edges[0]), float(edges[1])) for name, edges in pairs}
    names = list(_shares(evidence))
    if len(names) == 2 and list(found) == names[:1]:
        low, high = found[names[0]]
        found[names[1]] = (1 - high, 1 - low)
    return found


def _drift(look: Look, name: str, share: float) -> float:
    return (look.counts.get(name, 0) / sum(look.counts.values()) - share) * 100


def _points(line: Iterable[tuple[int, float]], last: int, reach: float) -> str:
    width, height = CHART
    return " ".join(f"{n / last * width:.1f},{height / 2 * (1 - value / reach):.1f}" for n, value in line)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, float | dict | list):
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    pairs = value.items() if isinstance(value, dict) else enumerate(value, 1)
    return ", ".join(f"{key}: {_number(item)}" for key, item in pairs)


def _change(name: str, times: Sequence[tuple[float | None, float | None]]) -> Change:
    first = [one for one, _ in times if one is not None]
    stable = [one for _, one in times if one is not None]
    return Change(
        name,
        len(times),
        median(first) if first else None,
        median(stable) if stable else None,
        max(stable) if stable else None,
    )


def place(order: Sequence[str], name: str) -> int:
    """For sorting: names that the order does not know come last."""
    return order.index(name) if name in order else len(order)
