"""Who may do what: the attributes of a request, and the roles that allow them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from smi_conformance.lab.api.errors import ApiError, Object, split_resource
from smi_conformance.lab.api.requests import is_true
from smi_conformance.lab.api.store import Store
from smi_conformance.lab.api.tokens import Identity

_GROUP = "rbac.authorization.k8s.io"
SUPERUSERS = "system:masters"
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_MANY = {"get": "list", "delete": "deletecollection"}
_OF_NAMESPACES = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a request wants. `path` is set, and all but the verb is empty, for one that is about no resource."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def whole(self) -> str:
        """The resource as roles name it: `pods`, `pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request is allowed, and by which binding."""

    allowed: bool
    reason: str = ""


def attributes_of(method: str, parts: Sequence[str], query: Mapping[str, str]) -> Attributes:
    """The attributes of a request by its path alone: also of what another server serves behind this one."""
    verb = _VERBS.get(method, method.lower())
    depth = {"api": 2, "apis": 3}.get(parts[0], 0) if parts else 0
    if not depth or len(parts) <= depth:
        return Attributes(method.lower(), path="/" + "/".join(parts))
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    namespace, rest = _namespaced(list(parts[depth:]))
    resource, name, subresource = [*rest, "", "", ""][:3]
    if not name and verb in _OF_MANY:
        name = _name_in(query) if verb == "get" else ""
        verb = "watch" if verb == "get" and is_true(query, "watch") else _OF_MANY[verb]
    elif verb == "get" and is_true(query, "watch"):
        verb = "watch"
    return Attributes(verb, group, version, resource, subresource, namespace, name)


def _namespaced(rest: list[str]) -> tuple[str, list[str]]:
    """A namespace is the scope of what follows it, unless that is a subresource Kubernetes knows of namespaces."""
    if rest[0] != "namespaces" or len(rest) < 2:
        return "", rest
    return (rest[1], rest) if len(rest) == 2 or rest[2] in _OF_NAMESPACES else (rest[1], rest[2:])


def _name_in(query: Mapping[str, str]) -> str:
    selected = query.get("fieldSelector", "")
    return selected.partition("=")[2].lstrip("=") if selected.startswith("metadata.name=") else ""


class Authorizer:
    """Decides by the roles and bindings in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def demand(self, user: Identity, wanted: Attributes) -> None:
        """Raises ApiError 403 when the user may not."""
        if not self.decide(user, wanted).allowed:
            raise _forbidden(user, wanted)

    def decide(self, user: Identity, wanted: Attributes) -> Decision:
        """Whether any binding allows it."""
        if SUPERUSERS in user.groups:
            return Decision(True)
        for binding in self._bindings(wanted.namespace):
            subject = next((s for s in binding.get("subjects") or () if _is(s, user, binding)), None)
            if subject is not None and any(_allows(rule, wanted) for rule in self._rules(binding)):
                return Decision(True, _reason(binding, subject))
        return Decision(False)

    def _bindings(self, namespace: str) -> Iterator[Object]:
        yield from list(self._store.walk(f"clusterrolebindings.{_GROUP}"))
        if namespace:
            yield from list(self._store.walk(f"rolebindings.{_GROUP}", namespace))

    def _rules(self, binding: Object) -> list[Object]:
        reference = binding["roleRef"]
        if reference.get("kind") == "Role":
            role = self._store.find(f"roles.{_GROUP}", reference["name"], binding["metadata"]["namespace"])
        else:
            role = self._store.find(f"clusterroles.{_GROUP}", reference["name"])
        return (role or {}).get("rules") or []


def _is(subject: Object, user: Identity, binding: Object) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        namespace = subject.get("namespace") or binding["metadata"].get("namespace", "")
        return user.username == f"system:serviceaccount:{namespace}:{name}"
    return name in user.groups if kind == "Group" else kind == "User" and name == user.username


def _allows(rule: Object, wanted: Attributes) -> bool:
    if not _one_of(rule.get("verbs"), wanted.verb):
        return False
    if wanted.path:
        return any(_path_fits(pattern, wanted.path) for pattern in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames") or ()
    return (
        _one_of(rule.get("apiGroups"), wanted.group)
        and _resource_fits(rule.get("resources") or (), wanted)
        and (not names or wanted.name in names)
    )


def _one_of(allowed: Sequence[str] | None, value: str) -> bool:
    return value in (allowed or ()) or "*" in (allowed or ())


def _resource_fits(resources: Sequence[str], wanted: Attributes) -> bool:
    everywhere = f"*/{wanted.subresource}" if wanted.subresource else "*"
    return "*" in resources or wanted.whole in resources or everywhere in resources


def _path_fits(pattern: str, path: str) -> bool:
    return path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _reason(binding: Object, subject: Object) -> str:
    meta, reference = binding["metadata"], binding["roleRef"]
    place = f'RoleBinding "{meta["name"]}/{meta["namespace"]}"' if "namespace" in meta else None
    bound = place or f'ClusterRoleBinding "{meta["name"]}"'
    named = subject["name"] + (f"/{subject['namespace']}" if subject.get("namespace") else "")
    return f'RBAC: allowed by {bound} of {reference.get("kind")} "{reference["name"]}" to {subject["kind"]} "{named}"'


def _forbidden(user: Identity, wanted: Attributes) -> ApiError:
    if wanted.path:
        message = f'forbidden: User "{user.username}" cannot {wanted.verb} path "{wanted.path}"'
        return ApiError(403, "Forbidden", message)
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    why = f'User "{user.username}" cannot {wanted.verb} resource "{wanted.whole}" in API group "{wanted.group}" {where}'
    resource = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    return _named_refusal(resource, wanted.name, why)


def _named_refusal(resource: str, name: str, why: str) -> ApiError:
    if name:
        return ApiError.forbidden(resource, name, why)
    plural, group = split_resource(resource)
    details = {key: value for key, value in {"group": group, "kind": plural}.items() if value}
    return ApiError(403, "Forbidden", f"{resource} is forbidden: {why}", details)
