"""Options of the project's own tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


def skip_below(folder: Path, items: Sequence[pytest.Item], reason: str) -> None:
    """Skip the tests of a folder: they need what this machine was not told of."""
    for item in items:
        if folder in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-faults", action="store_true", help="try every fault switch, not one per requirement")
