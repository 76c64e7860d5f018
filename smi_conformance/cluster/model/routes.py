"""Equal requests: worked out once where they go, and what comes of it."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from smi_conformance.cluster.model.exchange import Answer
from smi_conformance.model.oracle import Endpoint

if TYPE_CHECKING:
    from smi_conformance.cluster.model.exchange import Exchange


class End(NamedTuple):
    """What comes of a request at one of its endpoints, and who takes note of its id when a server sees it."""

    answer: Answer
    arrived: Callable[[str], None] | None = None


class Route:
    """The ways of all requests that are like one. Nothing of this is used while a fault looks at single requests.

    `bypass`: the mesh is not asked.
    """

    def __init__(
        self, exchange: Exchange, spread: list[tuple[float, Endpoint | None]], *, bypass: bool = False
    ) -> None:
        self._exchange = exchange
        self.request = exchange.request
        """What each of them asks for."""
        self._ends = [self._end(endpoint, bypass) for _, endpoint in spread]
        self._bounds = list(accumulate(weight for weight, _ in spread))

    def _end(self, endpoint: Endpoint | None, bypass: bool) -> End:
        exchange = self._exchange
        if endpoint is None:
            return End(exchange.fail())
        if not (bypass or exchange.admitted(endpoint)):
            return End(exchange.refuse())
        arrives, answer = exchange.met(endpoint, exchange.request)
        arrivals = exchange.traffic.servers.arrivals
        return End(answer, arrivals(endpoint, exchange.step, exchange.request) if arrives else None)

    def send(self, luck: float, request_id: str) -> Answer:
        """Send one of them; `luck`, from 0 to 1, decides where it goes."""
        ends = self._ends
        answer, arrived = ends[bisect(self._bounds, luck * self._bounds[-1]) if len(ends) > 1 else 0]
        if arrived:
            arrived(request_id)
        return answer
