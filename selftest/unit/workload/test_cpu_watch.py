"""How crowded the CPU is: what counts as waiting for it, and what does not."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from pathlib import Path

import cpu_watch
import pytest

from selftest.unit.workload import programs

ALONE = (0.0, 0.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("ran", "waited", "crowd", "found"),
    [
        (0.10, 0.00, 0.5, 1.0),
        (0.10, 1.90, 0.5, 20.0),
        (0.001, 0.005, 0.5, 1.0),  # too little work to tell
        (0.00, 0.00, 24.5, 12.5),  # nothing to do, where others wait for the CPU
        (0.10, 0.30, 39.5, 20.0),
    ],
)
def test_the_worse_of_two_figures_counts(ran: float, waited: float, crowd: float, found: float) -> None:
    """What this thread waited for the CPU, and how many per CPU want it: a mean of both ends."""
    assert cpu_watch.slowdown(ALONE, (1.0, ran, waited, crowd)) == pytest.approx(found)


def test_spans_of_a_kind_are_one() -> None:
    """A calm hour is one span; a crowded second stands out of it."""
    spans: list[list[float]] = []
    for second in range(100):
        cpu_watch.merge(spans, [float(second), 1.0, 20.0 if second == 50 else 1.2])

    assert [(at, seconds, round(slowdown, 6)) for at, seconds, slowdown in spans] == [
        (0.0, 50.0, 1.2),
        (50.0, 1.0, 20.0),
        (51.0, 49.0, 1.2),
    ]


def test_who_sleeps_does_not_wait_for_the_cpu() -> None:
    """An answer that does not come is no crowd: the kernel counts no sleep."""
    before = cpu_watch._account()
    time.sleep(1.0)
    after = cpu_watch._account()

    assert sum(after) - sum(before) < 0.5


def _spin(cpu: int, seconds: float) -> None:
    os.sched_setaffinity(0, {cpu})
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_who_shares_a_cpu_waits_for_it() -> None:
    """Beside five busy processes on the same CPU work takes several times as long, as the kernel counts it."""
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this kernel keeps no account of waiting for the CPU")
    cpu = min(os.sched_getaffinity(0))
    others = [multiprocessing.get_context("fork").Process(target=_spin, args=(cpu, 1.5)) for _ in range(5)]
    own = multiprocessing.get_context("fork").SimpleQueue()

    def measured() -> None:
        cpu_watch._opened.cache_clear()  # which holds the account of the process that has forked
        time.sleep(0.3)
        before = cpu_watch._look()
        _spin(cpu, 0.7)
        ran, waited = (after - first for after, first in zip(cpu_watch._look()[1:3], before[1:3], strict=True))
        own.put(1 + waited / ran)

    work = multiprocessing.get_context("fork").Process(target=measured)
    for one in (*others, work):
        one.start()
    for one in (work, *others):
        one.join()

    assert own.get() > 3


def test_the_agent_tells_of_the_time_that_a_batch_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the replies stand spans that cover the wait, and nothing that was told before; a stream's too."""
    monkeypatch.setattr(cpu_watch, "_account", lambda: (0.0, 0.0))
    monkeypatch.setattr(cpu_watch, "_crowd", lambda: 30.0)

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async def scenario() -> None:
        agent = programs.Agent(tmp_path)
        async with programs.misbehaving(silent) as port:
            step = {"protocol": "http", "host": "127.0.0.1", "port": port, "id": "q", "timeout": 0.6}
            answer = await programs.ask(agent, {"op": "traffic", "steps": [step]})
            ((outcome, _, _, _, took, sent_at, _),) = answer["replies"][0]
            ((at, seconds, slowdown),) = answer["cpu"]
            assert outcome == "timeout"
            assert at <= sent_at + 0.001
            assert at + seconds >= sent_at + took / 1000 - 0.001
            assert slowdown == 30.0

            await programs.ask(agent, {"op": "start", "stream": "s", "steps": [{**step, "id": "s", "timeout": 0.3}]})
            await asyncio.sleep(0.2)
            stopped = await programs.ask(agent, {"op": "stop", "stream": "s"})
            assert 0.2 <= sum(one[1] for one in stopped["cpu"]) < 5
        agent.close()

    programs.run(scenario())


def test_nobody_watches_for_long_when_there_is_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that rests costs nothing."""
    monkeypatch.setattr(cpu_watch, "EVERY", 0.01)
    monkeypatch.setattr(cpu_watch, "LINGER", 0.05)

    async def scenario() -> None:
        agent = programs.Agent(tmp_path)
        await programs.ask(agent, {"op": "resolve", "name": "localhost"})
        assert agent._cpu._timer
        while agent._cpu._timer:
            await asyncio.sleep(0.01)

    programs.run(scenario())


def test_a_system_that_tells_nothing_is_taken_for_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No account and no load: then a failure stays one."""

    def missing(path: str) -> list[str]:
        raise FileNotFoundError(path)

    monkeypatch.setattr(cpu_watch, "_words", missing)
    assert cpu_watch.slowdown(cpu_watch._look(), cpu_watch._look()) == 1.0
