"""How crowded the CPU is while a pod works: what was late because the machine was full says nothing about a mesh.

Only waiting for the CPU counts, as the kernel accounts it. Whoever waits for an answer that does not come waits for no
CPU, so no mesh looks like a full machine by losing packets.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable
from functools import cache

EVERY = 0.25  # seconds between two looks while there is work
LINGER = 1.0  # seconds after the last work: between two batches of one wait there is a quarter of that
ENOUGH = 0.01  # seconds on or before the CPU from which a span tells how long this process had to wait for it
MOST = 4000  # spans that are kept until they are told
Span = list[float]  # [Unix time of its begin, seconds, how many times slower the CPU was]


class CpuWatch:
    """Notes in spans how many times slower than alone on the machine a process that needs the CPU runs: 1 or more.

    It is the greater of two figures: the kernel's account of this thread, which had the CPU or waited for it; and the
    processes per CPU that want to run, for one that does little is let through soon where others wait for long.
    """

    def __init__(self, at_work: Callable[[], bool]) -> None:
        self._at_work = at_work
        self._spans: list[Span] = []
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0

    def attend(self) -> None:
        """Watch from now on, until there is no work any more and a little longer."""
        self._until = time.monotonic() + LINGER
        if self._timer is None:
            self._last = _look()
            self._rearm()

    def told(self) -> list[Span]:
        """The spans since this was asked last."""
        if self._timer is not None:
            self._note()
        spans, self._spans = self._spans, []
        return [[round(at, 3), round(seconds, 3), round(slowdown, 1)] for at, seconds, slowdown in spans]

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _rearm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._tick)

    def _tick(self) -> None:
        self._note()
        if self._at_work() or time.monotonic() < self._until:
            self._rearm()
        else:
            self._timer = None

    def _note(self) -> None:
        before, self._last = self._last, _look()
        seconds = self._last[0] - before[0]
        merge(self._spans, [time.time() - seconds, seconds, slowdown(before, self._last)])
        del self._spans[:-MOST]


Look = tuple[float, float, float, float]  # monotonic time, seconds on the CPU and waiting for it, processes per CPU


def slowdown(before: Look, after: Look) -> float:
    """How many times slower the CPU was between two looks."""
    ran, waited = after[1] - before[1], after[2] - before[2]
    own = 1 + waited / max(ran, 0.001) if ran + waited >= ENOUGH else 1.0
    return max(1.0, own, (before[3] + after[3]) / 2)


def merge(spans: list[Span], new: Span) -> None:
    """Add a span; to the last one, where the CPU was about as slow (within the same power of two)."""
    if spans and int(math.log2(spans[-1][2])) == int(math.log2(new[2])):
        last = spans[-1]
        total = last[1] + new[1]
        last[2] = (last[1] * last[2] + new[1] * new[2]) / total if total else last[2]
        last[1] = total
    else:
        spans.append(new)


def _look() -> Look:
    ran, waited = _account()
    return time.monotonic(), ran, waited, _crowd()


def _account() -> tuple[float, float]:
    """Seconds that the first thread of this process had the CPU, and waited for it; none where nobody counts them."""
    try:
        ran, waited, _ = _words("/proc/self/schedstat")
    except (OSError, ValueError):
        return 0.0, 0.0
    return int(ran) / 1e9, int(waited) / 1e9


def _crowd() -> float:
    """Processes that want to run now, per CPU; those that wait for a disk or a network are none of them."""
    try:
        return int(_words("/proc/loadavg")[3].split("/")[0]) / (os.cpu_count() or 1)
    except (OSError, ValueError, IndexError):
        return 1.0


def _words(path: str) -> list[str]:
    return os.pread(_opened(path), 200, 0).decode("ascii").split()


@cache
def _opened(path: str) -> int:
    """Kept open: the kernel makes the text anew for each read, and opening costs ten times as much."""
    return os.open(path, os.O_RDONLY)
