"""Which requirements a run without options judges. Imports nothing of the plugin, which pytest has to import itself."""

from __future__ import annotations

from collections.abc import Iterable

from smi_conformance.locations import REGISTER
from smi_conformance.model.register import load_register
from smi_conformance.model.versions import BASELINE


def by_default(names: Iterable[str]) -> set[str]:
    """Those of the stable versions where access is enforced: what a run without options is about."""
    entries = [load_register(REGISTER).get(name) for name in names]
    return {
        one.id
        for one in entries
        if one.posture != "permissive" and (one.group not in BASELINE or BASELINE[one.group] in one.versions)
    }
