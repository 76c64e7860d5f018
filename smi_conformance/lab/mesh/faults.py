"""All defects the mesh can be given, by the names the register of requirements has for them."""

from __future__ import annotations

from smi_conformance.lab.mesh import (
    faults_access,
    faults_clients,
    faults_proxy,
    faults_routes,
    faults_split,
)
from smi_conformance.lab.mesh.switchboard import FAULTS, Switches

__all__ = ["FAULTS", "NOT_SWITCHABLE", "Switches"]

#: Defects of the register that this mesh cannot have, and why.
NOT_SWITCHABLE: dict[str, str] = {}

#: Importing them registers their switches.
MODULES = (faults_access, faults_clients, faults_proxy, faults_routes, faults_split)
