"""Workers, and what is left to one process because it may disturb them."""

from __future__ import annotations

import json

from selftest.proof.conftest import Run


def test_the_mesh_is_turned_when_the_workers_are_done(run: Run) -> None:
    """What needs the permissive posture is judged in it, by the process that the user started."""
    done = run("-n", "2", "--posture", "both", "--requirement", "SP-024", "--requirement", "TA-01[01]")
    assert done.code == 0, done.output
    assert {name: verdict for name, verdict in done.verdicts.items() if verdict != "not-run"} == {
        "SP-024": "pass",
        "TA-010": "pass",
        "TA-011": "pass",
    }
    events = [json.loads(line) for line in (done.folder / "events.jsonl").read_text().splitlines()]
    judged = [event for event in events if event["event"] == "scenario-finished"]
    assert [(event["posture"], event["worker"]) for event in judged[-1:]] == [("permissive", "main")]
    assert {event["posture"] for event in judged[:-1]} == {"deny"}
    assert {event["worker"] for event in judged[:-1]} <= {"gw0", "gw1"}
    assert [len(event["scenarios"]) for event in events if event["event"] == "plan"] == [len(judged) - 1, 1]
