"""Traffic metrics that come late: every ten seconds, over a window of thirty."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.proof.conftest import Run
from smi_conformance.meshes import profile

POSTURE = "patch: {data: {posture: deny}}"
SLOW = 'patch: {data: {posture: deny, metrics-window: "30", metrics-interval: "10"}}'


def test_a_slow_scrape_is_as_good(request: pytest.FixtureRequest, run: Run, tmp_path: Path) -> None:
    """Every scenario of traffic metrics passes; it takes a minute, so this is of the extended set."""
    if not request.config.getoption("--all-faults"):
        pytest.skip("of the extended set: give --all-faults")
    slow = tmp_path / "slow.yaml"
    text = (Path(profile.__file__).parent / "reference.yaml").read_text()
    assert POSTURE in text
    slow.write_text(text.replace(POSTURE, SLOW))

    finished = run("--mesh", str(slow), "--requirement", "TM-*")

    assert finished.code == 0, finished.wrong
