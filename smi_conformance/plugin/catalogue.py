"""The scenarios of this version, without running any."""

from __future__ import annotations

import contextlib
import io

import pytest

from smi_conformance.locations import CONFORMANCE, SUITE
from smi_conformance.plugin.scenario import Scenario, scenario_of


class _Collector:
    def __init__(self) -> None:
        self.found: list[Scenario] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.found = [scenario_of(item) for item in session.items]


def scenarios() -> list[Scenario]:
    """Every scenario of both postures, once for each version and parameter set. Raises pytest.UsageError when
    collection fails.
    """
    collector = _Collector()
    argv = [str(CONFORMANCE), f"--rootdir={SUITE}", f"--confcutdir={SUITE}", "--collect-only", "-q"]
    # By a pattern that fits everything: a list is of use also while uncovered.yaml is behind the scenarios.
    argv += ["--api=all", "--posture=both", "--requirement=*"]
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        status = pytest.main(argv, plugins=[collector])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        told = [line for line in shown.getvalue().splitlines() if line.startswith(("ERROR", "E "))]
        raise pytest.UsageError(f"the scenarios cannot be collected: {' '.join(told) or shown.getvalue()[-2000:]}")
    return collector.found
