"""State in, the configuration of every proxy out."""

from __future__ import annotations

from dataclasses import replace

from smi_conformance.lab.mesh import datagrams, envoy_inbound, envoy_outbound, policy, splits
from smi_conformance.lab.mesh.envoy import Resources
from smi_conformance.lab.mesh.faults import Switches
from smi_conformance.lab.mesh.model import Name, Pod, State
from smi_conformance.lab.mesh.snapshot import Snapshot, snapshot


def generate(state: State, switches: Switches) -> dict[Name, Snapshot]:
    """The configuration of the proxy of each meshed pod."""
    state = switches.state(state)
    meshed = [pod for pod in state.pods if pod.meshed]
    if switches.per_client:
        return {pod.name: snapshot(of_one(state, pod, switches)) for pod in meshed}
    # Where calls go is the same for all clients: made once.
    outbound = snapshot(_outbound(state, switches))
    return {pod.name: outbound | snapshot(_inbound(state, pod, switches)) for pod in meshed}


def _inbound(state: State, pod: Pod, switches: Switches) -> Resources:
    made = switches.inbound(policy.inbound(state, pod), state)
    return replace(envoy_inbound.resources(made), datagrams=[datagrams.inbound(made, state)])


def _outbound(state: State, switches: Switches) -> Resources:
    made = switches.outbound(splits.outbound(state), state)
    return replace(envoy_outbound.resources(made, state), datagrams=[datagrams.outbound(made, state)])


def of_one(state: State, pod: Pod, switches: Switches) -> Resources:
    """The configuration of one pod's proxy, made from the state that the switches made of the cluster's."""
    view = switches.view(state, pod)
    client, server = _outbound(view, switches), _inbound(view, pod, switches)
    merged = Resources(
        [*client.clusters, *server.clusters],
        [*client.listeners, *server.listeners],
        [*client.routes, *server.routes],
        [*client.datagrams, *server.datagrams],
    )
    return switches.proxy(merged, view, pod)
