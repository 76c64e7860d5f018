"""The controllers of a cluster: what turns a Deployment into pods, and pods into endpoints."""

from __future__ import annotations

import asyncio

from smi_conformance.lab.api.controllers.base import Controller
from smi_conformance.lab.api.controllers.binder import Binder
from smi_conformance.lab.api.controllers.definitions import Definitions
from smi_conformance.lab.api.controllers.deployments import Deployments
from smi_conformance.lab.api.controllers.endpoints import EndpointsOfServices
from smi_conformance.lab.api.controllers.garbage import GarbageCollector
from smi_conformance.lab.api.controllers.namespaces import NamespaceContent, NamespaceDeletion
from smi_conformance.lab.api.controllers.replicasets import ReplicaSets
from smi_conformance.lab.api.controllers.workloads import DaemonSets, Jobs, ReplicationControllers, StatefulSets
from smi_conformance.lab.api.registry import Registry
from smi_conformance.lab.api.store import Store

_ALL: tuple[type[Controller], ...] = (
    NamespaceContent,
    NamespaceDeletion,
    Definitions,
    GarbageCollector,
    Binder,
    Deployments,
    ReplicaSets,
    ReplicationControllers,
    DaemonSets,
    StatefulSets,
    Jobs,
    EndpointsOfServices,
)


class Controllers:
    """All of them, over one store. They act on changes and do nothing in between."""

    def __init__(self, store: Store) -> None:
        self._registry = Registry(store)
        self._controllers = [kind(store, self._registry) for kind in _ALL]

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for controller in self._controllers:
                    group.create_task(controller.run())
        finally:
            await self._registry.webhooks.close()
