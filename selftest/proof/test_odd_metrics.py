"""Whatever a metrics server answers: it is judged, and the suite neither breaks nor hangs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from selftest.proof.conftest import command

CHOSEN = ("TM-010", "TM-012", "TM-022", "TM-035", "TM-038", "TM-080")
FAIL, PASS, BLOCKED = "fail", "pass", "blocked"
LONGEST = 150  # seconds


@pytest.mark.parametrize(
    ("switch", "expected"),
    [
        ("absent", {"TM-010": "tentative-fail", **dict.fromkeys(CHOSEN[1:], BLOCKED)}),
        ("no-endpoints", {"TM-010": "tentative-fail", **dict.fromkeys(CHOSEN[1:], BLOCKED)}),
        ("server-error", {"TM-012": PASS, "TM-022": FAIL, "TM-035": FAIL, "TM-038": FAIL, "TM-080": FAIL}),
        ("html", {"TM-012": PASS, "TM-022": FAIL, "TM-035": FAIL, "TM-038": FAIL, "TM-080": FAIL}),
        ("html-discovery", {"TM-012": FAIL, "TM-022": FAIL, "TM-035": FAIL}),
        ("not-a-number", {"TM-012": PASS, "TM-035": FAIL}),
        ("negative", {"TM-035": FAIL}),
        ("empty-objects", {"TM-022": FAIL, "TM-035": FAIL, "TM-038": FAIL}),
        ("clock", {"TM-022": PASS, "TM-035": PASS, "TM-038": FAIL}),
        ("thousands", {"TM-022": PASS, "TM-035": PASS, "TM-038": PASS}),
    ],
)
def test_odd_answers_are_judged(tmp_path: Path, switch: str, expected: dict[str, str]) -> None:
    """No verdict is an error, and each message is one line without a traceback."""
    chosen = [word for name in CHOSEN for word in ("--requirement", name)]
    argv = command("run", "--cluster", "model", "--report", str(tmp_path), module="selftest.proof.odd_metrics")
    argv += ["--fault", f"PLANTED/{switch}", *chosen]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LONGEST, check=False)
    rows = {row["requirement"]: row for row in json.loads((tmp_path / "report.json").read_text())["rows"]}
    seen = {name: rows[name]["verdict"] for name in CHOSEN}
    assert {name: seen[name] for name in expected} == expected, done.stdout
    assert "error" not in seen.values(), done.stdout
    assert "Traceback" not in done.stdout + done.stderr
