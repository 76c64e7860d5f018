"""Profiles: what is declared of a mesh before the run.

A profile is a YAML file, checked on loading. Built-in ones stand beside this module; `--mesh ./file.yaml`
takes any other. Nothing in a profile changes a verdict: known deviations are shown beside it.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from smi_conformance.meshes.numbers import Numbers, Prometheus
from smi_conformance.meshes.recipe import Installation, Part, Posture, Words

__all__ = ["Installation", "Posture", "Profile", "ProfileError", "available", "load", "names"]
Role = Literal["mesh", "extension", "adapter", "producer", "none", "control"]
ROLES: dict[Role, str] = {
    "mesh": "reads SMI itself",
    "extension": "reads SMI with an extension of its own",
    "adapter": "reads SMI by an adapter beside it",
    "producer": "writes SMI objects for another mesh",
    "none": "never had SMI",
    "control": "belongs to this project",
}


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Versions = dict[str, Annotated[tuple[str, ...], BeforeValidator(_several)]]


class ProfileError(Exception):
    """The profile cannot be used: unknown name, unreadable file, or a field that does not fit."""


class Feature(Part):
    """A claim about one feature key of the register; anything but `full` needs a reason."""

    claim: Literal["full", "partial", "none"]
    reason: str | None = None


class Deviation(Part):
    """A known departure from a requirement, shown beside the verdict."""

    requirement: str
    text: str
    link: str | None = None


class Onboarding(Part):
    """What makes a pod a member of the mesh, and what keeps one out."""

    namespace_labels: dict[str, str] = {}
    namespace_annotations: dict[str, str] = {}
    pod_labels: dict[str, str] = {}
    pod_annotations: dict[str, str] = {}
    opt_out_labels: dict[str, str] = Field(default={}, description="keep one pod of such a namespace out of the mesh")
    opt_out_annotations: dict[str, str] = {}
    sidecar: str | None = Field(default=None, description="name of the container that every meshed pod must have")


def _host(template: str) -> str:
    unknown = {name for _, name, _, _ in Formatter().parse(template) if name is not None} - {"svc", "ns"}
    if unknown:
        raise ValueError(f"unknown placeholder {{{sorted(unknown)[0]}}}; known: {{svc}}, {{ns}}")
    return template


Host = Annotated[str, AfterValidator(_host)]


class Ports(Part):
    """How a Service tells the mesh what its ports speak.

    The protocols are http, tcp, udp, and tcp-server-first for TCP where the server speaks first. A port is named
    WORD-NUMBER, and has the word as its appProtocol.
    """

    words: dict[str, str] = Field(default={}, description="protocol to the word of the mesh; absent: tcp is tcp, ...")
    app_protocol: bool = Field(default=True, description="whether the word is written as appProtocol, too")
    annotations: dict[str, dict[str, str]] = Field(default={}, description="protocol to annotations of its Service")


class Run(Part):
    """A run of the suite that was seen."""

    date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    where: str
    record: str | None = Field(default=None, description="file or link with the outcome")


class Combination(Part):
    """One version of the mesh on some versions of Kubernetes."""

    mesh: str
    kubernetes: str
    historical: str | None = Field(default=None, description="why it cannot be brought up any more")
    run: Run | None = None


class Setting(Part):
    """One object that carries a switch of the mesh: a merge patch, applied before the run."""

    api_version: str
    kind: str
    namespace: str | None = None
    name: str
    patch: dict[str, Any]


class Profile(Part):
    """Everything that a run needs to know about a mesh."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    title: str
    version: str
    role: Role = "mesh"
    about: str = Field(default="", description="what can be said of it in a sentence or two")
    sources: list[str] = Field(default=[], description="where the facts of this profile stand")
    combinations: list[Combination] = []
    cannot_run: str | None = Field(default=None, description="why the suite cannot drive this mesh; a run is refused")
    claims: Versions = Field(description="API group to the versions that the mesh claims to serve: one, or a list")
    features: dict[str, Feature] = {}
    postures: dict[Posture, list[Setting]] = {}
    onboarding: Onboarding = Onboarding()
    ports: Ports = Ports()
    address: Host = Field(default="{svc}", description="how a client names a Service of its own namespace")
    address_elsewhere: Host = Field(default="{svc}.{ns}", description="how it names one of another namespace")
    trust_domain: str = Field(default="cluster.local", description="of the SPIFFE ids TRUST_DOMAIN/ns/NS/sa/NAME")
    latency_resolution: float = Field(
        default=2.5,
        ge=1,
        description="factor between the ends of the widest bucket in which latencies are kept; 1 is exact",
    )
    metrics: Numbers | None = Field(default=None, description="where the numbers are, if the mesh has no metrics API")
    deadlines: dict[str, float] = {}
    namespaces: list[str] = Field(default=[], description="where the mesh itself runs; dumped when a scenario fails")
    deployments: list[str] = Field(default=[], description="NAMESPACE/NAME that must be available before a run")
    daemonsets: list[str] = []
    statefulsets: list[str] = []
    apiservices: list[str] = Field(default=[], description="names of APIServices that must be available, too")
    dumps: list[Words] = Field(default=[], description="commands that show the state of the mesh, for a person")
    images: list[str] = Field(
        default=[], description="what the nodes have to pull: full references, without the suite's"
    )
    crds: dict[str, Annotated[tuple[str, ...], BeforeValidator(_several)]] = Field(
        default={},
        description="SMI resources that come with the mesh: name of the definition to the versions it serves",
    )
    deviations: list[Deviation] = []
    installer: Literal["none", "reference", "model"] = "none"
    installation: Installation | None = None
    enforces_access: bool = True

    @model_validator(mode="after")
    def _numbers_fit_the_claims(self) -> Self:
        absent = isinstance(self.metrics, Prometheus)
        if self.metrics and absent == bool(self.claims.get("metrics")):
            want = "is for a mesh that claims no metrics" if absent else "serves the API: claim metrics v1alpha1"
            raise ValueError(f"metrics: {self.metrics.source} {want}")
        return self

    @property
    def prometheus(self) -> Prometheus | None:
        """Where the numbers are, if there is no metrics API at all."""
        return self.metrics if isinstance(self.metrics, Prometheus) else None

    @property
    def verified(self) -> str | None:
        """Where and when runs were seen; None for a profile that never ran: it is unverified."""
        runs = [one.run for one in self.combinations if one.run]
        return "; ".join(f"{run.where}, {run.date}" for run in runs) or None

    @property
    def suffix(self) -> str:
        """What follows SERVICE.NAMESPACE in the names by which clients call through the mesh; usually nothing."""
        return self.address_elsewhere.partition("{svc}.{ns}")[2]


def names() -> list[str]:
    """The names of the built-in profiles."""
    return sorted(
        f.name.removesuffix(".yaml") for f in resources.files(__package__).iterdir() if f.name.endswith(".yaml")
    )


def available() -> list[Profile]:
    """The built-in profiles, by name."""
    return [load(name) for name in names()]


def load(mesh: str) -> Profile:
    """The profile that `--mesh` names: a built-in one, or a file when the name ends in .yaml or holds a slash.

    Raises ProfileError, with one line that says what is wrong and what to write instead.
    """
    if mesh.endswith((".yaml", ".yml")) or "/" in mesh:
        return _parse(_read(Path(mesh)), mesh)
    if mesh not in names():
        raise ProfileError(
            f"unknown mesh '{mesh}'; known: {', '.join(names())}, or the path of a profile (./my-mesh.yaml)"
        )
    return _parse((resources.files(__package__) / f"{mesh}.yaml").read_text(), f"{mesh}.yaml")


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
