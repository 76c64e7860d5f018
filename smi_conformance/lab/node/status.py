"""The status of a pod, composed from the states of its containers."""

from __future__ import annotations

from collections.abc import Sequence

from smi_conformance.lab.api.store import Object, now

from . import network
from .supervisor import Supervisor


def is_sidecar(spec: Object) -> bool:
    """Whether an init container is a native sidecar."""
    return bool(spec.get("restartPolicy") == "Always")


def phase(pod: Object, initialized: bool, failed_init: bool, containers: Sequence[Supervisor], *, over: bool) -> str:
    """Pending, Running, Succeeded or Failed; over: nothing will be started any more."""
    if failed_init:
        return "Failed"
    codes = [container.exit_code for container in containers]
    if over and all(code is not None for code in codes):
        return "Succeeded" if not any(codes) else "Failed"
    if not initialized:
        return "Pending"
    begun = all("waiting" not in c.state.state or c.state.last for c in containers)
    return "Running" if begun else "Pending"


def _transition(conditions: Sequence[Object], kind: str, status: bool, reason: str, message: str) -> Object:
    """The condition, with the time at which it last changed."""
    known = next((c for c in conditions if c["type"] == kind), None)
    value = "True" if status else "False"
    since = known["lastTransitionTime"] if known and known["status"] == value else now()
    condition = {"type": kind, "status": value, "lastProbeTime": None, "lastTransitionTime": since}
    extra = {"reason": reason, "message": message}
    return condition | {key: text for key, text in extra.items() if text}


def _unready(containers: Sequence[Supervisor]) -> str:
    names = " ".join(container.name for container in containers if not container.state.ready)
    return f"containers with unready status: [{names}]" if names else ""


def conditions(
    pod: Object,
    initialized: bool,
    init: Sequence[Supervisor],
    containers: Sequence[Supervisor],
    *,
    over: bool,
) -> list[Object]:
    """PodScheduled, Initialized, ContainersReady and Ready; those that others set stay."""
    known: list[Object] = pod.get("status", {}).get("conditions") or []
    serving = [*(c for c in init if is_sidecar(c.spec)), *containers]
    unready = _unready(serving)
    ready = initialized and not over and not unready
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    open_gates = all(any(c["type"] == g and c["status"] == "True" for c in known) for g in gates)
    why = "" if ready else "PodCompleted" if over else "ContainersNotReady"
    gate_why = "ReadinessGatesNotReady" if ready and not open_gates else why
    uninitialized = "" if initialized else f"containers with incomplete status: [{_incomplete(init)}]"
    own = [
        _transition(
            known,
            "Initialized",
            initialized,
            "" if initialized else "ContainersNotInitialized",
            uninitialized,
        ),
        _transition(known, "Ready", ready and open_gates, gate_why, unready),
        _transition(known, "ContainersReady", ready, why, unready),
        _transition(known, "PodScheduled", True, "", ""),
    ]
    types = {condition["type"] for condition in own}
    return own + [condition for condition in known if condition["type"] not in types]


def _incomplete(init: Sequence[Supervisor]) -> str:
    return " ".join(c.name for c in init if not is_sidecar(c.spec) and c.exit_code != 0)


def qos_class(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort."""
    resources = [c.get("resources") or {} for c in pod["spec"]["containers"]]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    limits = [r.get("limits") or {} for r in resources]
    whole = all({"cpu", "memory"} <= limit.keys() for limit in limits)
    equal = all((r.get("requests") or r["limits"]) == r["limits"] for r in resources if r.get("limits"))
    return "Guaranteed" if whole and equal else "Burstable"


def compose(
    pod: Object,
    ip: str,
    started: str,
    init: Sequence[Supervisor],
    containers: Sequence[Supervisor],
    *,
    initialized: bool,
    over: bool,
) -> Object:
    """The whole status."""
    never = pod["spec"].get("restartPolicy") == "Never"
    plain = [c for c in init if not is_sidecar(c.spec)]
    failed_init = over and never and any(c.exit_code for c in plain)
    address = {"podIP": ip, "podIPs": [{"ip": ip}]} if ip else {}
    statuses = {"containerStatuses": [c.state.status(c.spec) for c in containers]}
    if init:
        statuses["initContainerStatuses"] = [c.state.status(c.spec) for c in init]
    return {
        "phase": phase(pod, initialized, failed_init, containers, over=over),
        "conditions": conditions(pod, initialized, init, containers, over=over),
        "hostIP": network.NODE_IP,
        "hostIPs": [{"ip": network.NODE_IP}],
        **address,
        "startTime": started,
        "qosClass": qos_class(pod),
        **statuses,
    }
