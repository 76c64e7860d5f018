"""The verdicts: their order, their words, and what each one means to a reader."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Verdict = Literal["pass", "fail", "blocked", "unsupported", "skipped", "tentative-pass", "tentative-fail", "error"]
Status = Literal[
    "pass",
    "fail",
    "blocked",
    "unsupported",
    "skipped",
    "tentative-pass",
    "tentative-fail",
    "error",
    "not-run",
    "not-covered",
]
"""Of a row: a verdict, or why there is none."""


class Words(NamedTuple):
    """How a status is written: in a row, at the head of a column, and in the legend."""

    label: str
    column: str
    meaning: str


WORDS: dict[Status, Words] = {
    "pass": Words("pass", "passed", "Observed as the requirement says."),
    "fail": Words("fail", "failed", "Observed otherwise, while the witness proved that the path worked."),
    "blocked": Words("blocked", "blocked", "A requirement that this one stands on failed. Counts as not passed."),
    "error": Words(
        "error",
        "error",
        "The suite could not judge: cluster, image, DNS or lost evidence. Never held against the mesh; "
        "no profile is called conformant with one.",
    ),
    "skipped": Words("skipped", "skipped", "Left out, with a reason. No profile is called conformant with one."),
    "unsupported": Words("unsupported", "unsupported", "Declared before the run as not offered by the mesh."),
    "tentative-fail": Words(
        "tentative fail",
        "tentative fail",
        "Not observed, but the text is unreleased or unclear. Outside the score.",
    ),
    "tentative-pass": Words(
        "tentative pass",
        "tentative pass",
        "Observed, but the text is unreleased or unclear, or numbers were read by an adapter. Outside the score.",
    ),
    "not-run": Words("not run", "not run", "Selected, but the run ended before it was judged."),
    "not-covered": Words(
        "not covered", "not covered", "This edition of the suite has no scenario for it: nothing is claimed."
    ),
}
"""In the order in which a report lists them."""

WORST_FIRST: tuple[Status, ...] = (
    "error",
    "fail",
    "blocked",
    "tentative-fail",
    "skipped",
    "not-run",
    "unsupported",
    "tentative-pass",
    "pass",
    "not-covered",
)
"""A row judged by several scenarios takes the first of these. `not-covered` never meets another."""

NOT_PASSED: frozenset[Status] = frozenset({"fail", "blocked"})
OUTSIDE_THE_SCORE: frozenset[Status] = frozenset({"tentative-pass", "tentative-fail"})


def worst(statuses: Iterable[Status]) -> Status:
    """The one that a row takes; ValueError when there is none."""
    return min(statuses, key=WORST_FIRST.index)
