"""One container of a pod: started, probed, restarted, stopped; its state as the API shows it."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from smi_conformance.lab.api.store import Object, now

from . import probes, streams
from .container import Program, Root
from .environment import ConfigError
from .handlers import HandlerError, handle, within
from .images import Image
from .launch import PodContext, Recipe
from .runtime import ContainerRuntimeError, Process

_CONFIG_RETRY = 0.5  # seconds between attempts while something referred to is missing
_FIRST_BACKOFF = 1.0  # seconds, doubled with every restart; Kubernetes: 10
_MAX_BACKOFF = 60.0  # seconds; Kubernetes: 300
_CALM = 60.0  # seconds a container must run for its back-off to start anew; Kubernetes: 600
_IMAGE_BACKOFF = 1.0  # seconds from ErrImagePull to ImagePullBackOff
_LIVENESS_GRACE = 30.0  # seconds
_OUTPUT_KEPT = 10 << 10  # bytes of a probe's output


@dataclass
class State:
    """What containerStatuses tells."""

    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Object = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""
    image_id: str = ""

    def status(self, spec: Object) -> Object:
        """The ContainerStatus."""
        return {
            "name": spec["name"],
            "image": spec["image"],
            "imageID": self.image_id,
            **({"containerID": self.container_id} if self.container_id else {}),
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last,
        }


class Supervisor:
    """Keeps one container in the state that its spec and the pod's restartPolicy ask for."""

    def __init__(self, pod: PodContext, spec: Object, *, restart_policy: str, initial: bool = False) -> None:
        self.pod, self.spec, self.initial = pod, spec, initial
        self.name: str = spec["name"]
        self._recipe = Recipe(pod, spec)
        self.state = State()
        if pod.object["spec"].get("initContainers"):
            self.state.state = {"waiting": {"reason": "PodInitializing"}}
        self.process: Process | None = None
        self.started = asyncio.Event()
        self._policy = restart_policy
        self._stopping = False
        self._backoff = 0.0
        self._runs = 0
        self._program: Program | None = None

    @property
    def running(self) -> bool:
        """Whether its program runs now."""
        return self.process is not None and self.process.running

    @property
    def exit_code(self) -> int | None:
        """The code of the last run if it is over for good, else None."""
        terminated = self.state.state.get("terminated")
        return None if terminated is None else int(terminated["exitCode"])

    def log(self, *, previous: bool) -> Path:
        """The log file of this run or of the one before."""
        return self._recipe.log(self.state.restarts - previous)

    async def run(self) -> None:
        """Until it ended for good; when cancelled, the program is left to `stop`."""
        image = await self._pull()
        while not self._stopping:
            began = asyncio.get_running_loop().time()
            code = await self._run_once(image)
            if self._stopping or self._policy == "Never" or (self._policy == "OnFailure" and code == 0):
                return
            if asyncio.get_running_loop().time() - began >= _CALM:
                self._backoff = 0.0
            await self._back_off()

    async def stop(self, deadline: float) -> None:
        """preStop, SIGTERM, at the deadline (loop time) SIGKILL; returns when the program has ended."""
        self._stopping = True
        process = self.process
        if process is None or not process.running:
            return
        await self._hook("preStop", deadline)
        process.signal(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), max(0.0, deadline - loop.time()))
        process.signal(signal.SIGKILL)
        await process.wait()

    def kill(self) -> None:
        """SIGKILL now."""
        self._stopping = True
        if self.process is not None:
            self.process.signal(signal.SIGKILL)

    # One run

    def _set(self, **state: Object) -> None:
        self.state.state = dict(state)
        self.pod.changed()

    def _wait_because(self, reason: str, message: str) -> None:
        self._set(waiting={"reason": reason, "message": message})

    async def _pull(self) -> Image:
        """The image; waits for ever if there is none of that name, for the lab's images do not change."""
        reference = self.spec["image"]
        image = self.pod.images.find(reference)
        if image is not None:
            self.state.image_id = image.image_id
            return image
        message = f'failed to pull image "{reference}": the lab has python, busybox and smi-reference-mesh'
        self.pod.events.normal("Pulling", f'Pulling image "{reference}"', self.name)
        self.pod.events.warning("Failed", message, self.name)
        if self.spec.get("imagePullPolicy") != "Never":
            self._wait_because("ErrImagePull", message)
            await asyncio.sleep(_IMAGE_BACKOFF)
            self.pod.events.normal("BackOff", f'Back-off pulling image "{reference}"', self.name)
            self._wait_because("ImagePullBackOff", f'Back-off pulling image "{reference}"')
        else:
            self._wait_because("ErrImageNeverPull", message)
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def _run_once(self, image: Image) -> int:
        program, root = await self._configured(image)
        began = now()
        self.state.restarts, self._runs = self._runs, self._runs + 1
        self.state.container_id = f"lab://{secrets.token_hex(32)}"
        self._program = program
        self.pod.events.normal(
            "Pulled", f'Container image "{self.spec["image"]}" already present on machine', self.name
        )
        try:
            self.process = await self._recipe.launch(program, root, self.state.restarts)
        except ContainerRuntimeError as failure:
            self.pod.events.warning("Failed", f"Error: {failure}", self.name)
            self._end(128, "StartError", str(failure), began)
            return 128
        return await self._attend(self.process, began)

    async def _attend(self, process: Process, began: str) -> int:
        self.pod.events.normal("Started", f"Started container {self.name}", self.name)
        self.state.started = self.spec.get("startupProbe") is None
        self.state.ready = self.state.started and self.spec.get("readinessProbe") is None
        self._set(running={"startedAt": began})
        self._tell_started()
        care = asyncio.create_task(self._care(process))
        try:
            code = await process.wait()
        finally:
            care.cancel()
        reason = "Completed" if code == 0 else "Error"
        self._end(code, reason, self._recipe.termination_message(), began)
        return code

    def _end(self, code: int, reason: str, message: str, began: str) -> None:
        self.state.ready = self.state.started = False
        terminated = {"exitCode": code, "reason": reason, "startedAt": began, "finishedAt": now()}
        terminated |= {"containerID": self.state.container_id} | ({"message": message} if message else {})
        if self.initial:
            self.state.ready = code == 0
        self._set(terminated=terminated)

    def _tell_started(self) -> None:
        if self.state.started:
            self.started.set()

    async def _configured(self, image: Image) -> tuple[Program, Root]:
        while True:
            try:
                return self._recipe.program(image), self._recipe.root(image)
            except ConfigError as error:
                self.pod.events.warning("Failed", f"Error: {error}", self.name)
                self._wait_because("CreateContainerConfigError", str(error))
                await asyncio.sleep(_CONFIG_RETRY)

    async def _back_off(self) -> None:
        terminated = self.state.state
        if self._backoff:
            self.pod.events.warning("BackOff", "Back-off restarting failed container", self.name)
        self.state.last = terminated
        if self._backoff:
            message = f"back-off {self._backoff:g}s restarting failed container={self.name}"
            self._wait_because("CrashLoopBackOff", message)
            await asyncio.sleep(self._backoff)
        self._backoff = min(max(2 * self._backoff, _FIRST_BACKOFF), _MAX_BACKOFF)

    # Probes and hooks

    async def _care(self, process: Process) -> None:
        """postStart, then the probes, for as long as the program runs."""
        if not await self._hook("postStart", None):
            await self._put_down(process, "FailedPostStartHook")
            return
        if "startupProbe" in self.spec:
            probe = self._probe("startupProbe")
            if not await probes.until_started(probe, self._unhealthy("Startup")):
                await self._put_down(process, "failed startup probe, will be restarted")
                return
            self.state.started = True
            self.state.ready = self.spec.get("readinessProbe") is None
            self._tell_started()
            self.pod.changed()
        await asyncio.gather(self._watch_life(process), self._watch_readiness())

    async def _watch_life(self, process: Process) -> None:
        if self.spec.get("livenessProbe"):
            await probes.until_dead(self._probe("livenessProbe"), self._unhealthy("Liveness"))
            await self._put_down(process, "failed liveness probe, will be restarted")

    async def _watch_readiness(self) -> None:
        if self.spec.get("readinessProbe"):
            probe = self._probe("readinessProbe")
            await probes.watch_readiness(probe, self._set_ready, self._unhealthy("Readiness"))

    def _set_ready(self, ready: bool) -> None:
        self.state.ready = ready
        self.pod.changed()

    def _unhealthy(self, kind: str) -> probes.Report:
        return lambda failure: self.pod.events.warning("Unhealthy", f"{kind} probe failed: {failure}", self.name)

    def _probe(self, key: str) -> probes.Probe:
        return probes.Probe(self.spec[key], self._check)

    async def _check(self, spec: Object) -> None:
        limit = float(spec.get("timeoutSeconds") or 1)
        await within(limit, handle(spec, self.spec, self.pod.ip, self._execute))

    async def _put_down(self, process: Process, why: str) -> None:
        """SIGTERM, then SIGKILL; the run ends and the restart policy decides."""
        self.pod.events.normal("Killing", f"Container {self.name} {why}", self.name)
        grace = float(self.pod.object["spec"].get("terminationGracePeriodSeconds", _LIVENESS_GRACE))
        process.signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace)
        process.signal(signal.SIGKILL)

    async def _hook(self, name: str, deadline: float | None) -> bool:
        """A lifecycle hook, at most until the deadline; whether it succeeded or there is none."""
        handler = (self.spec.get("lifecycle") or {}).get(name)
        if not handler:
            return True
        action: Awaitable[None] = handle(handler, self.spec, self.pod.ip, self._execute)
        try:
            if deadline is None:
                await action
            else:
                await within(max(0.0, deadline - asyncio.get_running_loop().time()), action)
        except HandlerError as failure:
            self.pod.events.warning(f"Failed{name[0].upper()}{name[1:]}Hook", f"{failure}", self.name)
            return False
        return True

    async def _execute(self, command: list[str]) -> tuple[int, str]:
        """Run a command in the container; killed when the caller is cancelled."""
        try:
            running = await self.command(command, stdin=False, terminal=False)
        except ContainerRuntimeError as failure:
            raise HandlerError(str(failure)) from failure
        output = b""
        try:
            while (chunk := await running.read()) is not None:
                output += chunk[1][: _OUTPUT_KEPT - len(output)]
            return await running.wait(), output.decode(errors="replace")
        finally:
            await running.kill()

    async def command(self, argv: list[str], *, stdin: bool, terminal: bool) -> streams.Command:
        """Start a command in the running container. Raises ContainerRuntimeError."""
        process = self.process
        if process is None or not process.running:
            raise ContainerRuntimeError(f"container {self.name} is not running")
        assert self._program is not None
        environment = {"TERM": "xterm"} if terminal else {}
        environment |= self._program.environment
        program = replace(self._program, argv=argv, environment=environment, terminal=terminal)
        plumbing = streams.Plumbing(stdin=stdin, terminal=terminal)
        try:
            started = await self.pod.runtime.exec(self.pod.sandbox, process, program, plumbing.child)
        except BaseException:
            plumbing.abandon()
            raise
        return plumbing.command(started)
