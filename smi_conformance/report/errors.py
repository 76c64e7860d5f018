"""What can go wrong with a report."""

from __future__ import annotations


class ReportError(Exception):
    """A report cannot be read or written. Its text is one line for the person at the terminal."""
