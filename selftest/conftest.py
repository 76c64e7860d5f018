"""Options of the project's own tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-faults", action="store_true", help="try every fault switch, not one per requirement")
    parser.addoption("--whole-suite", action="store_true", help="judge each fault of the model by the whole suite")
