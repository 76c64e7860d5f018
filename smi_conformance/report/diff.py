"""Two reports of the same requirements: where their verdicts differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from smi_conformance.report.document import Report, Row


class Difference(NamedTuple):
    """A row whose verdict is not the same in both; None where a report does not have it."""

    requirement: str
    version: str
    before: str | None
    after: str | None


def differences(before: Report, after: Report) -> list[Difference]:
    """In the order of the first report; rows that only the second has come last."""
    old, new = _verdicts(before.rows), _verdicts(after.rows)
    keys = [*old, *(key for key in new if key not in old)]
    return [Difference(*key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def _verdicts(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    return {(row.requirement, row.version): row.verdict for row in rows}
