"""What a run stands on: the cluster, the mesh in its posture, and the way back.

Opened once per run, by the process that the user started; workers get the coordinates.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from smi_conformance import __version__
from smi_conformance.cluster.backends import Asked, Backend, open_backend
from smi_conformance.cluster.doctor import Patient, before_run
from smi_conformance.cluster.facts import cluster_facts, images, read
from smi_conformance.cluster.journal import Unrecorded
from smi_conformance.cluster.kube import KubeCluster
from smi_conformance.cluster.port import ClusterError, Ref
from smi_conformance.cluster.reaper import LABEL, Reaper, by_hand, new_run, remove
from smi_conformance.cluster.testing import require_test_cluster
from smi_conformance.judge.convergence import DeadlineExpired, until
from smi_conformance.judge.deadlines import Deadlines
from smi_conformance.locations import SUITE
from smi_conformance.meshes.install import configure, install, wait_ready
from smi_conformance.meshes.proof import told
from smi_conformance.plugin.judging import served_versions
from smi_conformance.plugin.settings import RunOptions

Progress = Callable[[str], None]


@dataclass
class Environment:
    """An open environment; `close` gives everything back and may be called at any time, again and again."""

    options: RunOptions
    run: str
    started: dict[str, Any]
    backend: Backend | None = None
    reaper: Reaper | None = None
    end: float | None = None
    """When no scenario may begin any more, in seconds of the system clock."""
    posture: str = ""
    """Of the mesh, as it is now; empty until the run has set one."""
    _open: bool = field(default=True, repr=False)

    def coordinates(self) -> dict[str, Any]:
        """What a worker needs to reach the same cluster."""
        kubeconfig = str(self.backend.kubeconfig) if self.backend and self.backend.kubeconfig else None
        context = self.backend.context if self.backend else None
        served = served_versions(self.started)
        return {
            "run": self.run, "kubeconfig": kubeconfig, "context": context, "seed": self.options.seed, "served": served,
            "end": self.end, "model": self.backend if self.backend and self.backend.name == "model" else None,
        }  # fmt: skip

    def images(self) -> dict[str, str]:
        """Image to digest, of the workload and the mesh; nothing when the cluster cannot tell any more."""
        if not self.backend:
            return {}
        try:
            api = self.backend.api()
            own = read(api, "/api/v1/namespaces", label_selector=f"{LABEL}={self.run}")["items"]
            return images(api, [*(n["metadata"]["name"] for n in own), *self.options.profile.namespaces])
        except (ApiException, HTTPError, OSError):
            return {}

    def turn(self, posture: str, progress: Progress) -> None:
        """Bring the mesh into a posture, unless it is in it. Raises ClusterError."""
        if posture == self.posture or not self.backend:
            return
        progress(f"posture {posture}")
        if self.options.profile.enforces_access:
            self.backend.turn(posture)
        self.configure(posture, self.options.faults)
        self.posture = posture

    def configure(self, posture: str, faults: Sequence[str]) -> None:
        """Set the switches of the mesh. Raises ClusterError. The model has none, whatever mesh it stands for."""
        if self.backend and self.backend.name != "model":
            configure(self.backend.cluster(Unrecorded()), self.options.profile, posture, faults)

    def close(self, progress: Progress) -> None:
        """Remove what the run made, and end what it started. Raises ClusterError when something stays."""
        if not self._open:
            return
        self._open = False
        try:
            if self.backend and not self.backend.owned:
                self._give_back(progress)
        finally:
            if self.backend:
                self.backend.close()

    def _give_back(self, progress: Progress) -> None:
        assert self.backend
        if self.reaper and not self.options.keep:
            progress("removing the namespaces of the run")
            _remove(self.backend, self.run, self.options.limits.delete)
        first = self.options.postures[0]
        if self.posture and (self.options.faults or self.posture != first):
            self.configure(first, ())
        if self.reaper:
            self.reaper.dismiss()

    def protect(self) -> None:
        """From now on something removes what the run makes, should it die."""
        if self.backend and not self.reaper:
            self.reaper = Reaper(self.backend.kubeconfig, self.backend.context, self.run, self.backend.folder)


def open_environment(options: RunOptions, progress: Progress) -> Environment:
    """Start or reach the cluster and bring the mesh into the posture of the run. Raises ClusterError."""
    if options.replay:
        started = recorded_start(options.replay)
        return Environment(options.recorded(started), started["run"], started)
    run = new_run()
    backend = _open_model(options) if options.cluster == "model" else _open(options, run, progress)
    environment = Environment(options, run, {}, backend)
    try:
        _prepare(environment, progress)
    except BaseException as error:
        try:
            environment.close(progress)
        except ClusterError as left:
            if isinstance(error, ClusterError):  # an interrupt stays one
                raise ClusterError(f"{error}; {left}") from error
        raise
    return environment


def _open(options: RunOptions, run: str, progress: Progress) -> Backend:
    images = (options.workload.image, *options.profile.images)
    equip = options.profile.installer == "reference" or not options.profile.deployments
    asked = Asked(
        options.cluster, run, options.kubeconfig, options.context, options.kind_image, options.kind_nodes,
        options.kind_config, images, options.keep, equip,
    )  # fmt: skip
    return open_backend(asked, progress)


def _open_model(options: RunOptions) -> Backend:
    try:
        from smi_conformance.cluster.model.backend import ModelBackend  # noqa: PLC0415  # stands on the optional extra
    except ImportError as error:
        raise ClusterError(f"the model needs the extra 'lab' ({error}): pip install 'smi-conformance[lab]'") from error
    profile, seed = options.profile, options.seed or 0
    if profile.role == "control":
        return ModelBackend(
            profile.onboarding, options.postures[0], options.faults, seed, options.delay, prometheus=profile.prometheus
        )
    # With the profile of another mesh the model plays its part, also where that has no sidecars, or no access control.
    onboarding = profile.onboarding.model_copy(update={"sidecar": profile.onboarding.sidecar or "model-proxy"})
    posture = options.postures[0] if profile.enforces_access else "permissive"
    return ModelBackend(onboarding, posture, options.faults, seed, options.delay, profile.suffix, profile.prometheus)


def _prepare(environment: Environment, progress: Progress) -> None:
    options, backend = environment.options, environment.backend
    assert backend
    cluster = backend.cluster(Unrecorded())
    if backend.ours:
        install(cluster, options.profile, progress)
    else:
        _examine(environment, cluster, progress)
    if not backend.owned:
        environment.protect()
    environment.posture = options.postures[0]
    for text in _notes(options):
        progress(text)
    progress(f"posture {environment.posture}" + (f", faults {', '.join(options.faults)}" if options.faults else ""))
    environment.configure(environment.posture, options.faults)
    environment.started = _started(environment)


def _notes(options: RunOptions) -> Iterator[str]:
    """What a reader of the verdicts has to know of the profile."""
    profile = options.profile
    if not profile.verified:
        yield f"profile {profile.name}: {told(profile)}: no run with it was seen yet"
    there = profile.installation.by_posture if profile.installation else {}
    if there and not profile.postures and options.cluster != "model":
        yield (
            f"posture {options.postures[0]} is what {profile.title} has to be installed with "
            f"(mesh install {profile.name} --posture {options.postures[0]}): a run cannot change it"
        )


def _examine(environment: Environment, cluster: KubeCluster, progress: Progress) -> None:
    """Wait for the mesh, which may just have been installed, and see that nothing would spoil the run."""
    options, backend = environment.options, environment.backend
    assert backend
    progress("looking at the cluster and the mesh")
    patient = Patient(
        backend.api(), options.profile, environment.run, options.postures, options.limits.ready, options.workload,
        options.namespace_prefix,
    )  # fmt: skip

    def willing() -> None:
        if not options.yes_this_cluster:
            require_test_cluster(patient.api, options.profile.namespaces)
        if all(cluster.get(_deployment(name)) for name in options.profile.deployments):
            with suppress(ClusterError):  # why it does not come is found afterwards
                wait_ready(cluster, options.profile)

    before_run(patient, willing, environment.protect)


def _deployment(name: str) -> Ref:
    namespace, _, own = name.partition("/")
    return Ref("apps/v1", "Deployment", own, namespace)


def _remove(backend: Backend, run: str, deadline: float) -> None:
    api = backend.api()
    try:
        until(lambda: not remove(api, run), deadline=deadline, clock=Unrecorded())
    except (DeadlineExpired, ApiException, HTTPError, OSError) as error:
        why = "" if isinstance(error, DeadlineExpired) else f" ({_first_line(error)})"
        raise ClusterError(f"what the run made is left{why}: {by_hand(run)}") from error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def recorded_start(folder: Path) -> dict[str, Any]:
    """The run-started event of a report folder. Raises ClusterError when there is none."""
    try:
        with (folder / "events.jsonl").open(encoding="utf-8") as lines:
            event: dict[str, Any] = json.loads(next(lines))
    except (OSError, ValueError, StopIteration) as error:
        raise ClusterError(f"{folder} is no report folder: its events.jsonl cannot be read") from error
    return event


def _started(environment: Environment) -> dict[str, Any]:
    """The run-started event."""
    options, backend = environment.options, environment.backend
    assert backend
    profile, limits = options.profile, options.limits
    return {
        "event": "run-started",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": environment.run,
        "suite": {"version": __version__, "commit": _commit()},
        "register": {"sha256": options.register.sha256, "spec_commit": options.register.spec_commit},
        "profile": options.mesh,
        "mesh": {
            "name": profile.name, "title": profile.title, "version": profile.version, "verified": profile.verified,
            "claims": {group: list(few) for group, few in profile.claims.items()},
            "features": {k: f.model_dump() for k, f in profile.features.items()},
            "deviations": [d.model_dump() for d in profile.deviations],
        },
        "cluster": cluster_facts(backend.api(), backend.name),
        "posture": options.posture, "rigor": options.rigor, "seed": options.seed, "workers": options.workers,
        "api": {group: list(few) for group, few in options.versions.items()},
        "faults": list(options.faults), "filter": list(options.requirements),
        "deadlines": limits.to_json(), "raised": limits.raised(), "default_deadlines": Deadlines().to_json(),
        "command": options.command, "who": None, "namespace_prefix": options.namespace_prefix,
    }  # fmt: skip


def _commit() -> str | None:
    """The suite's commit when it runs from a checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(SUITE), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
