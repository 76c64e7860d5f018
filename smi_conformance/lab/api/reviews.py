"""Requests that store nothing: TokenReview, TokenRequest, access reviews."""

from __future__ import annotations

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.rbac import Attributes, Authorizer
from smi_conformance.lab.api.store import now
from smi_conformance.lab.api.tokens import DEFAULT_AUDIENCE, DEFAULT_LIFETIME, Authenticator, Identity, TokenIssuer

_SHORTEST = 600


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


def access_review(review: Object, user: Identity, authorizer: Authorizer) -> Object:
    """Whether somebody may do something; `user` is who asks, and is asked about where nobody is named.

    Raises ApiError 422 when neither or both kinds of attributes are given.
    """
    spec = review.get("spec") or {}
    if bool(spec.get("resourceAttributes")) == bool(spec.get("nonResourceAttributes")):
        problem = "Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        cause = ("FieldValueInvalid", "spec.resourceAttributes", problem)
        raise ApiError.invalid(review["kind"], "authorization.k8s.io", "", [cause])
    named = review["kind"] != "SelfSubjectAccessReview"
    asked = Identity(spec.get("user") or "", groups=tuple(spec.get("groups") or ())) if named else user
    found = authorizer.decide(asked, _wanted(spec))
    reason = {"reason": found.reason} if found.reason else {}
    return {**review, "status": {"allowed": found.allowed, **reason}}


def _wanted(spec: Object) -> Attributes:
    if about := spec.get("resourceAttributes"):
        fields = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
        return Attributes(**{field: about.get(field) or "" for field in fields})
    about = spec["nonResourceAttributes"]
    return Attributes(about.get("verb") or "", path=about.get("path") or "")


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
