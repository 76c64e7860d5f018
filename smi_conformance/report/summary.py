"""What a person reads at the terminal when a run ends."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from smi_conformance.report import view, words
from smi_conformance.report.build import LEVELS
from smi_conformance.report.document import Report, Row
from smi_conformance.report.verdicts import WORDS, Status

STYLES: dict[Status, str] = {
    "pass": "green",
    "fail": "bold red",
    "blocked": "yellow",
    "error": "bold magenta",
    "skipped": "cyan",
    "unsupported": "dim",
    "tentative-pass": "blue",
    "tentative-fail": "blue",
    "not-run": "yellow",
    "not-covered": "dim",
}

HEADS: dict[Status, str] = {
    "unsupported": "unsup-\nported",
    "tentative-pass": "tent.\npass",
    "tentative-fail": "tent.\nfail",
}
"""For a terminal of 80 columns."""


def show(report: Report, directory: Path, console: Console) -> None:
    """Print the counts per area and level, the profiles that matter, and one closing sentence."""
    console.print()
    console.print(counts(report))
    for line in _profiles(report):
        console.print(line)
    for text in words.adapters(report):
        console.print(Text(text, style="yellow"), soft_wrap=True)
    console.print()
    console.print(Text(words.closing(report, str(directory / "index.html"))), soft_wrap=True)


def counts(report: Report) -> Table:
    """Rows per area and level against verdicts, where anything was judged."""
    shown = view.columns(report.headline)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("area")
    table.add_column("level")
    for status in shown:
        table.add_column(HEADS.get(status, WORDS[status].column.replace(" ", "\n")), justify="right")
    last = None
    for area, level, rows in _groups(report.rows):
        table.add_row("" if area == last else area, level, *_cells(rows, shown))
        last = area
    return table


def _groups(rows: Iterable[Row]) -> list[tuple[str, str, list[Row]]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.area, row.level), []).append(row)
    order = list(view.AREA_TITLES)
    keys = sorted(found, key=lambda key: (view.place(order, key[0]), view.place(LEVELS, key[1])))
    return [(*key, found[key]) for key in keys if any(row.verdict != "not-covered" for row in found[key])]


def _cells(rows: Iterable[Row], shown: Iterable[Status]) -> list[Text]:
    found = words.tally(rows)
    return [Text(str(found[s]), style=STYLES[s]) if s in found else Text("·", style="dim") for s in shown]


def _profiles(report: Report) -> list[Text]:
    """Profiles of which something can be said; those that the mesh does not claim are not listed."""
    claimed = [profile for profile in report.profiles if profile.statement != "not-claimed"]
    return [
        Text.assemble(
            (f"{words.named(profile)}: ", "bold"),
            words.STATEMENTS[profile.statement],
            f" ({profile.passed} of {profile.required} core musts passed)",
            style="green" if profile.statement == "conformant" else "",
        )
        for profile in claimed
    ]
