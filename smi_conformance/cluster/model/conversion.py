"""How the model's API server keeps SMI objects: as they were written, and converted when they are read."""

from __future__ import annotations

from smi_conformance.cluster.model.switchboard import CONVERSION, STORED, Switches
from smi_conformance.lab.api.crds import Converter
from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.resources import Resource
from smi_conformance.lab.api.store import Store, copy_json
from smi_conformance.lab.api.webhooks import WebhookClient
from smi_conformance.model.convert import convert
from smi_conformance.model.read import Unreadable
from smi_conformance.model.render import Unrenderable

SMI = ".smi-spec.io"


class ModelConverter(Converter):
    """Converts without losing meaning; other custom resources are treated as the lab does."""

    def __init__(self, store: Store, client: WebhookClient, switches: Switches) -> None:
        super().__init__(store, client)
        self._switches = switches

    async def to_storage(self, row: Resource, obj: Object) -> Object:
        if not row.group.endswith(SMI):
            return await super().to_storage(row, obj)
        return self._switches.manifest(STORED, copy_json(obj)) or obj

    async def _convert(self, row: Resource, version: str, objects: list[Object]) -> list[Object]:
        if not row.group.endswith(SMI):
            return await super()._convert(row, version, objects)
        return [o if o["apiVersion"] == version else self._converted(o, version) for o in objects]

    def _converted(self, obj: Object, version: str) -> Object:
        try:
            converted = convert(obj, version.rpartition("/")[2])
        except (Unreadable, Unrenderable) as error:
            raise ApiError.internal(f"conversion for {version} failed: {error}") from error
        return self._switches.changed(CONVERSION, converted, obj)
