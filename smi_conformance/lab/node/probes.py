"""Startup, liveness and readiness probes of one container.

The first probe comes at once after initialDelaySeconds. While a container is not ready (or not started) it is
probed more often than periodSeconds says, every 100 ms at first and every second later, so that readiness is
seen early; those extra probes never count as failures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from smi_conformance.lab.api.store import Object

from .handlers import HandlerError, shorten

Check = Callable[[Object], Awaitable[None]]
"""One attempt of a probe, within its time limit; raises HandlerError."""

Report = Callable[[str], None]
"""Told of a failed probe."""

_EAGER = 0.1  # seconds
_EAGER_GROWTH = 1.3
_LEAST_EAGER = 1.0  # seconds


class Probe:
    """The thresholds of a probe and the pace of its attempts."""

    def __init__(self, spec: Object, check: Check) -> None:
        self._spec, self._check = spec, check
        self.period = float(spec.get("periodSeconds") or 10)
        self.failures_allowed = int(spec.get("failureThreshold") or 3)
        self.successes_needed = int(spec.get("successThreshold") or 1)
        self._eager = _EAGER

    async def initial_delay(self) -> None:
        """Wait before the first attempt."""
        await asyncio.sleep(float(self._spec.get("initialDelaySeconds") or 0))

    async def attempt(self) -> str | None:
        """None for success, else why it failed."""
        try:
            await self._check(self._spec)
        except HandlerError as failure:
            return shorten(str(failure))
        return None

    async def pause(self, *, eager: bool) -> None:
        """Wait until the next attempt."""
        if not eager:
            self._eager = _EAGER
            await asyncio.sleep(self.period)
            return
        await asyncio.sleep(min(self._eager, self.period))
        self._eager = min(self._eager * _EAGER_GROWTH, _LEAST_EAGER)


async def until_started(probe: Probe, unhealthy: Report) -> bool:
    """The startup probe: True once it succeeded, False when its time (threshold times period) is over."""
    await probe.initial_delay()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + probe.period * probe.failures_allowed
    while (failure := await probe.attempt()) is not None:
        if loop.time() >= deadline:
            unhealthy(failure)
            return False
        await probe.pause(eager=True)
    return True


async def until_dead(probe: Probe, unhealthy: Report) -> None:
    """The liveness probe: returns when it failed failureThreshold times in a row."""
    await probe.initial_delay()
    failures = 0
    while True:
        failure = await probe.attempt()
        failures = failures + 1 if failure is not None else 0
        if failure is not None:
            unhealthy(failure)
        if failures >= probe.failures_allowed:
            return
        await probe.pause(eager=False)


async def watch_readiness(probe: Probe, set_ready: Callable[[bool], None], unhealthy: Report) -> None:
    """The readiness probe: tells every change, for as long as the container runs."""
    await probe.initial_delay()
    loop = asyncio.get_running_loop()
    ready, contrary, report_at, reported = False, 0, 0.0, ""
    while True:
        failure = await probe.attempt()
        contrary = contrary + 1 if (failure is None) != ready else 0
        if contrary >= (probe.failures_allowed if ready else probe.successes_needed):
            ready, contrary = not ready, 0
            set_ready(ready)
        if failure is not None and (loop.time() >= report_at or failure != reported):
            report_at, reported = loop.time() + probe.period, failure
            unhealthy(failure)
        await probe.pause(eager=not ready)
