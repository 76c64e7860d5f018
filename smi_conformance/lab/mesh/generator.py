"""State in, the configuration of every proxy out."""

from __future__ import annotations

from smi_conformance.lab.mesh import envoy_inbound, envoy_outbound, policy, splits
from smi_conformance.lab.mesh.envoy import Resources
from smi_conformance.lab.mesh.faults import Switches
from smi_conformance.lab.mesh.model import Name, Pod, State
from smi_conformance.lab.mesh.snapshot import Snapshot, snapshot


def generate(state: State, switches: Switches) -> dict[Name, Snapshot]:
    """The configuration of the proxy of each meshed pod."""
    if switches:
        state = switches.state(state)
        return {pod.name: snapshot(faulty(state, pod, switches)) for pod in state.pods if pod.meshed}
    # Where calls go is the same for all clients: made once.
    outbound = snapshot(envoy_outbound.resources(splits.outbound(state), state))
    return {pod.name: outbound | snapshot(_inbound(state, pod)) for pod in state.pods if pod.meshed}


def _inbound(state: State, pod: Pod) -> Resources:
    return envoy_inbound.resources(policy.inbound(state, pod), state.ca)


def faulty(state: State, pod: Pod, switches: Switches) -> Resources:
    """What one proxy gets from a mesh with defects; `state` has been through the switches' own stage for it."""
    view = switches.view(state, pod)
    server = envoy_inbound.resources(switches.inbound(policy.inbound(view, pod), view), view.ca)
    client = envoy_outbound.resources(switches.outbound(splits.outbound(view), view, pod), view)
    merged = Resources(
        [*client.clusters, *server.clusters],
        [*client.listeners, *server.listeners],
        [*client.routes, *server.routes],
    )
    return switches.proxy(merged, view, pod)
