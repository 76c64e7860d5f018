"""How a container of a pod is to be started: program, root with mounts, log."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from smi_conformance.lab.api.store import Object, Store

from . import capabilities, environment
from .container import Bind, Program, Root
from .environment import ConfigError
from .events import Recorder
from .images import Image, Images
from .runtime import Process, Runtime, Sandbox
from .volumes import Volumes

_TERMINATION_LOG = "/dev/termination-log"
_TERMINATION_MESSAGE = 4096  # bytes


class PodContext(Protocol):
    """What a container needs of its pod."""

    store: Store
    runtime: Runtime
    images: Images
    events: Recorder
    directory: Path
    volumes: Volumes
    sandbox: Sandbox
    ip: str
    etc: dict[str, str]

    @property
    def object(self) -> Object:
        """The pod as the store has it."""
        ...

    def changed(self) -> None:
        """The container's state is another now."""


class Recipe:
    """What a container's spec asks for, made of what the pod has."""

    def __init__(self, pod: PodContext, spec: Object) -> None:
        self._pod, self._spec = pod, spec
        self._name: str = spec["name"]

    def log(self, run: int) -> Path:
        """The log file of the run of that number."""
        return self._pod.directory / "logs" / self._name / f"{run}.log"

    def program(self, image: Image) -> Program:
        """The container's program. Raises ConfigError."""
        pod, spec = self._pod, self._spec
        variables = environment.build(pod.store, pod.object, spec, image.environment)
        granted = capabilities.granted(spec.get("securityContext") or {})
        return Program(self._argv(image, variables), variables, spec.get("workingDir") or "/", granted)

    def _argv(self, image: Image, variables: dict[str, str]) -> list[str]:
        words = [*(self._spec.get("command") or []), *(self._spec.get("args") or [])] or image.command
        if not words:
            raise ConfigError("no command specified")
        return [environment.expand(word, variables) for word in words]

    def root(self, image: Image) -> Root:
        """The image's root with the pod's volumes and files. Raises ConfigError."""
        mounts = sorted(self._spec.get("volumeMounts") or (), key=lambda mount: mount["mountPath"])
        binds = [Bind(str(self._termination_log()), _TERMINATION_LOG, read_only=False)]
        binds += [Bind(str(self._pod.directory / "shm"), "/dev/shm", read_only=False)]  # noqa: S108 (the pod's own)
        binds += [self._bind(mount) for mount in mounts]
        return replace(image.root, binds=[*image.root.binds, *binds], files=image.root.files | self._pod.etc)

    def _bind(self, mount: Object) -> Bind:
        source = self._pod.volumes.path(mount["name"])
        sub = mount.get("subPath") or environment.expand(mount.get("subPathExpr", ""), {})
        if sub:
            if ".." in Path(sub).parts or Path(sub).is_absolute():
                raise ConfigError(f"subPath {sub!r} leads out of the volume")
            source = source / sub
            if not source.exists():
                source.mkdir(parents=True)
        fixed = not self._is_scratch(mount["name"])
        return Bind(str(source.resolve()), mount["mountPath"], fixed or bool(mount.get("readOnly")))

    def _is_scratch(self, volume: str) -> bool:
        volumes = self._pod.object["spec"].get("volumes") or ()
        return any(v["name"] == volume and ("emptyDir" in v or len(v) == 1) for v in volumes)

    def _termination_log(self) -> Path:
        path = self._pod.directory / "termination" / self._name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        return path

    def termination_message(self) -> str:
        """What the program left for whoever asks why it ended."""
        path = self._pod.directory / "termination" / self._name
        with path.open("rb") as file:
            return file.read(_TERMINATION_MESSAGE).decode(errors="replace")

    async def launch(self, program: Program, root: Root, run: int) -> Process:
        """Start it; its output goes to the log of the run, the last two runs' logs are kept."""
        log = self.log(run)
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log(run - 2).unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        out, null = os.open(log, flags, 0o600), os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            return await self._pod.runtime.start(self._pod.sandbox, program, root, (null, out, out))
        finally:
            os.close(out)
            os.close(null)
