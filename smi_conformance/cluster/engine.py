"""The container engine whose containers are the nodes of kind, and programs in general, told by ClusterErrors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from smi_conformance.cluster.port import ClusterError
from smi_conformance.cluster.programs import SHORT, ProgramError, output

PROVIDER = "KIND_EXPERIMENTAL_PROVIDER"  # kind's own: podman or nerdctl instead of docker


def ask(argv: Sequence[str], timeout: float = SHORT) -> str:
    """Standard output of a program. Raises ClusterError with its complaint in one line."""
    try:
        return output(argv, timeout)
    except ProgramError as error:
        raise ClusterError(str(error)) from error


@dataclass(frozen=True)
class Engine:
    """Docker, or what kind uses instead of it."""

    name: str

    @classmethod
    def found(cls) -> Engine:
        """The one that kind will use, known to work. Raises ClusterError with what to do."""
        engine = cls(os.environ.get(PROVIDER) or "docker")
        try:
            engine.ask("version")
        except ClusterError as error:
            advice = f"start it, or set DOCKER_HOST or {PROVIDER}; --cluster embedded needs no {engine.name}"
            raise ClusterError(f"{error}: {advice}") from error
        return engine

    def ask(self, *words: str, timeout: float = SHORT) -> str:
        """What the engine answers. Raises ClusterError."""
        return ask([self.name, *words], timeout)

    def label(self, image: str, label: str) -> str | None:
        """A label of an image, empty when it has none of that name; None when there is no such image."""
        try:
            return self.ask("image", "inspect", "--format", f'{{{{index .Config.Labels "{label}"}}}}', image).strip()
        except ClusterError:
            return None

    def has(self, image: str) -> bool:
        """Whether an image is there, which then need not be pulled."""
        return self.label(image, "") is not None
