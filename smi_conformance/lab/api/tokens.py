"""Who asks: bearer tokens of ServiceAccounts and of the administrator."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.pki import Pki
from smi_conformance.lab.api.store import Store

ISSUER = "https://kubernetes.default.svc.cluster.local"
DEFAULT_AUDIENCE = ISSUER
DEFAULT_LIFETIME = 3600


@dataclass(frozen=True, slots=True)
class Identity:
    """A user as authentication found it."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict)
    audiences: tuple[str, ...] = (DEFAULT_AUDIENCE,)

    def user_info(self) -> Object:
        """As TokenReview and AdmissionReview tell it."""
        info = {"username": self.username, "uid": self.uid, "groups": [*self.groups], "extra": self.extra}
        return {k: v for k, v in info.items() if v}


ADMIN = Identity("kubernetes-admin", groups=("system:masters", "system:authenticated"))
CONTROLLER = Identity(
    "system:serviceaccount:kube-system:replicaset-controller",
    groups=("system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"),
)


class TokenIssuer:
    """Issues and checks ServiceAccount tokens; all issuers over one store and one Pki are the same."""

    def __init__(self, store: Store, pki: Pki) -> None:
        self._store, self._key = store, pki.token_key

    def issue(
        self,
        namespace: str,
        service_account: str,
        *,
        audience: str | Sequence[str] | None = None,
        pod: str | None = None,
        lifetime: int = DEFAULT_LIFETIME,
    ) -> str:
        """A token for `lifetime` seconds, bound to `pod` if given. ApiError 404 when either is missing."""
        account = self._store.stored("serviceaccounts", service_account, namespace)
        issued = int(time.time())
        kubernetes: Object = {"namespace": namespace, "serviceaccount": _reference(account)}
        if pod is not None:
            kubernetes["pod"] = _reference(self._store.stored("pods", pod, namespace))
        audiences = [audience] if isinstance(audience, str) else list(audience or [DEFAULT_AUDIENCE])
        claims = {
            "aud": audiences,
            "exp": issued + lifetime,
            "iat": issued,
            "iss": ISSUER,
            "jti": secrets.token_hex(16),
            "kubernetes.io": kubernetes,
            "nbf": issued,
            "sub": f"system:serviceaccount:{namespace}:{service_account}",
        }
        signed = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
        return f"{signed}.{self._sign(signed)}"

    def review(self, token: str) -> Identity | None:
        """Whose token it is; None for a token that is forged, expired or bound to something deleted."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._sign(signed).encode(), signature.encode(errors="replace")):
            return None
        claims = json.loads(_decode(signed.partition(".")[2]))
        if claims["exp"] <= time.time():
            return None
        return self._identity(claims)

    def _sign(self, text: str) -> str:
        return _b64(hmac.new(self._key, text.encode(errors="replace"), hashlib.sha256).digest())

    def _identity(self, claims: Object) -> Identity | None:
        bound = claims["kubernetes.io"]
        namespace, account, pod = bound["namespace"], bound["serviceaccount"], bound.get("pod")
        if not self._alive("serviceaccounts", account, namespace):
            return None
        extra: dict[str, list[str]] = {}
        if pod is not None:
            if not self._alive("pods", pod, namespace):
                return None
            extra = {
                "authentication.kubernetes.io/pod-name": [pod["name"]],
                "authentication.kubernetes.io/pod-uid": [pod["uid"]],
            }
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return Identity(claims["sub"], account["uid"], groups, extra, tuple(claims["aud"]))

    def _alive(self, resource: str, reference: Object, namespace: str) -> bool:
        found = self._store.find(resource, reference["name"], namespace)
        return found is not None and found["metadata"]["uid"] == reference["uid"]


class Authenticator:
    """Bearer tokens of the administrator and of ServiceAccounts."""

    def __init__(self, tokens: TokenIssuer, admin_token: str) -> None:
        self._tokens, self._admin = tokens, admin_token.encode()

    def identify(self, token: str) -> Identity | None:
        """The user of this token, or None."""
        if hmac.compare_digest(token.encode(errors="replace"), self._admin):
            return ADMIN
        return self._tokens.review(token)


def _reference(obj: Object) -> Object:
    return {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _encode(value: Object) -> str:
    return _b64(json.dumps(value, separators=(",", ":")).encode())


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
