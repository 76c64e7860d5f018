"""The command line: `smi-conformance`. Only what a command needs is imported, so that help comes at once."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from smi_conformance.cli.app import execute  # noqa: PLC0415

    sys.exit(execute(sys.argv[1:]))
