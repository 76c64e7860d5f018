"""Proof on a real cluster that every fault shows: `python -m selftest.lab.mesh.prove_faults [PART OF A NAME ...]`.

For each fault: switch it on, send requests, compare; then the same requests through the sound mesh, which has to
behave differently. Takes about fifteen minutes for all. Exit code 1 if any fault did not show.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from selftest.lab.mesh.fault_cases import CASES, Case
from selftest.lab.mesh.on_cluster import Cluster, remapped
from smi_conformance.lab.mesh.faults import FAULTS


@dataclass
class Proof:
    """What a fault showed, and the sound mesh under the same requests."""

    name: str
    faulty: Any
    sound: Any
    shown: Callable[[Any], bool]

    @property
    def good(self) -> bool:
        """Whether the fault shows and the sound mesh does not look the same."""
        return self.shown(self.faulty) and not self.shown(self.sound)


def prove(cluster: Cluster, name: str, case: Case) -> Proof:
    """Try one fault. The cluster is left without SMI objects."""
    cluster.configure(faults=name)
    try:
        for step in case.arrange:
            step(cluster)
        cluster.settle()
        faulty = case.look(cluster)
        cluster.configure()
        for step in case.arrange_again:
            step(cluster)
        cluster.settle()
        return Proof(name, faulty, case.look(cluster), case.shown)
    finally:
        cluster.clear()
        cluster.kubectl("-n", "mesh-a", "scale", "deploy/s-b", "--replicas=1")
        cluster.apply(remapped(8081))


def main(parts: list[str]) -> int:
    """Try all faults whose name holds one of the parts."""
    cluster = Cluster()
    cluster.build()
    cluster.clear()
    bad = [f"{name} has no case" for name in FAULTS if name not in CASES]
    for name in (name for name in CASES if not parts or any(part in name for part in parts)):
        proof = prove(cluster, name, CASES[name])
        sys.stdout.write(f"{'ok ' if proof.good else 'BAD'} {name}: {proof.faulty} | sound: {proof.sound}\n")
        sys.stdout.flush()
        bad += [] if proof.good else [name]
    cluster.configure()
    sys.stdout.write(f"bad: {bad}\n")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
