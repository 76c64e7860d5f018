"""Admission webhooks, called in the order of their configurations' names."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.patch import json_patch
from smi_conformance.lab.api.resources import Resource
from smi_conformance.lab.api.selectors import label_selector
from smi_conformance.lab.api.store import Store
from smi_conformance.lab.api.tokens import Identity
from smi_conformance.lab.api.webhooks import WebhookClient, WebhookError

_GROUP = "admissionregistration.k8s.io"
MUTATING = f"mutatingwebhookconfigurations.{_GROUP}"
VALIDATING = f"validatingwebhookconfigurations.{_GROUP}"


@dataclass(frozen=True, slots=True)
class Request:
    """One write on its way into the store."""

    operation: str
    row: Resource
    name: str
    namespace: str
    user: Identity
    obj: Object | None
    old: Object | None = None
    subresource: str = ""
    dry_run: bool = False
    options: Object | None = None


class Admission:
    """Asks the configured webhooks about a request."""

    def __init__(self, store: Store, client: WebhookClient) -> None:
        self._store, self._client = store, client

    async def mutate(self, request: Request, prepare: Callable[[Object], Object]) -> Object | None:
        """The object as the mutating webhooks leave it; `prepare` completes it after every patch."""
        for webhook in self._matching(MUTATING, request):
            response = await self._review(webhook, request)
            if response is not None and response.get("patch") and request.obj is not None:
                request = replace(request, obj=prepare(_patched(webhook, request.obj, response)))
        return request.obj

    async def validate(self, request: Request) -> None:
        """Raises the error of the first webhook that denies."""
        for webhook in self._matching(VALIDATING, request):
            await self._review(webhook, request)

    def _matching(self, kind: str, request: Request) -> Iterator[Object]:
        if request.row.group == _GROUP:
            return
        for configuration in list(self._store.walk(kind)):
            for webhook in configuration.get("webhooks") or ():
                if self._matches(webhook, request):
                    yield webhook

    def _matches(self, webhook: Object, request: Request) -> bool:
        if not any(_rule_matches(r, request) for r in webhook.get("rules") or ()):
            return False
        if not label_selector(webhook.get("namespaceSelector") or {})(self._namespace_labels(request)):
            return False
        selects = label_selector(webhook.get("objectSelector") or {})
        return any(selects(o["metadata"].get("labels") or {}) for o in (request.obj, request.old) if o)

    def _namespace_labels(self, request: Request) -> Object:
        if request.row.name == "namespaces":
            space = request.obj or request.old
        else:
            space = self._store.find("namespaces", request.namespace)
        labels: Object = (space or {}).get("metadata", {}).get("labels") or {}
        return labels

    async def _review(self, webhook: Object, request: Request) -> Object | None:
        """The response of a webhook that allows; None for one that fails and may be ignored."""
        if request.dry_run and webhook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise ApiError.bad_request(f"admission webhook {webhook['name']} does not support dry run")
        review = _review_of(webhook, request)
        try:
            timeout = float(webhook.get("timeoutSeconds", 10))
            response = await self._client.post(webhook["clientConfig"], review, timeout)
        except WebhookError as error:
            if webhook.get("failurePolicy") == "Ignore":
                return None
            message = f'failed calling webhook "{webhook["name"]}": {error}'
            raise ApiError.internal(message) from error
        if not response.get("allowed"):
            raise _denied(webhook["name"], response.get("status") or {})
        return response


def _rule_matches(rule: Object, request: Request) -> bool:
    row = request.row
    scope = rule.get("scope", "*")
    return (
        _one_of(rule.get("operations"), request.operation)
        and _one_of(rule.get("apiGroups"), row.group)
        and _one_of(rule.get("apiVersions"), row.version)
        and any(_resource_matches(r, row.plural, request.subresource) for r in rule.get("resources") or ())
        and (scope == "*" or (scope == "Namespaced") == bool(request.namespace and row.namespaced))
    )


def _one_of(allowed: list[str] | None, value: str) -> bool:
    return value in (allowed or ()) or "*" in (allowed or ())


def _resource_matches(pattern: str, plural: str, subresource: str) -> bool:
    resource, _, wanted = pattern.partition("/")
    return resource in ("*", plural) and wanted in (subresource, "*")


def _review_of(webhook: Object, request: Request) -> Object:
    row = request.row
    kind = {"group": row.group, "version": row.version, "kind": row.kind}
    resource = {"group": row.group, "version": row.version, "resource": row.plural}
    body: Object = {
        "uid": str(uuid.uuid4()),
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": request.name,
        "operation": request.operation,
        "userInfo": request.user.user_info(),
        "object": request.obj,
        "oldObject": request.old,
        "dryRun": request.dry_run,
        "options": request.options,
    }
    if request.namespace:
        body["namespace"] = request.namespace
    if request.subresource:
        body["subResource"] = body["requestSubResource"] = request.subresource
    version = next(v for v in webhook["admissionReviewVersions"] if v in ("v1", "v1beta1"))
    return {"apiVersion": f"admission.k8s.io/{version}", "kind": "AdmissionReview", "request": body}


def _patched(webhook: Object, obj: Object, response: Object) -> Object:
    try:
        return json_patch(obj, json.loads(base64.b64decode(response["patch"])))
    except (ApiError, ValueError) as error:
        raise ApiError.internal(f'webhook "{webhook["name"]}" answered with a bad patch: {error}') from error


def _denied(name: str, status: Object) -> ApiError:
    denied = f'admission webhook "{name}" denied the request'
    why = status.get("message") or status.get("reason")
    message = f"{denied}: {why}" if why else f"{denied} without explanation"
    code = max(int(status.get("code") or 400), 400)
    return ApiError(code, status.get("reason") or "BadRequest", message, status.get("details"))
