"""Sentences and numbers of a report, the same in the page and at the terminal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from smi_conformance.report.document import ProfileStatement, Report, Row
from smi_conformance.report.verdicts import WORDS, Status

STATEMENTS = {
    "conformant": "conformant",
    "not-conformant": "not conformant",
    "undecided": "not said",
    "not-claimed": "not claimed",
}

_SENTENCE = re.compile(r"(?s)(?P<title>.+?): got (?P<got>.+?); want (?P<want>.+?)\.(?:\s+(?P<next>[A-Z`].*))?")
_LABELS = re.compile(r"(?im)(?:^|(?<=[.;]\s))(got|want|next(?: step)?)\s*:\s*")


def subject(report: Report) -> str:
    """What was tested: the mesh and its version."""
    mesh = report.mesh
    version = mesh.version if mesh.version and mesh.version != "-" else ""
    return " ".join(part for part in (mesh.title or mesh.name, version) if part)


def tally(rows: Iterable[Row]) -> dict[Status, int]:
    """Rows per verdict, in the order of the legend, without zeros."""
    counts = Counter(row.verdict for row in rows)
    return {status: counts[status] for status in WORDS if counts[status]}


def tally_text(counts: dict[Status, int]) -> str:
    """As "9 passed, 2 failed"."""
    return ", ".join(f"{count} {WORDS[status].column}" for status, count in counts.items()) or "nothing"


def shown(report: Report) -> str:
    """What the run showed, as a clause."""
    judged = [row for row in report.rows if row.verdict not in ("not-covered", "not-run")]
    entries = len({row.requirement for row in judged})
    count = plural(entries, "requirement") + (f", {len(judged)} with their versions," if len(judged) > entries else "")
    found = tally_text(tally(judged))
    posture = "in both postures" if report.run.posture == "both" else f"at posture {report.run.posture}"
    return f"{count} judged on {subject(report)} {posture}" + (f": {found}" if judged else "")


def not_shown(report: Report) -> str:
    """What the run leaves open, as a clause."""
    counts = tally(report.rows)
    scope = report.scope
    left = (
        (counts.get("not-run", 0), "not reached before the run ended"),
        (scope.not_selected, "left out by the filter"),
        (counts.get("not-covered", 0), "without a scenario in this edition"),
        (scope.other_posture, "of the other posture"),
        (scope.other_version, "of other API versions"),
    )
    parts = [f"{count} {words}" for count, words in left if count]
    return f"nothing is said of {listed(parts)}" if parts else "no requirement is left open"


def conclusion(report: Report) -> str:
    """The profiles that are called conformant, or that none is, as a clause."""
    held = [named(profile) for profile in report.profiles if profile.statement == "conformant"]
    return f"conformant: {listed(held)}" if held else "no certification profile is called conformant"


def adapters(report: Report) -> list[str]:
    """What was not judged by an API of the mesh, a line for each place that numbers were read from."""
    counts = Counter(row.adapter for row in report.rows if row.adapter)
    return [f"{mark}: {plural(n, 'requirement')} judged by adapter, which no mesh passes" for mark, n in counts.items()]


def closing(report: Report, where: str) -> str:
    """One sentence: what was shown, what not, and where the report lies."""
    why = f" ({report.run.stopped})" if report.run.stopped else ""
    early = "" if report.run.complete else f"The run ended early{why}, with "
    return f"{early}{shown(report)}; {not_shown(report)}; {conclusion(report)}; the report is {where}"


def listed(parts: Sequence[str]) -> str:
    """As "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def sentence(clause: str) -> str:
    """The clause with a capital and a full stop."""
    return f"{clause[:1].upper()}{clause[1:]}."


def named(profile: ProfileStatement) -> str:
    """A profile with its versions."""
    versions = ", ".join(f"{group} {version}" for group, version in profile.versions.items())
    return f"{profile.name} ({versions})" if versions else profile.name


def sections(message: str) -> list[tuple[str | None, str]]:
    """A message cut into title, got, want and next; one unlabelled part when it has none of these."""
    told = _SENTENCE.fullmatch(message.strip())
    if told:
        labelled = ((name, told[name]) for name in ("got", "want", "next") if told[name])
        return [(None, told["title"]), *labelled]
    parts = _LABELS.split(message)
    if len(parts) < 3:
        return [(None, message.strip())]
    head = [(None, parts[0].strip())] if parts[0].strip() else []
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return [*head, *((label.lower().removesuffix(" step"), text.strip()) for label, text in pairs)]


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def percent(share: float) -> str:
    """A share with as many decimals as it needs: 75 %, 0.5 %."""
    return f"{share * 100:.3g} %" if share < 0.1 else f"{share * 100:.1f} %".replace(".0 %", " %")


def chance(value: float) -> str:
    """A small probability as a power of ten, a larger one in per cent."""
    if value >= 0.001 or value <= 0:
        return percent(value)
    mantissa, exponent = f"{value:.1e}".split("e")
    digits = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return f"{mantissa.removesuffix('.0')}\u00a0\u00d7\u00a010{str(int(exponent)).translate(digits)}"


def duration(seconds: float | None) -> str:
    """120 ms, 4.2 s, 3 min 20 s, 1 h 02 min."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def versions(api: Mapping[str, str | Sequence[str]]) -> Sequence[str]:
    """As ("access v1alpha2, v1alpha3", "split v1alpha4")."""
    listed = {group: [few] if isinstance(few, str) else few for group, few in api.items()}
    return [f"{group} {', '.join(few)}" for group, few in listed.items() if few]
