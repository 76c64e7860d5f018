"""What the server tells about itself: version, groups, resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.resources import Resource, Resources, version_rank

VERSION = {
    "major": "1",
    "minor": "31",
    "gitVersion": "v1.31.0-lab",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}
OPEN_PATHS = ("healthz", "livez", "readyz", "version")
"""Answered to everybody, as their first part."""

_STREAM = ("create", "get")
_SUBRESOURCES: dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "namespaces": (("finalize", "Namespace", ("update",)),),
    "pods": (
        ("eviction", "Eviction", ("create",)),
        ("exec", "PodExecOptions", _STREAM),
        ("log", "Pod", ("get",)),
    ),
    "serviceaccounts": (("token", "TokenRequest", ("create",)),),
}
_FOREIGN = {
    "Eviction": ("policy", "v1"),
    "TokenRequest": ("authentication.k8s.io", "v1"),
    "Scale": ("autoscaling", "v1"),
}


def describe(resources: Resources, parts: list[str], host: str, behind: Iterable[tuple[str, str]] = ()) -> Object:
    """The discovery document at a path. `behind`: groups and versions of other servers. Raises ApiError 404."""
    if parts == ["api"]:
        address = {"clientCIDR": "0.0.0.0/0", "serverAddress": host}
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}
    if parts == ["apis"]:
        groups = [_group(g, v) for g, v in sorted(_groups(resources, behind).items()) if g]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if parts[0] == "apis" and len(parts) == 2 and (versions := _groups(resources, behind).get(parts[1])):
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], versions)}
    if parts[0] == "apis" and len(parts) == 3:
        return _resource_list(resources, parts[1], parts[2])
    if parts == ["api", "v1"]:
        return _resource_list(resources, "", "v1")
    raise ApiError.no_such_path()


def _groups(resources: Resources, behind: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found = resources.groups()
    for group, version in behind:
        found[group] = sorted({*found.get(group, ()), version}, key=version_rank)
    return found


def _group(group: str, versions: list[str]) -> Object:
    told = [{"groupVersion": f"{group}/{v}", "version": v} for v in sorted(versions, key=version_rank)]
    return {"name": group, "versions": told, "preferredVersion": told[0]}


def _resource_list(resources: Resources, group: str, version: str) -> Object:
    rows = [r for r in resources if (r.group, r.version) == (group, version)]
    if not rows:
        raise ApiError.no_such_path()
    listed = [entry for row in rows for entry in _entries(row)]
    named = f"{group}/{version}" if group else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": named,
        "resources": sorted(listed, key=lambda r: str(r["name"])),
    }


def _entries(row: Resource) -> Iterator[Object]:
    entry: Object = {
        "name": row.plural,
        "singularName": row.singular or row.kind.lower(),
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": [*row.verbs],
    }
    if row.short_names:
        entry["shortNames"] = [*row.short_names]
    if row.categories:
        entry["categories"] = [*row.categories]
    yield entry
    yield from (_sub_entry(row, *sub) for sub in subresources(row))


def subresources(row: Resource) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, kind and verbs of each."""
    found = [*_SUBRESOURCES.get(row.name, ())]
    if row.status:
        found.append(("status", row.kind, ("get", "patch", "update")))
    if row.scale and row.definition is None:
        found.append(("scale", "Scale", ("get", "patch", "update")))
    return found


def _sub_entry(row: Resource, name: str, kind: str, verbs: tuple[str, ...]) -> Object:
    entry: Object = {
        "name": f"{row.plural}/{name}",
        "singularName": "",
        "namespaced": row.namespaced,
        "kind": kind,
        "verbs": [*verbs],
    }
    if kind in _FOREIGN:
        entry["group"], entry["version"] = _FOREIGN[kind]
    return entry
