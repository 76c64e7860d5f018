"""What operators set in the ConfigMap smi-reference/refmesh-config."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

POSTURES = ("deny", "permissive")
WINDOW, INTERVAL = 30.0, 1.0
#: What the two may be, in seconds.
BOUNDS = {"metrics-window": (1.0, 600.0), "metrics-interval": (0.2, 60.0)}


@dataclass(frozen=True)
class Settings:
    """Posture, switched faults and seconds by which changes are held back; `problems` are values not understood.

    `window` is the time that metrics cover, `interval` how often proxies report requests, both in seconds.
    """

    posture: str = "deny"
    faults: tuple[str, ...] = ()
    delay: float = 0.0
    window: float = WINDOW
    interval: float = INTERVAL
    digest: str = ""
    problems: tuple[str, ...] = ()


def read(data: Mapping[str, str], known_faults: Mapping[str, str]) -> Settings:
    """Settings from the ConfigMap's data. What is not understood is left at its default."""
    faults = tuple(dict.fromkeys(data.get("faults", "").split()))
    posture, delay = data.get("posture", "deny").strip(), _seconds(data.get("delay", ""))
    problems = [f"unknown fault {fault}" for fault in faults if fault not in known_faults]
    if posture not in POSTURES:
        problems.append(f"unknown posture {posture!r}")
    if delay is None:
        problems.append(f"delay {data['delay']!r} is no number of seconds")
    window, interval = _bounded(data, "metrics-window", problems), _bounded(data, "metrics-interval", problems)
    return Settings(
        posture if posture in POSTURES else "deny",
        tuple(fault for fault in faults if fault in known_faults),
        delay or 0.0,
        window or WINDOW,
        interval or INTERVAL,
        digest(data),
        tuple(problems),
    )


def _bounded(data: Mapping[str, str], key: str, problems: list[str]) -> float | None:
    """A number of seconds within its bounds; None for anything else, which is a problem unless it is nothing."""
    text = data.get(key, "").strip()
    least, most = BOUNDS[key]
    seconds = _seconds(text) if text else None
    if text and (seconds is None or not least <= seconds <= most):
        problems.append(f"{key} {text!r} is no number of seconds from {least:g} to {most:g}")
        return None
    return seconds


def digest(data: Mapping[str, str]) -> str:
    """SHA-256, in hex, of the data as JSON with sorted keys and without white space."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _seconds(text: str) -> float | None:
    try:
        return max(float(text or 0), 0.0)
    except ValueError:
        return None
