"""The options of a run, and their check against the register and the profiles."""

from __future__ import annotations

import random
import re
import shlex
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from smi_conformance.cluster.backends import UnknownBackend, check_name
from smi_conformance.cluster.workload import Workload, WorkloadError
from smi_conformance.cluster.workload import load as load_workload
from smi_conformance.judge.deadlines import Deadlines
from smi_conformance.locations import REGISTER
from smi_conformance.meshes.install import faults_of
from smi_conformance.meshes.profile import Profile, ProfileError, load
from smi_conformance.model.register import Register, UnknownRequirement, load_register
from smi_conformance.model.versions import selected, words

POSTURES = ("deny", "permissive", "both")
RIGORS = ("quick", "standard", "certify")


class UsageError(Exception):
    """The options cannot be used together or name something unknown; one line says what to write instead."""


@dataclass(frozen=True)
class RunOptions:
    """What a user asks for: the options of `smi-conformance run`, and of plain pytest."""

    mesh: str = "reference"
    cluster: str = "embedded"
    requirements: tuple[str, ...] = ()
    api: tuple[str, ...] = ()
    posture: str = "deny"
    rigor: str = "standard"
    faults: tuple[str, ...] = ()
    report: Path = Path("reports/latest")
    workers: int = 0
    keep: bool = False
    seed: int | None = None
    deadlines: dict[str, float] = field(default_factory=dict)
    kubeconfig: Path | None = None
    context: str | None = None
    scenarios: tuple[str, ...] = ()
    """Node ids that the run is limited to; empty: no such limit."""
    max_time: float | None = None
    """Seconds from the start of the run after which no scenario begins."""
    delay: float = 0.0
    """Seconds that an object takes at most to reach the mesh of the model."""
    yes_this_cluster: bool = False
    """The user says that the cluster of --cluster current may be disturbed."""
    namespace_prefix: str = "smi"
    workload_file: Path | None = None
    workload_image: str | None = None
    kind_image: str | None = None
    kind_nodes: int = 1
    kind_config: Path | None = None

    def __post_init__(self) -> None:
        if self.cluster == "model" and self.mesh == "reference":  # which needs a cluster that runs its pods
            object.__setattr__(self, "mesh", "model")

    @cached_property
    def register(self) -> Register:
        return load_register(REGISTER)

    @cached_property
    def profile(self) -> Profile:
        return load(self.mesh)

    @cached_property
    def workload(self) -> Workload:
        """How the workload's pods are to be. Raises WorkloadError."""
        return load_workload(self.workload_file, self.workload_image)

    @cached_property
    def versions(self) -> dict[str, tuple[str, ...]]:
        """The versions under test of each API group. Raises ValueError for a word of `api` that means none."""
        return selected(self.api, self.profile.claims)

    @property
    def postures(self) -> tuple[str, ...]:
        """The postures of the run, in their order."""
        return POSTURES[:2] if self.posture == "both" else (self.posture,)

    def at(self, posture: str) -> RunOptions:
        """The same options for the part of the run in one posture."""
        return self if posture == self.posture else self._parts[posture]

    @cached_property
    def _parts(self) -> dict[str, RunOptions]:
        return {posture: replace(self, posture=posture) for posture in self.postures}

    @cached_property
    def limits(self) -> Deadlines:
        """Deadlines of this run: the defaults, the profile's, the user's, each over the one before."""
        return Deadlines().with_(**self.profile.deadlines).with_(**self.deadlines)

    @property
    def replay(self) -> Path | None:
        """The report folder that `--cluster replay:DIR` names."""
        return Path(self.cluster.split(":", 1)[1]) if self.cluster.startswith("replay:") else None

    @property
    def command(self) -> str:
        """How to repeat the run; where the cluster is, and where the report goes, is the reader's own affair."""
        words = ["smi-conformance", "run", "--mesh", self.mesh, "--cluster", self.cluster, "--posture", self.posture]
        words += ["--rigor", self.rigor, "--seed", str(self.seed)]
        words += ["--delay", f"{self.delay:g}"] if self.delay else []
        words += ["--kind-image", self.kind_image] if self.kind_image else []
        words += ["--kind-nodes", str(self.kind_nodes)] if self.kind_nodes > 1 else []
        words += [word for pattern in self.requirements for word in ("--requirement", pattern)]
        words += [word for choice in self.api for word in ("--api", choice)]
        words += [word for fault in self.faults for word in ("--fault", fault)]
        words += [word for name, limit in self.deadlines.items() for word in ("--deadline", f"{name}={limit:g}")]
        return shlex.join([*words, *(["-n", str(self.workers)] if self.workers else [])])

    @cached_property
    def selected(self) -> frozenset[str]:
        """Ids that the run asks for; all of the register when there is no filter."""
        if not self.requirements:
            return frozenset(r.id for r in self.register.requirements)
        return frozenset(r.id for pattern in self.requirements for r in self.register.find(pattern))

    def checked(self) -> RunOptions:
        """The same options with a seed, once everything in them is known to exist. Raises UsageError."""
        try:
            check_name(self.cluster)
            unknown = _unknown_fault(self.faults, faults_of(self.profile), self.mesh)
            _ = self.selected, self.limits, self.versions, self.workload
        except (UnknownBackend, ProfileError, UnknownRequirement, WorkloadError, TypeError, ValueError) as error:
            raise UsageError(str(error)) from error
        _one_of("posture", self.posture, POSTURES)
        _one_of("rigor", self.rigor, RIGORS)
        if unknown:
            raise UsageError(unknown)
        if self.max_time is not None and self.max_time <= 0:
            raise UsageError("--max-time takes seconds above 0")
        if self.delay < 0 or (self.delay and self.cluster != "model"):
            raise UsageError("--delay takes seconds, and --cluster model: elsewhere a mesh takes its own time")
        if self.posture == "both" and not self._can_turn:
            raise UsageError(f"profile {self.mesh} does not tell how to change the posture: run each one alone")
        self._check_cluster()
        if self.cluster == "model" and self.workers:
            raise UsageError("--cluster model is one process: leave out -n")
        if self.cluster != "model" and self.profile.installer == "model" and not self.replay:
            raise UsageError("--mesh model is for --cluster model only")
        if self.profile.cannot_run and self.cluster != "model" and not self.replay:
            raise UsageError(f"mesh {self.mesh} cannot be run: {self.profile.cannot_run}")
        return self if self.seed is not None else replace(self, seed=random.SystemRandom().randrange(2**32))

    def _check_cluster(self) -> None:
        kind = self.cluster.partition(":")[0] == "kind"
        if not kind and (self.kind_image or self.kind_config or self.kind_nodes != 1):
            raise UsageError("--kind-image, --kind-nodes and --kind-config go with --cluster kind")
        if self.kind_nodes < 1 or (self.kind_nodes > 1 and self.kind_config):
            raise UsageError(
                "--kind-nodes takes 1 or more, and not beside --kind-config, which says how many there are"
            )
        if self.kind_config and not self.kind_config.is_file():
            raise UsageError(f"--kind-config {self.kind_config}: there is no such file")
        if kind and not re.fullmatch(r"kind(:[a-z0-9][a-z0-9.-]{0,39})?", self.cluster):
            raise UsageError(f"--cluster {self.cluster}: kind's names are small letters, digits, dots and dashes")
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", self.namespace_prefix):
            raise UsageError("--namespace-prefix takes small letters, digits and dashes, at most 20, a letter first")

    @property
    def _can_turn(self) -> bool:
        profile = self.profile
        return len(profile.postures) > 1 or profile.installer == "model" or not profile.enforces_access

    def recorded(self, started: dict[str, Any]) -> RunOptions:
        """These options with the conditions of a recorded run: what judged it then judges it again."""
        return replace(
            self, mesh=started.get("profile", started["mesh"]["name"]), posture=started["posture"],
            rigor=started["rigor"], seed=started["seed"], faults=tuple(started["faults"]), api=words(started["api"]),
            deadlines=started["deadlines"], workers=0, namespace_prefix=started.get("namespace_prefix", "smi"),
        )  # fmt: skip


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"unknown {option} '{value}'; known: {', '.join(known)}")


def _unknown_fault(faults: tuple[str, ...], known: dict[str, str], mesh: str) -> str | None:
    for fault in faults:
        if fault not in known:
            same = [name for name in known if name.split("/")[0] == fault.split("/")[0]]
            hint = (
                f"known for {fault.split('/')[0]}: {', '.join(same)}" if same else "see `smi-conformance list --faults`"
            )
            return f"mesh {mesh} has no fault switch '{fault}'; {hint}"
    return None
