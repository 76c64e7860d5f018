"""Requests that store nothing: TokenReview, TokenRequest, access reviews."""

from __future__ import annotations

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.store import now
from smi_conformance.lab.api.tokens import DEFAULT_AUDIENCE, DEFAULT_LIFETIME, Authenticator, TokenIssuer

_SHORTEST = 600
NO_AUTHORIZATION = "every authenticated request is allowed: this API server does not enforce RBAC"


def token_review(review: Object, authenticator: Authenticator) -> Object:
    """Whose token it is, if it is meant for one of the audiences."""
    spec = review.get("spec") or {}
    if not spec.get("token"):
        raise ApiError.bad_request("token is required for TokenReview in authentication")
    identity = authenticator.identify(spec["token"])
    audiences = spec.get("audiences") or [DEFAULT_AUDIENCE]
    common = [a for a in audiences if identity is not None and a in identity.audiences]
    if identity is None or not common:
        error = "invalid bearer token" if identity is None else "token audiences do not match"
        return {**review, "status": {"user": {}, "error": error}}
    status: Object = {"authenticated": True, "user": identity.user_info()}
    if spec.get("audiences"):
        status["audiences"] = common
    return {**review, "status": status}


def access_review(review: Object) -> Object:
    return {**review, "status": {"allowed": True, "reason": NO_AUTHORIZATION}}


def token_request(request: Object, namespace: str, account: str, tokens: TokenIssuer) -> Object:
    """A token for a ServiceAccount. Raises ApiError 404, or 422 for a lifetime that is too short."""
    spec = request.get("spec") or {}
    seconds = spec.get("expirationSeconds") or DEFAULT_LIFETIME
    if seconds < _SHORTEST:
        problem = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        cause = ("FieldValueInvalid", "spec.expirationSeconds", problem)
        raise ApiError.invalid("TokenRequest", "authentication.k8s.io", "", [cause])
    audiences = spec.get("audiences") or [DEFAULT_AUDIENCE]
    bound = spec.get("boundObjectRef") or {}
    pod = bound.get("name") if bound.get("kind") == "Pod" else None
    token = tokens.issue(namespace, account, audience=audiences, pod=pod, lifetime=seconds)
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": account, "namespace": namespace, "creationTimestamp": now()},
        "spec": {**spec, "audiences": audiences, "expirationSeconds": seconds},
        "status": {"token": token, "expirationTimestamp": now(seconds)},
    }
