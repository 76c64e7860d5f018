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

    def __str__(self) -> str:
        return f"{self.requirement} {self.version}: {self.before or 'no row'} -> {self.after or 'no row'}"


_RANKS = {"unsupported": 1, "not-covered": 1, "skipped": 2, "not-run": 2, "blocked": 3, "fail": 3, "error": 4}


def worse(change: Difference) -> bool:
    """Whether a change takes something away: from passed to not judged, to not passed, to could not be judged.

    What was not judged before and now fails is worse as well. Verdicts outside the score neither give nor take.
    """
    before, after = (_RANKS.get(one or "not-covered", 0) for one in (change.before, change.after))
    return after > before


def differences(before: Report, after: Report) -> list[Difference]:
    """In the order of the first report; rows that only the second has come last."""
    old, new = _verdicts(before.rows), _verdicts(after.rows)
    keys = [*old, *(key for key in new if key not in old)]
    return [Difference(*key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def _verdicts(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    return {(row.requirement, row.version): row.verdict for row in rows}
