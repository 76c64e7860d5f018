"""The agent's frames and the program as a whole."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftest.unit.workload.programs import Agent, ask, run, serving
from smi_conformance.judge.observation import Step
from smi_conformance.locations import WORKLOAD

GOOD = {"protocol": "http", "host": "127.0.0.1", "port": 1, "id": "q"}


def frames(*messages: Any) -> bytes:
    bodies = [message if isinstance(message, bytes) else json.dumps(message).encode() for message in messages]
    return b"".join(b"%d\n%s" % (len(body), body) for body in bodies)


def answers_to(data: bytes) -> list[dict[str, Any]]:
    """What the agent writes when it reads these bytes and then the end."""
    from traffic_agent import converse  # noqa: PLC0415
    from wire_format import read_frame  # noqa: PLC0415

    sink = io.BytesIO()
    asyncio.run(converse(Agent(Path("/nonexistent")), io.BytesIO(data), sink))
    sink.seek(0)
    return [json.loads(frame) for frame in iter(lambda: read_frame(sink), None)]


STEPS: list[Any] = [
    {},
    1,
    {**GOOD, "zork": 1},
    {**GOOD, "count": 10**9},
    {**GOOD, "port": True},
    {**GOOD, "concurrency": 0},
    {**GOOD, "timeout": 1e9},
    {**GOOD, "timeout": None},
    {**GOOD, "protocol": "icmp"},
    {**GOOD, "path": "/ HTTP/1.1\r\nx: y"},
    {**GOOD, "headers": [1]},
]
MESSAGES: list[Any] = [
    b"not json",
    b"\xff\xfe",
    *(1, [], {}),
    *({"op": op} for op in (3, "zork", "traffic", "resolve", "hello", "arrivals", "start")),
    {"op": "stop", "stream": "none"},
    {"op": "traffic", "steps": 3},
    {"op": "traffic", "steps": [GOOD] * 1001},
    *({"op": "traffic", "steps": [step]} for step in STEPS),
]


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_a_wrong_request_is_refused_in_one_line(message: Any) -> None:
    """And the agent goes on; also when there is no echo server to ask."""
    refused, alive = answers_to(frames(message, {"op": "resolve", "name": "localhost"}))

    assert refused["ok"] is False
    assert refused["error"]
    assert "\n" not in refused["error"]
    assert alive["ok"] is True


@pytest.mark.parametrize(
    "data", [b"x\n{}", b"12", b"99999999999\n", b"999999999\n", b"5\n{}", b"\n", b"-1\n{}", b"\x00" * 40]
)
def test_what_is_no_frame_is_refused_and_ends(data: bytes) -> None:
    """There is no telling where the next one begins."""
    (refused,) = answers_to(data)

    assert refused["ok"] is False


@given(st.binary(max_size=60))
def test_no_input_breaks_the_agent(data: bytes) -> None:
    """Whatever comes, it answers refusals or ends."""
    assert all(answer["ok"] is False for answer in answers_to(data))


def test_the_agent_takes_the_steps_of_the_judge() -> None:
    """Both sides know the same fields and the same defaults."""
    from traffic_agent import Step as AgentStep  # noqa: PLC0415

    step = Step("http", "web", 80, "q", headers=(("a", "b"),), rate=5.0, chunked=True, pool="p")
    there = AgentStep.parse(step.to_json())
    plain = AgentStep.parse(Step("tcp", "web", 80, "q").to_json())

    assert Step.from_json(vars(there)) == step
    assert Step.from_json(vars(plain)) == Step("tcp", "web", 80, "q")


def test_control_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    """Garbage on the control socket is answered, and the next asker is served."""

    async def exchange(data: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "workload.sock"))
        writer.write(data)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async def scenario() -> None:
        async with serving(tmp_path) as server:
            for data in (
                b"zork\n",
                b"9999999999999\n",
                b"5\n{}",
                b"3\nabc",
                b"4\nnull",
                frames({"op": "zork"}),
                b"x" * 99,
            ):
                assert b'"ok":false' in await exchange(data)
            assert await exchange(b"") == b""
            hello = await ask(Agent(tmp_path), {"op": "hello"})
            assert hello["boot"] == server.arrivals.boot

    run(scenario())


def test_the_program_serves_and_ends(tmp_path: Path) -> None:
    """As in a pod: ready when bound, agent by exec, gone at once on SIGTERM."""
    program = [sys.executable, "-S", "-E", str(WORKLOAD / "workload.py"), "--state", str(tmp_path)]
    server = subprocess.Popen([*program, "serve", "--http", "0", "--tcp", "0"])
    try:
        deadline = time.monotonic() + 10
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        done = subprocess.run(
            [*program, "agent"],
            input=frames({"op": "hello"}, {"op": "zork"}),
            capture_output=True,
            timeout=10,
            check=True,
        )
        server.terminate()

        assert b'"boot"' in done.stdout
        assert server.wait(5) == 0
        assert not list(WORKLOAD.glob("__pycache__/*.pyc")) or os.environ.get("PYTEST_CURRENT_TEST")
    finally:
        server.kill()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """The program ends and is never ready."""
    program = [
        sys.executable,
        str(WORKLOAD / "workload.py"),
        "--state",
        str(tmp_path),
        "serve",
        "--udp",
        "1,1",
    ]
    (tmp_path / "ready").touch()
    done = subprocess.run([*program[:-1], "70000"], capture_output=True, timeout=10, check=False)

    assert done.returncode == 2
    done = subprocess.run([*program[:-2], "--http", "18999,18999"], capture_output=True, timeout=10, check=False)
    assert done.returncode == 1
    assert b"Address already in use" in done.stderr
    assert not (tmp_path / "ready").exists()
