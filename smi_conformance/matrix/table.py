"""The merged report: requirement and version down, cells across."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smi_conformance.matrix.plan import Cell
from smi_conformance.report import ReportError, publish
from smi_conformance.report.document import Report

SILENT = ("not-covered",)  # in every cell: nothing to show
STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:2em} table{border-collapse:collapse}
td,th{border:1px solid #ccc;padding:2px 8px;text-align:left} thead th{position:sticky;top:0;background:#fff}
.pass{background:#e2f4e2} .fail,.error{background:#fbdcdc} .blocked{background:#fdeccf}
"""


@dataclass(frozen=True)
class Column:
    """A cell and the report it came to; without one, why there is none."""

    cell: Cell
    report: Report | None
    missing: str = ""

    @property
    def exit(self) -> int:
        """The exit code of its run; 3 where there is no report, for nothing is known of the mesh."""
        return 3 if self.report is None or self.report.run.exit is None else int(self.report.run.exit)


def columns(cells: Sequence[Cell], folder: Path) -> list[Column]:
    """What the runs of the cells left in the folder."""
    return [_column(cell, folder / cell.name) for cell in cells]


def _column(cell: Cell, folder: Path) -> Column:
    try:
        return Column(cell, publish.read(folder))
    except ReportError as error:
        return Column(cell, None, str(error))


def verdict(made: Sequence[Column]) -> int:
    """The exit code of the whole: 3 where a cell has no verdict of its mesh, else 1 where a mesh did not pass."""
    codes = {column.exit for column in made}
    return next((code for code in (130, 3, 2, 1) if code in codes), 0)


def rows(made: Sequence[Column]) -> dict[tuple[str, str], list[str]]:
    """(Requirement, version) to a verdict for each column; a row that no cell judged is left out."""
    found = [_verdicts(column.report) for column in made]
    keys = dict.fromkeys(key for one in found for key in one)
    table = {key: [one.get(key, "no report" if not one else "no row") for one in found] for key in keys}
    return {key: row for key, row in table.items() if any(one not in SILENT for one in row)}


def _verdicts(report: Report | None) -> Mapping[tuple[str, str], str]:
    return {(row.requirement, row.version): row.verdict for row in report.rows} if report else {}


def write(made: Sequence[Column], folder: Path) -> None:
    """matrix.json and matrix.html. Raises OSError."""
    table = rows(made)
    (folder / "matrix.json").write_text(json.dumps(_object(made, table), indent=1) + "\n", encoding="utf-8")
    (folder / "matrix.html").write_text(_page(made, table), encoding="utf-8")


def _object(made: Sequence[Column], table: Mapping[tuple[str, str], list[str]]) -> dict[str, Any]:
    cells = [
        {"name": one.cell.name, "mesh": one.cell.mesh, "version": one.cell.version, "kubernetes": one.cell.kubernetes,
         "exit": one.exit, "missing": one.missing or None}
        for one in made
    ]  # fmt: skip
    names = [one.cell.name for one in made]
    told = [
        {"requirement": key[0], "version": key[1], "verdicts": dict(zip(names, row, strict=True))}
        for key, row in table.items()
    ]
    return {"exit": verdict(made), "cells": cells, "rows": told}


def _page(made: Sequence[Column], table: Mapping[tuple[str, str], list[str]]) -> str:
    head = "".join(_head(one) for one in made)
    body = "".join(
        f"<tr><th>{html.escape(key[0])}</th><td>{html.escape(key[1])}</td>{''.join(map(_cell, row))}</tr>\n"
        for key, row in table.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>SMI conformance: matrix</title><style>{STYLE}'
        f"</style><h1>SMI conformance: {len(made)} cells</h1><p>Each column is a run on a cluster of its own; its head "
        f"leads to the report with the evidence.</p><table><thead><tr><th>requirement</th><th>version</th>{head}</tr>"
        f"</thead><tbody>\n{body}</tbody></table></html>\n"
    )


def _head(one: Column) -> str:
    name, title = html.escape(one.cell.name), html.escape(one.cell.title)
    if one.report is None:
        return f"<th>{title}<br>no report: {html.escape(one.missing)}</th>"
    return f'<th><a href="{name}/index.html">{title}</a><br>exit {one.exit}</th>'


def _cell(word: str) -> str:
    return f'<td class="{html.escape(word)}">{html.escape(word)}</td>'


def as_text(made: Sequence[Column]) -> str:
    """One line for each cell."""
    return "\n".join(f"exit {one.exit}  {one.cell.title}  {one.missing}".rstrip() for one in made)
