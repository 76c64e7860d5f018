"""Profiles: what is declared of a mesh before the run.

A profile is a YAML file, checked on loading. Built-in ones stand beside this module; `--mesh ./file.yaml`
takes any other. Nothing in a profile changes a verdict: known deviations are shown beside it.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

Posture = Literal["deny", "permissive"]


class ProfileError(Exception):
    """The profile cannot be used: unknown name, unreadable file, or a field that does not fit."""


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Feature(_Part):
    """A claim about one feature key of the register; anything but `full` needs a reason."""

    claim: Literal["full", "partial", "none"]
    reason: str | None = None


class Deviation(_Part):
    """A known departure from a requirement, shown beside the verdict."""

    requirement: str
    text: str
    link: str | None = None


class Onboarding(_Part):
    """What makes a pod a member of the mesh, and what keeps one out."""

    namespace_labels: dict[str, str] = {}
    namespace_annotations: dict[str, str] = {}
    pod_labels: dict[str, str] = {}
    pod_annotations: dict[str, str] = {}
    opt_out_labels: dict[str, str] = Field(default={}, description="keep one pod of such a namespace out of the mesh")
    opt_out_annotations: dict[str, str] = {}
    sidecar: str | None = Field(default=None, description="name of the container that every meshed pod must have")


class Setting(_Part):
    """One object that carries a switch of the mesh: a merge patch, applied before the run."""

    api_version: str
    kind: str
    namespace: str | None = None
    name: str
    patch: dict[str, Any]


class Profile(_Part):
    """Everything that a run needs to know about a mesh."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    title: str
    version: str
    verified: str | None = Field(default=None, description="where and when a run was last seen; absent: unverified")
    claims: dict[str, Annotated[tuple[str, ...], BeforeValidator(_several)]] = Field(
        description="API group to the versions that the mesh claims to serve: one, or a list"
    )
    features: dict[str, Feature] = {}
    postures: dict[Posture, list[Setting]] = {}
    onboarding: Onboarding = Onboarding()
    address: str = Field(default="{svc}", description="how a client names a Service of its own namespace")
    address_elsewhere: str = Field(default="{svc}.{ns}", description="how it names one of another namespace")
    trust_domain: str = Field(default="cluster.local", description="of the SPIFFE ids TRUST_DOMAIN/ns/NS/sa/NAME")
    latency_resolution: float = Field(
        default=2.5,
        ge=1,
        description="factor between the ends of the widest bucket in which latencies are kept; 1 is exact",
    )
    deadlines: dict[str, float] = {}
    namespaces: list[str] = Field(default=[], description="where the mesh itself runs; dumped when a scenario fails")
    deployments: list[str] = Field(default=[], description="NAMESPACE/NAME that must be available before a run")
    deviations: list[Deviation] = []
    installer: Literal["none", "reference", "model"] = "none"
    enforces_access: bool = True


def available() -> list[Profile]:
    """The built-in profiles, by name."""
    files = (f for f in resources.files(__package__).iterdir() if f.name.endswith(".yaml"))
    return sorted((_parse(f.read_text(), f.name) for f in files), key=lambda profile: profile.name)


def load(mesh: str) -> Profile:
    """The profile that `--mesh` names: a built-in one, or a file when the name ends in .yaml or holds a slash.

    Raises ProfileError, with one line that says what is wrong and what to write instead.
    """
    if mesh.endswith((".yaml", ".yml")) or "/" in mesh:
        return _parse(_read(Path(mesh)), mesh)
    known = {profile.name: profile for profile in available()}
    if mesh not in known:
        raise ProfileError(
            f"unknown mesh '{mesh}'; known: {', '.join(known)}, or the path of a profile (./my-mesh.yaml)"
        )
    return known[mesh]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ProfileError(f"profile {path} cannot be read: {reason}") from error


def _parse(text: str, origin: str) -> Profile:
    try:
        return Profile.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ProfileError(f"profile {origin} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ProfileError(f"profile {origin}: {place}: {first['msg']}") from error
