"""index.html: one page that asks the network for nothing.

Everything that a mesh or a cluster can put into a report is escaped, control characters are made visible, and
the page's own policy lets no script run but the one it was written with.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from smi_conformance.report import view, words
from smi_conformance.report.document import Report
from smi_conformance.report.verdicts import WORDS

# C0 and C1 controls, and the characters that reorder text: what a reader could not see.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe\uffff]"
)
_LONGEST = 20_000


def render(report: Report) -> str:
    """The page."""
    style, script = _file("style.css"), _file("script.js")
    areas, changes = view.areas(report), view.changes(report.scenarios)
    return (
        _environment()
        .get_template("index.html")
        .render(
            report=report,
            areas=areas,
            uncovered=view.uncovered(report),
            columns=view.columns(report.headline),
            levels=view.levels(report.headline),
            changes=changes,
            overall=view.overall(changes, report.scenarios),
            during=view.during(report.scenarios),
            omissions=view.omissions(report),
            weakest=view.weakest_bound(report),
            reach=view.reach(report),
            linked=_linker({entry.row.requirement: entry.anchor for area in areas for entry in area.entries}),
            style=Markup(style),  # noqa: S704  files of this package
            script=Markup(script),  # noqa: S704
            policy=_policy(style, script),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("smi_conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(view=view, words=words, verdicts=WORDS, chart_size=view.CHART)
    environment.filters.update(
        percent=words.percent,
        chance=words.chance,
        duration=words.duration,
        safe_link=_safe_link,
        shorten=_shorten,
        moment=_moment,
        together=_together,
    )
    return environment


@cache
def _file(name: str) -> str:
    return (resources.files("smi_conformance.report") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _visible(value: Any) -> Any:
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", value)


def _linker(anchors: dict[str, str]) -> Callable[[str], Markup]:
    """Makes links of the requirement ids in a text; all else of it is escaped."""

    def linked(text: str) -> Markup:
        parts = re.split(r"\b([A-Z]{2,4}-\d{3})\b", str(_visible(text)))
        return Markup("").join(
            _identifier(part, anchors.get(part)) if place % 2 else escape(part) for place, part in enumerate(parts)
        )

    return linked


def _identifier(name: str, anchor: str | None) -> Markup:
    if anchor is None:
        return Markup('<span class="keep">{}</span>').format(name)
    return Markup('<a class="keep" href="#{}">{}</a>').format(anchor, name)


def _together(text: str) -> str:
    """With each number on the line of its word."""
    return re.sub(r"(?<=\d) (?=[a-z])", "\u00a0", text)


def _safe_link(url: str | None) -> str | None:
    """The address when a click on it can only open a page."""
    return url if url and re.match(r"https?://[^\s]+$", url) else None


def _shorten(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}\n[{len(text) - _LONGEST} more characters in report.json]"


def _moment(time: str | None) -> str:
    """An ISO time as a person reads it; what does not parse stays as it is."""
    found = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(Z|\+00:00)?", time or "")
    return f"{found[1]} {found[2]}{' UTC' if found[3] else ''}" if found else (time or "-")
