"""Answers that are held back, and requests over TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selftest.unit.workload.programs import Agent, run, send, serving


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [("80", 80, 2000), ("80@nobody", 0, 80), ("x", 0, 80), ("-5", 0, 80), ("9999999", 0, 80)],
)
def test_an_answer_is_held_back_as_asked(tmp_path: Path, asked: str, least: int, most: int) -> None:
    """Milliseconds, for one pod only where it is named; what is no number is none."""

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            step: dict[str, Any] = {"port": server.ports[0], "headers": [["x-smi-delay", asked]], "count": 2}
            for connection in ("new", "kept"):
                replies = await send(Agent(tmp_path), **step, id=f"q{connection}", connection=connection)
                assert [reply[0] for reply in replies] == ["answer", "answer"]
                assert all(least <= reply[4] < most for reply in replies)

    run(scenario())


def test_tls_to_a_port_that_has_none_is_no_status(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as server:
            (reply,) = await send(Agent(tmp_path), protocol="https", port=server.ports[0])
            assert reply[0] in ("reset", "closed", "altered", "timeout")
            assert reply[1] is None

    run(scenario())
