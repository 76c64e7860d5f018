"""Observations for the tests of the judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from smi_conformance.judge.observation import Arrival, Observation, Plan, Reply, ServerLog, Step

NOW = 1_700_000_000.0


def log(ids: Sequence[str], *, since: int = 10, boots: tuple[str, str] = ("b", "b")) -> ServerLog:
    """A server's log that holds these requests."""
    arrivals = tuple(Arrival(since + n, one, "http", 8080, "GET", "/") for n, one in enumerate(ids))
    return ServerLog(boots, since, since + len(ids), arrivals)


def observed(
    outcomes: Sequence[str],
    arrived: Mapping[str, Sequence[int]] | None = None,
    *,
    prefix: str = "q",
    client: str = "c-a",
    at: float = NOW,
) -> Observation:
    """One step with these outcomes; `arrived` maps servers to the indices of the requests that they saw."""
    arrived = {"web": []} if arrived is None else arrived
    place = {index: server for server, indices in arrived.items() for index in indices}
    replies = tuple(
        Reply(
            outcome,
            200 if outcome == "answer" else None,
            place.get(index) if outcome == "answer" else None,
            8080,
            1.0,
            at,
        )
        for index, outcome in enumerate(outcomes)
    )
    step = Step("http", "web", 8080, prefix, count=len(outcomes))
    logs = {server: log([f"{prefix}.{index}" for index in indices]) for server, indices in arrived.items()}
    return Observation(client, Plan((step,)), (replies,), logs)


def answered(count: int, **options: object) -> Observation:
    """A client all of whose requests were answered by `web`."""
    return observed(["answer"] * count, {"web": range(count)}, **options)  # type: ignore[arg-type]
