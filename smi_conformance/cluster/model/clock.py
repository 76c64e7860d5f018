"""Time that passes only when somebody lets it."""

from __future__ import annotations


class VirtualClock:
    """A clock of judge.convergence: `sleep` advances it at once."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Seconds since the model began."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._now += seconds
