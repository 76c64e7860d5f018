"""Small questions about splits and changes to them, from which faults are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from smi_conformance.cluster.model.apiserver import ApiCall
from smi_conformance.cluster.model.traffic import Exchange
from smi_conformance.model.objects import Backend, Split
from smi_conformance.model.oracle import Choice, Choices, Request, weight_of
from smi_conformance.model.world import Key, Placed, Service, World

Splits = Placed[Split]


def root_of(split: Splits) -> Key:
    """The Service that a split is about."""
    return Key(split.key.namespace, split.thing.service)


def split_of(world: World, request: Request) -> Splits | None:
    """The split on the Service that a request is addressed to, whether its matches fit or not."""
    key = request.service.key if request.service else None
    return next((split for split in world.splits if root_of(split) == key), None)


def split_at(world: World, service: Key) -> Splits | None:
    """The split on a Service."""
    return next((split for split in world.splits if root_of(split) == service), None)


def own(request: Request) -> Choices:
    """The Service's own selection."""
    assert request.service
    return (Choice(request.service.key, request.port),)


def is_split(request: Request, choices: Choices) -> bool:
    """Whether the choices are those of a split and not the Service's own selection."""
    return request.service is not None and [choice.service for choice in choices] != [request.service.key]


def matched(exchange: Exchange) -> bool:
    """Whether a split takes the request."""
    request = exchange.request
    return request.service is not None and is_split(request, exchange.mesh.choices(exchange.world, request))


def choice_of(split: Splits, backend: Backend, request: Request, weight: Decimal | None = None) -> Choice:
    """A backend as a place for a request."""
    return Choice(Key(split.key.namespace, backend.service), request.port, weight or weight_of(backend) or Decimal(1))


def total(backends: Iterable[Backend]) -> Decimal:
    """The sum of the weights."""
    return sum(map(weight_of, backends), Decimal(0))


def services_of(split: Split) -> set[str]:
    """The names of the backends."""
    return {backend.service for backend in split.backends}


def listed(split: Splits, backends: Iterable[Backend]) -> Splits:
    """The same split with other backends."""
    return replace(split, thing=replace(split.thing, backends=tuple(backends)))


def with_shares(split: Splits, change: Callable[[Decimal], Decimal | int]) -> Splits:
    """The same split, each share changed; in millionths."""
    whole = total(split.thing.backends)
    if not whole:
        return split
    return listed(split, (_parts(b, Decimal(change(weight_of(b) / whole))) for b in split.thing.backends))


def _parts(backend: Backend, share: Decimal) -> Backend:
    return replace(backend, weight=int(share * 1_000_000))


def with_service(world: World, key: Key, change: Callable[[Service], Service]) -> World:
    """Another content of one Service, if it exists."""
    found = world.services.get(key)
    return replace(world, services={**world.services, key: change(found)}) if found else world


def writes_split(call: ApiCall) -> bool:
    """Whether a call to the API server writes a TrafficSplit."""
    return call.method in ("POST", "PATCH", "PUT") and "/trafficsplits" in call.path and isinstance(call.body, dict)


def refusal(text: str) -> tuple[int, dict[str, Any]]:
    """How an admission webhook refuses."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}
    return 403, {**status, "message": f"admission webhook denied the request: {text}"}
