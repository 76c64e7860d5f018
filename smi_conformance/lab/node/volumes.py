"""Volumes of a pod, as directories on the node that its containers bind.

configMap, secret, downwardAPI and projected volumes are written as the kubelet does it: the files are in a
directory of their own, `..data` points to it, and an update swaps that link in one rename.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smi_conformance.lab.api.store import Object, Store
from smi_conformance.lab.api.tokens import TokenIssuer

from .environment import ConfigError, config_map, field_of, resource_of, secret

_DEFAULT_MODE = 0o644
_TOKEN_LIFETIME = 365 * 24 * 3600  # seconds; tokens are not rotated


@dataclass(frozen=True)
class File:
    """One file of a volume."""

    content: bytes
    mode: int


Payload = dict[str, File]
Source = Callable[[Object, Object, int], Payload]


class Volumes:
    """The volumes of one pod below `directory`."""

    def __init__(self, directory: Path, store: Store, tokens: TokenIssuer) -> None:
        self._directory, self._store, self._tokens = directory, store, tokens
        self._written: dict[str, Payload] = {}
        self._token_cache: dict[str, bytes] = {}
        self._sources: dict[str, Source] = {
            "configMap": self._config_map,
            "secret": self._secret,
            "downwardAPI": self._downward,
            "projected": self._projected,
        }

    def path(self, name: str) -> Path:
        """Where the volume is on the node."""
        return self._directory / name

    def mount(self, pod: Object) -> None:
        """Make every volume. Raises ConfigError for what is missing or not supported."""
        for volume in pod["spec"].get("volumes") or ():
            kind = next((key for key in volume if key != "name"), "emptyDir")
            if kind == "emptyDir":
                self.path(volume["name"]).mkdir(parents=True, exist_ok=True)
                self.path(volume["name"]).chmod(0o777)
            elif kind in self._sources:
                self._write(volume["name"], self._payload(kind, volume, pod))
            else:
                raise ConfigError(f"the lab has no volumes of type {kind} (volume {volume['name']})")

    def update(self, pod: Object) -> None:
        """Write again what changed; what cannot be made any more stays as it was."""
        for volume in pod["spec"].get("volumes") or ():
            kind = next((key for key in volume if key in self._sources), None)
            if kind is None or volume["name"] not in self._written:
                continue
            try:
                payload = self._payload(kind, volume, pod)
            except ConfigError:
                continue
            if payload != self._written[volume["name"]]:
                self._write(volume["name"], payload)

    def _payload(self, kind: str, volume: Object, pod: Object) -> Payload:
        source = volume[kind]
        return self._sources[kind](source, pod, source.get("defaultMode", _DEFAULT_MODE))

    def _config_map(self, source: Object, pod: Object, mode: int) -> Payload:
        optional = source.get("optional", False)
        data = config_map(self._store, source["name"], pod["metadata"]["namespace"], optional=optional)
        return _select(data, source, mode)

    def _secret(self, source: Object, pod: Object, mode: int) -> Payload:
        name = source.get("secretName") or source.get("name", "")
        optional = source.get("optional", False)
        return _select(secret(self._store, name, pod["metadata"]["namespace"], optional=optional), source, mode)

    def _downward(self, source: Object, pod: Object, mode: int) -> Payload:
        files: Payload = {}
        for item in source.get("items") or ():
            if "fieldRef" in item:
                text = field_of(pod, item["fieldRef"]["fieldPath"])
            else:
                reference = item["resourceFieldRef"]
                containers = {c["name"]: c for c in pod["spec"]["containers"]}
                text = resource_of(containers[reference["containerName"]], reference)
            files[item["path"]] = File(text.encode(), item.get("mode", mode))
        return files

    def _projected(self, source: Object, pod: Object, mode: int) -> Payload:
        files: Payload = {}
        for entry in source.get("sources") or ():
            for kind, part in entry.items():
                make = self._token if kind == "serviceAccountToken" else self._sources.get(kind)
                if make is None:
                    raise ConfigError(f"the lab has no projected source of type {kind}")
                files |= make(part, pod, mode)
        return files

    def _token(self, source: Object, pod: Object, mode: int) -> Payload:
        audience = source.get("audience", "")
        if audience not in self._token_cache:
            meta = pod["metadata"]
            token = self._tokens.issue(
                meta["namespace"],
                pod["spec"].get("serviceAccountName") or "default",
                audience=audience or None,
                pod=meta["name"],
                lifetime=_TOKEN_LIFETIME,
            )
            self._token_cache[audience] = token.encode()
        return {source["path"]: File(self._token_cache[audience], mode)}

    def _write(self, name: str, payload: Payload) -> None:
        volume = self.path(name)
        stamp = f"..{uuid.uuid4().hex[:12]}"
        fresh = volume / stamp
        fresh.mkdir(parents=True)
        for path, file in payload.items():
            if ".." in Path(path).parts or Path(path).is_absolute():
                raise ConfigError(f"the path {path!r} leads out of volume {name}")
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).write_bytes(file.content)
            (fresh / path).chmod(file.mode)
        _swap(volume, stamp)
        _link_names(volume, {Path(path).parts[0] for path in payload})
        self._written[name] = payload


def _swap(volume: Path, stamp: str) -> None:
    data = volume / "..data"
    old = data.readlink() if data.is_symlink() else None
    (volume / "..data_tmp").symlink_to(stamp)
    (volume / "..data_tmp").replace(data)
    if old is not None:
        shutil.rmtree(volume / old)


def _link_names(volume: Path, names: set[str]) -> None:
    """The names that a container sees are links through ..data; those no longer there go."""
    present = {entry.name for entry in volume.iterdir() if not entry.name.startswith("..")}
    for name in names - present:
        (volume / name).symlink_to(f"..data/{name}")
    for name in present - names:
        (volume / name).unlink()


def _select(data: dict[str, bytes], source: Object, mode: int) -> Payload:
    """All keys, or with `items` only those, at their paths."""
    items = source.get("items")
    if items is None:
        return {key: File(value, mode) for key, value in data.items()}
    missing = [item["key"] for item in items if item["key"] not in data]
    if missing and not source.get("optional", False):
        raise ConfigError(f"references non-existent config key: {missing[0]}")
    return {item["path"]: File(data[item["key"]], item.get("mode", mode)) for item in items if item["key"] in data}
