"""From a directory with events.jsonl to the reports beside it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from smi_conformance.locations import REGISTER
from smi_conformance.model.register import Register, load_register
from smi_conformance.report import build, events, html, json_report, junit, redact
from smi_conformance.report.document import Report
from smi_conformance.report.errors import ReportError

EVENTS = "events.jsonl"
_FORMATS: dict[str, Callable[[Report], str]] = {
    "report.json": json_report.render,
    "index.html": html.render,
    "junit.xml": junit.render,
}


def write_all(directory: Path, register: Register | None = None) -> Report:
    """Write report.json, index.html and junit.xml from the directory's events.jsonl.

    Each file is complete or absent. Raises ReportError when the events cannot be read or a file cannot be
    written.
    """
    report = build_from(directory, register)
    for name, render in _FORMATS.items():
        _write(directory / name, render(report))
    return report


def build_from(directory: Path, register: Register | None = None) -> Report:
    """The report of a directory's events, with names of clusters and people taken out; nothing is written."""
    found = build.build(events.read(directory / EVENTS), register or load_register(REGISTER))
    body = json_report.plain(found)
    return Report.model_validate(redact.redact(body, redact.table(body)))


def read(directory: Path) -> Report:
    """The report.json of a directory. Raises ReportError."""
    return read_file(directory / "report.json")


def read_file(path: Path) -> Report:
    """A report.json. Raises ReportError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ReportError(f"{path} cannot be read: {reason}") from error
    return json_report.parse(text, str(path))


def _write(path: Path, text: str) -> None:
    """Through a file beside it, so that a full disk leaves no half report."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror}") from error
