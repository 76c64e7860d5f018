"""UDP in the form in which a sidecar's agent gets it: what its pod lets in, and where flows to split Services go.

UDP has no mutual TLS, so a source is known by the addresses that the Kubernetes API gives for its pods.
"""

from __future__ import annotations

from smi_conformance.lab.mesh.model import ANYONE, Json, State
from smi_conformance.lab.mesh.policy import Inbound
from smi_conformance.lab.mesh.splits import Choice, Outbound, VirtualPort


def inbound(made: Inbound, state: State) -> Json:
    """What a pod lets in, as a resource."""
    granted = [[ip, port] for port, sources in made.udp.items() for ip in addresses(sources, state)]
    opened = [port for port, sources in made.udp.items() if ANYONE in sources]
    return {"name": "inbound", "open": made.open, "granted": granted, "to_everybody": opened}


def addresses(sources: tuple[str, ...], state: State) -> list[str]:
    """The addresses of the pods in the mesh that one of the sources fits."""
    exact = {source for source in sources if not source.endswith("*")}
    prefixes = tuple(source.removesuffix("*") for source in sources if source.endswith("*") and source != ANYONE)
    return sorted(
        pod.ip
        for pod in state.pods
        if pod.meshed and pod.ip and (exact.intersection(pod.identities) or pod.account.spiffe.startswith(prefixes))
    )


def outbound(made: Outbound, state: State) -> Json:
    """Where the flows of a client go, as a resource."""
    return {"name": "outbound", "splits": [_split(port, state) for port in made.datagrams]}


def _split(port: VirtualPort, state: State) -> Json:
    backends = [_backend(choice, state) for choice in port.branches[-1].choices]
    return {"address": port.service.vip, "port": port.port.number, "backends": backends}


def _backend(choice: Choice, state: State) -> Json:
    endpoints = state.services[choice.service].udp_ports[choice.port].endpoints
    called = [[ip, choice.target or number] for ip, number in endpoints]
    return {"name": str(choice.service), "weight": choice.weight, "endpoints": called}
