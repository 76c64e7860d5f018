"""What a run meets on a cluster: nodes, the clock, and other runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from smi_conformance.cluster.doctor.findings import Finding, Found, Patient, condition, holds, ok, problem, warning
from smi_conformance.cluster.reaper import ALIVE, BEAT, LABEL
from smi_conformance.cluster.testing import OPTION, NotATestCluster, require_test_cluster

SKEW = 5.0  # seconds: more is told
WRONG = 60.0  # seconds: certificates of a mesh may not be valid yet, or any more


def nodes(patient: Patient) -> Found:
    """Where pods can run."""
    found = patient.items("/api/v1/nodes")
    usable = [node for node in found if holds(node, "Ready") and not node["spec"].get("unschedulable")]
    told = f"{len(usable)} of {len(found)} ready for pods"
    why = "; ".join(_why(node) for node in found if node not in usable)
    if not usable:
        yield problem("nodes", f"{told}: {why}", "kubectl describe nodes; kubectl uncordon NODE")
    elif why:
        yield warning("nodes", f"{told}: {why}", "kubectl describe nodes; kubectl uncordon NODE")
    else:
        yield ok("nodes", told)


def _why(node: Mapping[str, Any]) -> str:
    name = node["metadata"]["name"]
    if node["spec"].get("unschedulable"):
        return f"{name} is cordoned"
    return f"{name} is not Ready ({condition(node, 'Ready').get('message') or 'no word from its kubelet'})"


def dns(patient: Patient) -> Found:
    """The pods of the cluster's DNS, where they can be told by their label; the canary asks for a name."""
    pods = patient.items("/api/v1/namespaces/kube-system/pods", label_selector="k8s-app=kube-dns")
    ready = [pod for pod in pods if holds(pod, "Ready")]
    if pods and not ready:
        remedy = "kubectl -n kube-system describe pods -l k8s-app=kube-dns"
        yield problem("cluster DNS", f"none of its {len(pods)} pods is ready", remedy)


def clock(patient: Patient) -> Found:
    """The API server's clock beside that of this machine."""
    before = time.time()
    answer = patient.request("GET", "/version")
    told = told_time(answer)
    if told is None:
        yield ok("clock", "the API server's answers carry no date: not looked at")
        return
    # The header counts whole seconds; where between question and answer it was written is not known.
    early, late = before - 1.0, time.time()
    yield apart("clock", "the API server", max(told.timestamp() - late, early - told.timestamp(), 0.0))


def told_time(answer: Any) -> datetime | None:
    """The time in an answer of the API server."""
    text = answer.headers.get("Date")
    return parsedate_to_datetime(text) if text else None


def apart(check: str, whose: str, seconds: float) -> Finding:
    """What is to be said of a clock that is off by so much."""
    remedy = "set the clocks by NTP: timedatectl set-ntp true"
    found = f"{whose} and this machine are {seconds:.0f} s apart"
    if seconds > WRONG:
        return problem(check, f"{found}: certificates may not be valid", remedy)
    return warning(check, found, remedy) if seconds > SKEW else ok(check, f"{whose} has the time of this machine")


def runs(patient: Patient) -> Found:
    """Namespaces of other runs: those of one that is going on would be in each other's way, others only lie about."""
    answer = patient.request("GET", "/api/v1/namespaces", label_selector=LABEL)
    now, others = told_time(answer), _by_run(patient, answer)
    for run, spaces in others.items():
        names = ", ".join(space["metadata"]["name"] for space in spaces)
        if all(space["status"].get("phase") == "Terminating" for space in spaces):
            yield warning(
                "other runs",
                f"namespaces of run {run} are being deleted: {names}",
                "wait, or see what holds them: kubectl get namespace -o yaml",
            )
        elif now and any(now - _seen(space) < timedelta(seconds=3 * BEAT) for space in spaces):
            yield problem(
                "other runs",
                f"run {run} is going on: {names}",
                "wait for its end: two runs share the mesh, and disturb each other",
            )
        else:
            yield warning("other runs", f"left of run {run}: {names}", f"kubectl delete namespace -l {LABEL}={run}")
    if not others:
        yield ok("other runs", "no namespaces of any")


def purpose(patient: Patient) -> Found:
    """Whether the cluster looks like one for tests: on another one a run begins only where that is said."""
    try:
        require_test_cluster(patient.api, patient.profile.namespaces)
    except NotATestCluster as error:
        yield warning("purpose", str(error), f"if it is one: smi-conformance run {OPTION}")


def _by_run(patient: Patient, answer: Any) -> dict[str, list[dict[str, Any]]]:
    import json  # noqa: PLC0415

    others: dict[str, list[dict[str, Any]]] = {}
    for space in json.loads(answer.data)["items"] or ():
        if (run := space["metadata"]["labels"][LABEL]) != patient.run:
            others.setdefault(run, []).append(space)
    return others


def _seen(space: Mapping[str, Any]) -> datetime:
    """When a namespace's run was last known to go on, by the clock of the API server."""
    meta = space["metadata"]
    return datetime.fromisoformat((meta.get("annotations") or {}).get(ALIVE) or meta["creationTimestamp"])
