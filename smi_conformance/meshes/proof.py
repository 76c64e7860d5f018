"""What is known of a profile: runs that were seen, that an API server took its objects, or that it was rendered.

`proof.json` is made by `python -m selftest.proof.profiles`; it counts for a profile only while that says the same.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

from smi_conformance.meshes.profile import Profile

JUDGED = {
    "claims", "crds", "features", "onboarding", "ports", "address", "address_elsewhere", "enforces_access", "postures",
}  # fmt: skip
RECORD = "docs/proof/profiles.md"


def digest(profile: Profile) -> str:
    """SHA-256 of all in a profile that decides what is written to a cluster."""
    text = json.dumps(profile.model_dump(mode="json", include=JUDGED), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def record(profile: Profile) -> dict[str, Any]:
    """What was proven of a profile, with `rendered` and `accepted`; empty when nothing was, or of another edition."""
    found: dict[str, Any] = _records().get(profile.name, {})
    return found if found.get("digest") == digest(profile) else {}


@cache
def _records() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((resources.files(__package__) / "proof.json").read_text(encoding="utf-8"))
    return found


def state(profile: Profile) -> str:
    """The furthest that a profile got: run, accepted, rendered, or nothing."""
    if profile.verified:
        return "run"
    proven = record(profile)
    return next((word for word in ("accepted", "rendered") if word in proven), "nothing")


def told(profile: Profile) -> str:
    """The state in words; what never ran is unverified, whatever else was proven."""
    if profile.verified:
        return f"run: {profile.verified}"
    proven = record(profile)
    if "accepted" in proven:
        one = proven["accepted"]
        return f"unverified; accepted by Kubernetes {one['kubernetes']}, {one['date']}"
    if "rendered" in proven:
        return f"unverified; rendered on the model, {proven['rendered']['date']}"
    return "unverified"
