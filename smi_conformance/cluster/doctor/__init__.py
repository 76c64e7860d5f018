"""The doctor: what is wrong with a cluster or a mesh, told before a run and at its start.

`smi-conformance doctor` makes all checks and tells each (`checks`). A run makes the same ones when it begins on a
cluster that it does not own (`before_run`), and does not begin where one finds what would spoil it. There is no other
place where a run looks at its surroundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException

from smi_conformance.cluster.backends import connect, reachable
from smi_conformance.cluster.doctor import mesh, places, serving, surroundings
from smi_conformance.cluster.doctor.canary import Canary
from smi_conformance.cluster.doctor.findings import (
    UNREACHABLE,
    Finding,
    Found,
    Patient,
    Severity,
    fatal,
    ok,
    warning,
)
from smi_conformance.cluster.port import ClusterError
from smi_conformance.cluster.reaper import Reaper, by_hand, new_run, remove
from smi_conformance.cluster.workload import Workload
from smi_conformance.judge.convergence import DeadlineExpired, until
from smi_conformance.judge.deadlines import Deadlines
from smi_conformance.meshes.profile import Profile

__all__ = ["Finding", "Patient", "Question", "Severity", "before_run", "checks"]

# Cheapest first; none of them creates anything.
LOOKS: tuple[Callable[[Patient], Found], ...] = (
    serving.allowed, serving.resources, surroundings.nodes, surroundings.clock, surroundings.dns, mesh.workloads,
    mesh.webhooks, mesh.aggregated, mesh.posture, surroundings.runs, surroundings.purpose,
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    """What `smi-conformance doctor` is asked: which cluster, for which mesh, and whether it may make a pod there."""

    cluster: str
    profile: Profile
    postures: tuple[str, ...] = ("deny",)
    kubeconfig: Path | None = None
    context: str | None = None
    canary: bool = True
    workload: Workload = field(default_factory=Workload)


def checks(question: Question) -> Found:
    """The findings for a backend, cheapest first; a fatal one is the last."""
    if question.cluster in ("embedded", "model"):
        yield places.lab() if question.cluster == "embedded" else places.model()
        return
    try:
        api = connect(question.kubeconfig, question.context)
    except ClusterError as error:
        yield fatal("cluster", str(error), "pass --kubeconfig and --context")
        return
    try:
        yield from _of_cluster(api, question)
    finally:
        api.close()


def _of_cluster(api: ApiClient, question: Question) -> Found:
    try:
        version = reachable(api)
    except ClusterError as error:
        yield fatal("cluster", str(error), "kubectl cluster-info, or pass --kubeconfig and --context")
        return
    yield ok("cluster", f"{api.configuration.host}, Kubernetes {version.git_version}")
    ready = Deadlines().with_(**question.profile.deadlines).ready
    yield from _examined(
        Patient(api, question.profile, new_run(), question.postures, ready, question.workload), question
    )


def _examined(patient: Patient, question: Question) -> Found:
    wrong = False
    for finding in _looked(patient):
        wrong = wrong or finding.stops
        yield finding
    if question.canary:
        yield from _with_canary(patient, question, Canary(patient, hurried=wrong))


def _looked(patient: Patient) -> Found:
    for look in LOOKS:
        yield from _guarded(look, patient)


def _guarded(look: Callable[[Patient], Found], patient: Patient) -> Found:
    """The findings of one check. What it cannot read it cannot judge: that is told, and left to the others."""
    try:
        yield from look(patient)
    except UNREACHABLE as error:
        told = f"{error.status} {error.reason}" if isinstance(error, ApiException) else " ".join(str(error).split())
        remedy = "ask for the right to read this (manifests/rights.yaml), or look at the API server"
        yield warning(look.__name__, f"not looked at: {told[:200]}", remedy)


def _with_canary(patient: Patient, question: Question, canary: Canary) -> Found:
    reaper = Reaper(question.kubeconfig, question.context, patient.run)  # should this process be killed
    try:
        yield from _guarded(lambda _: canary.findings(), patient)
    finally:
        left = _removed(patient)
        if not left:
            reaper.dismiss()
    if left:
        yield warning("leftovers", left, by_hand(patient.run))


def _removed(patient: Patient) -> str:
    """Remove everything; what is left, or nothing."""
    try:
        until(lambda: not remove(patient.api, patient.run), deadline=Deadlines().delete, poll=0.5)
    except (DeadlineExpired, *UNREACHABLE):
        return f"namespace {patient.prefix}-{patient.run}-c is still there"
    return ""


def before_run(patient: Patient, willing: Callable[[], None], protected: Callable[[], None]) -> None:
    """What a run does not begin without.

    `willing` is called when it is known that the cluster can be looked at, `protected` before anything is made. The
    canary's namespace stays until the end of the run, for other runs to see. Raises ClusterError with all that was
    found in one look.
    """
    _stop_at(_guarded(serving.allowed, patient))
    willing()
    _stop_at(finding for look in LOOKS[1:] for finding in _guarded(look, patient))
    protected()
    canary = Canary(patient)
    try:
        _stop_at(_guarded(lambda _: canary.findings(), patient))
        # Two that begin at once see each other here, for each has made its namespace before it looks.
        _stop_at(_guarded(surroundings.runs, patient))
    finally:
        canary.leave()


def _stop_at(findings: Iterable[Finding]) -> None:
    found = [finding for finding in findings if finding.stops]
    if found:
        raise ClusterError("; ".join(f"{one.check}: {one.found} (to mend it: {one.remedy})" for one in found))
