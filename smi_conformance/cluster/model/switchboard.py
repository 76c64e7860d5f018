"""The registry of the model's faults, and the ones that are switched on."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

MANIFEST, WORLD, VIEW, PAST = "manifest", "world", "view", "past"
ADMISSION, CHOICES, ENDPOINTS, PROXY, LOOKUP = "admission", "choices", "endpoints", "proxy", "lookup"
CRD, STORED, SERVED, CONVERSION = "crd", "stored", "served", "conversion"
API, EVENTS = "api", "events"
NOTED, ASKED, COUNTED, LISTED, ANSWERED, DIRECT = "noted", "asked", "counted", "listed", "answered", "direct"
HOOKS = (
    *(MANIFEST, WORLD, VIEW, PAST, ADMISSION, CHOICES, ENDPOINTS, PROXY, LOOKUP),
    *(CRD, STORED, SERVED, CONVERSION, API, EVENTS, NOTED, ASKED, COUNTED, LISTED, ANSWERED, DIRECT),
)

Hook = Callable[..., Any]
H = TypeVar("H", bound=Hook)
T = TypeVar("T")

UNOBSERVABLE: dict[str, str] = {}
"""Faults that no traffic and no answer of the API can show: `ID/slug` to the reason."""


@dataclass(frozen=True)
class Change:
    """One change that a fault makes. `kind` and `versions` limit changes of manifests; empty: all."""

    at: str
    hook: Hook
    kind: str = ""
    versions: tuple[str, ...] = ()

    def concerns(self, manifest: dict[str, Any]) -> bool:
        """Whether this change is about such a manifest."""
        version = str(manifest.get("apiVersion", "")).rpartition("/")[2]
        return self.kind in ("", manifest.get("kind")) and (not self.versions or version in self.versions)

    def made(self) -> Change:
        """The same with a memory of its own."""
        hook = self.hook() if isinstance(self.hook, type) else self.hook
        return Change(self.at, hook, self.kind, self.versions)


_TEXTS: dict[str, str] = {}
_CHANGES: dict[str, list[Change]] = {}


def fault(name: str, text: str, at: str, *, kind: str = "", versions: tuple[str, ...] = ()) -> Callable[[H], H]:
    """Register a change as (a part of) the fault `ID/slug`; `text` says in one line what is broken."""
    assert at in HOOKS, f"{name}: no hook {at!r}"

    def register(hook: H) -> H:
        _TEXTS[name] = text
        _CHANGES.setdefault(name, []).append(Change(at, hook, kind, versions))
        return hook

    return register


@cache
def faults() -> dict[str, str]:
    """All switches: `ID/slug` to what it does."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("faults_"):
            importlib.import_module(f"{__package__}.{module.name}")
    return dict(sorted(_TEXTS.items()))


def versions_of(name: str) -> tuple[str, ...]:
    """The API versions that a fault is limited to; none: all."""
    faults()
    return tuple(version for change in _CHANGES[name] for version in change.versions)


class Switches:
    """The faults that are on, with what they remember."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        faults()
        changes = [change.made() for name in names for change in _CHANGES[name]]
        self._at = {at: [change for change in changes if change.at == at] for at in HOOKS}

    def any(self, *hooks: str) -> bool:
        """Whether a fault acts at one of these."""
        return any(self._at[at] for at in hooks)

    def value(self, at: str, value: T, *about: Any) -> T:
        """A value after all changes to it."""
        for change in self._at[at]:
            value = change.hook(value, *about)
        return value

    def manifest(self, at: str, manifest: dict[str, Any]) -> dict[str, Any] | None:
        """A manifest after all changes that concern it; None when one of them hides it."""
        found: dict[str, Any] | None = manifest
        for change in self._at[at]:
            if found is not None and change.concerns(found):
                found = change.hook(found)
        return found

    def changed(self, at: str, manifest: dict[str, Any], *about: Any) -> dict[str, Any]:
        """A manifest after all changes that concern it, each told what it is `about`."""
        for change in self._at[at]:
            if change.concerns(manifest):
                manifest = change.hook(manifest, *about)
        return manifest

    def around(self, at: str, inner: Hook) -> Hook:
        """A step with all faults around it, the first one innermost."""
        for change in self._at[at]:
            inner = partial(change.hook, inner)
        return inner
