"""How scenarios are shared among the workers of pytest-xdist."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("conformance/metrics/",)
"""Scenarios of these files share one burst of traffic and its window: one worker takes them all."""


class Together(LoadScopeScheduling):  # type: ignore[misc]  # the package has no types
    """Each scenario goes to the worker that is free next; those that share a burst go together, and first."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid)
