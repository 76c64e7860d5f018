"""Events of a run, to report.json, index.html and junit.xml.

`write_all` makes the files, `summarize` prints the table that ends a run. Both import what they need when
called, so that a plugin that only loads this package pays nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from smi_conformance.report.errors import ReportError

if TYPE_CHECKING:
    from smi_conformance.model.register import Register
    from smi_conformance.report.document import Report

__all__ = ["ReportError", "summarize", "write_all"]


def write_all(directory: Path, register: Register | None = None) -> Report:
    """Write report.json, index.html and junit.xml from the directory's events.jsonl. Raises ReportError."""
    from smi_conformance.report import publish  # noqa: PLC0415

    return publish.write_all(directory, register)


def summarize(directory: Path) -> None:
    """Print the summary of the directory's report.json. Raises ReportError when there is none to read."""
    from rich.console import Console  # noqa: PLC0415

    from smi_conformance.report import publish, summary  # noqa: PLC0415

    summary.show(publish.read(directory), directory, Console())
