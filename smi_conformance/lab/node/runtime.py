"""The asyncio side of the zygote: pod sandboxes, containers and commands in them."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import signal
import socket
from collections.abc import Sequence

from . import packets
from .container import Program, Root
from .packets import Packet


class ContainerRuntimeError(Exception):
    """A sandbox, container or command could not be started; one line says why."""


@dataclasses.dataclass
class Sandbox:
    """The namespaces that the containers of a pod share; they last as long as these descriptors."""

    net: int
    uts: int
    ipc: int

    def close(self) -> None:
        """Let go of the namespaces."""
        for fd in (self.net, self.uts, self.ipc):
            os.close(fd)


class Process:
    """A container or a command in one."""

    def __init__(self, runtime: Runtime, pid: int) -> None:
        self._runtime = runtime
        self.pid = pid
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return not self._status.done()

    async def wait(self) -> int:
        """The exit code, 128 + N after signal N."""
        return await asyncio.shield(self._status)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if the process has ended."""
        if self.running:
            self._runtime.kill(self.pid, number)

    def ended(self, status: int) -> None:
        """Called by the runtime with the wait status."""
        code = os.waitstatus_to_exitcode(status)
        if not self._status.done():
            self._status.set_result(code if code >= 0 else 128 - code)


class Runtime:
    """Talks to the zygote; to be made inside the running loop."""

    def __init__(self, channel: socket.socket) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._ids = itertools.count()
        self._answers: dict[int, asyncio.Future[tuple[Packet, list[int]]]] = {}
        self._processes: dict[int, Process] = {}
        self._waiting: list[tuple[bytes, list[int]]] = []
        self._loop.add_reader(channel, self._receive)

    async def sandbox(self, hostname: str) -> Sandbox:
        """New network, host name and IPC namespaces."""
        _, fds = await self._ask({"op": "sandbox", "hostname": hostname}, [])
        return Sandbox(*fds)

    async def start(self, sandbox: Sandbox, program: Program, root: Root, stdio: Sequence[int]) -> Process:
        """Start a container; returns when its program runs. Raises ContainerRuntimeError."""
        request = {"op": "start", "program": dataclasses.asdict(program), "root": dataclasses.asdict(root)}
        return await self._launch(request, sandbox, stdio)

    async def exec(self, sandbox: Sandbox, container: Process, program: Program, stdio: Sequence[int]) -> Process:
        """Start a command in a running container; returns when it runs. Raises ContainerRuntimeError."""
        request = {"op": "exec", "program": dataclasses.asdict(program), "pid": container.pid}
        return await self._launch(request, sandbox, stdio)

    def kill(self, pid: int, number: signal.Signals) -> None:
        """Have the zygote send a signal to one of its children."""
        self._send({"op": "kill", "pid": pid, "signal": int(number)}, [])

    async def _launch(self, request: Packet, sandbox: Sandbox, stdio: Sequence[int]) -> Process:
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            fds = [*stdio, writer, sandbox.net, sandbox.uts, sandbox.ipc]
            answer, _ = await self._ask(request, fds)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        process: Process = answer["process"]
        try:
            failure = await self._until_closed(reader)
        except asyncio.CancelledError:
            process.signal(signal.SIGKILL)
            raise
        if failure:
            await process.wait()
            raise ContainerRuntimeError(failure.partition(" ")[2])
        return process

    async def _until_closed(self, reader: int) -> str:
        """What the child wrote before its program started: nothing if it did start."""
        done: asyncio.Future[str] = self._loop.create_future()

        def readable() -> None:
            data = os.read(reader, 4096)
            if not done.done():
                done.set_result(data.decode(errors="replace"))

        self._loop.add_reader(reader, readable)
        try:
            return await done
        finally:
            self._loop.remove_reader(reader)
            os.close(reader)

    async def _ask(self, request: Packet, fds: list[int]) -> tuple[Packet, list[int]]:
        number = next(self._ids)
        answer = self._answers[number] = self._loop.create_future()
        self._send({"id": number, **request}, fds)
        try:
            data, received = await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled():
                _discard(*answer.result())
            raise
        if "error" in data:
            raise ContainerRuntimeError(data["error"])
        return data, received

    def _send(self, request: Packet, fds: list[int]) -> None:
        self._waiting.append((packets.encode(request), [os.dup(fd) for fd in fds]))
        self._flush()

    def _flush(self) -> None:
        while self._waiting:
            data, fds = self._waiting[0]
            try:
                packets.send(self._channel, data, fds)
            except BlockingIOError:
                self._loop.add_writer(self._channel, self._flush)
                return
            del self._waiting[0]
            for fd in fds:
                os.close(fd)
        self._loop.remove_writer(self._channel)

    def _receive(self) -> None:
        received = packets.receive(self._channel)
        if received is None:
            self._loop.remove_reader(self._channel)
            return
        message, fds = received
        if "exited" in message:
            self._processes.pop(message["exited"]).ended(message["status"])
            return
        if "pid" in message:
            # Made here, not by the asker: the next message may already tell that the process ended.
            message["process"] = self._processes[message["pid"]] = Process(self, message["pid"])
        answer = self._answers.pop(message["id"])
        if answer.done():
            _discard(message, fds)
        else:
            answer.set_result((message, fds))


def _discard(message: Packet, fds: list[int]) -> None:
    """Nobody waits any more for what was made."""
    for fd in fds:
        os.close(fd)
    if "process" in message:
        message["process"].signal(signal.SIGKILL)
