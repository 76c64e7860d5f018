"""Equal requests: worked out once where they go, and what comes of it."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from smi_conformance.cluster.model.exchange import Answer
from smi_conformance.model.oracle import Endpoint, Request

if TYPE_CHECKING:
    from smi_conformance.cluster.model.exchange import Exchange


class End(NamedTuple):
    """What comes of a request at one of its endpoints, and whether a server sees it."""

    endpoint: Endpoint | None
    arrives: bool
    answer: Answer


class Route:
    """The ways of all requests that are like one. Nothing of this is used while a fault looks at single requests.

    `bypass`: the mesh is not asked.
    """

    def __init__(
        self, exchange: Exchange, spread: list[tuple[float, Endpoint | None]], *, bypass: bool = False
    ) -> None:
        self._exchange = exchange
        self._ends = [self._end(endpoint, bypass) for _, endpoint in spread]
        self._bounds = list(accumulate(weight for weight, _ in spread))

    @property
    def request(self) -> Request:
        """What each of them asks for."""
        return self._exchange.request

    def _end(self, endpoint: Endpoint | None, bypass: bool) -> End:
        exchange = self._exchange
        if endpoint is None:
            return End(None, False, exchange.fail())
        if not (bypass or exchange.admitted(endpoint)):
            return End(endpoint, False, exchange.refuse())
        return End(endpoint, *exchange.met(endpoint, exchange.request))

    def send(self, luck: float, request_id: str) -> Answer:
        """Send one of them; `luck`, from 0 to 1, decides where it goes."""
        place = bisect(self._bounds, luck * self._bounds[-1]) if len(self._ends) > 1 else 0
        end = self._ends[place]
        if end.arrives and end.endpoint:
            exchange = self._exchange
            exchange.traffic.servers.arrived(end.endpoint, exchange.step, exchange.request, request_id)
        return end.answer
