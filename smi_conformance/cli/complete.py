"""What the shell offers for a word that is being typed. Nothing is raised: a prompt is no place for an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress


def _offered(known: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    def offer(incomplete: str) -> list[str]:
        with suppress(Exception):
            return [name for name in known() if name.startswith(incomplete)]
        return []

    return offer


@_offered
def requirements() -> Iterable[str]:
    """Ids and features of the register."""
    from smi_conformance.locations import REGISTER  # noqa: PLC0415
    from smi_conformance.model.register import load_register  # noqa: PLC0415

    register = load_register(REGISTER)
    return [*(entry.id for entry in register.requirements), *register.features]


@_offered
def meshes() -> Iterable[str]:
    """The built-in profiles."""
    from smi_conformance.meshes.profile import names  # noqa: PLC0415

    return names()


@_offered
def versions() -> Iterable[str]:
    """Choices of API versions."""
    from smi_conformance.model.versions import JUDGED, VERSIONS  # noqa: PLC0415

    return ["stable", "all", *(f"{group}={version}" for group in sorted(JUDGED) for version in VERSIONS[group])]


@_offered
def faults() -> Iterable[str]:
    """The switches of the reference mesh."""
    from smi_conformance.meshes import install, profile  # noqa: PLC0415

    return sorted(install.faults_of(profile.load("reference")))


@_offered
def postures() -> Iterable[str]:
    """The postures of a run."""
    return ["deny", "permissive", "both"]


@_offered
def rigors() -> Iterable[str]:
    """How much is tried."""
    return ["quick", "standard", "certify"]


@_offered
def clusters() -> Iterable[str]:
    """The backends."""
    return ["embedded", "kind", "kind:", "current", "model", "replay:"]


@_offered
def deadlines() -> Iterable[str]:
    """Names of deadlines."""
    from smi_conformance.judge.deadlines import Deadlines  # noqa: PLC0415

    return [f"{name}=" for name in Deadlines.names()]
