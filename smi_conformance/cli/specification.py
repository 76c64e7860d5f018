"""Whether the register's quotations still stand in a copy of the specification.

An entry names a heading, the first words of the text it rests on, and that text's SHA-256; the head of
conformance/requirements.yaml says how it is computed. Text that was moved or changed is drift.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from smi_conformance.cli.problems import Problem

if TYPE_CHECKING:
    from smi_conformance.model.register import Requirement

_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")


@dataclass(frozen=True)
class Drift:
    """An entry whose ground is not where the register says."""

    requirement: str
    clause: str
    what: str


def drifts(entries: Sequence[Requirement], folder: Path) -> list[Drift]:
    """Those of the entries with a quotation that do not hold in the folder. Raises Problem when it is no copy."""
    quoted = [entry for entry in entries if entry.quote_sha256]
    if not any((folder / entry.clause.partition("#")[0]).is_file() for entry in quoted):
        raise Problem(f"{folder} is no copy of the specification: it has none of the files that the register quotes")
    found = ((entry, _problem(entry, folder)) for entry in quoted)
    return [Drift(entry.id, entry.clause, what) for entry, what in found if what]


def _problem(entry: Requirement, folder: Path) -> str | None:
    """What is wrong with an entry's quotation, or None."""
    name, _, heading = entry.clause.partition("#")
    try:
        sections = _sections(folder / name)
    except OSError:
        return "there is no such file"
    except UnicodeDecodeError:
        return "the file is not UTF-8 text"
    if heading not in sections:
        return "there is no such heading"
    starts = _starts(sections[heading], entry.quote_at or "")
    if not starts:
        return f"nothing under the heading starts with '{entry.quote_at}'"
    texts = (sections[heading][start:] for start in starts)
    fits = any(digest == entry.quote_sha256 for text in texts for digest in _digests(text))
    return None if fits else f"what starts with '{entry.quote_at}' has changed"


@cache
def _sections(path: Path) -> dict[str, str]:
    """The text under each heading, by the anchor of the heading; what is below its subheadings is part of it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    heads = list(_headings(lines))
    found: dict[str, str] = {}
    for place, (start, level, anchor) in enumerate(heads):
        end = next((line for line, other, _ in heads[place + 1 :] if other <= level), len(lines))
        found[anchor] = "\n".join(lines[start + 1 : end])
    return found


def _headings(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Line, level and anchor of each heading; a heading of the same text as an earlier one gets a number."""
    seen: dict[str, int] = {}
    code = False
    for number, line in enumerate(lines):
        code ^= bool(_FENCE.match(line))
        match = None if code else _HEADING.match(line)
        if match:
            anchor = re.sub(r"[^\w\- ]", "", match[2].lower()).replace(" ", "-")
            seen[anchor] = seen.get(anchor, -1) + 1
            yield number, len(match[1]), f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor


def _starts(text: str, words: str) -> list[int]:
    pattern = r"\s+".join(re.escape(word) for word in words.split())
    return [match.start() for match in re.finditer(pattern, text)] if pattern else []


def _digests(text: str) -> Iterator[str]:
    """The hash of every beginning of a text that does not end in white space."""
    digest = hashlib.sha256()
    for character in text.replace("\n", " "):
        digest.update(character.encode())
        if not character.isspace():
            yield digest.hexdigest()
