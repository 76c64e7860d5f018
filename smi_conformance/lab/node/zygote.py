"""The process that forks containers: small, single-threaded, started before the node has threads or state.

It is asked over a SOCK_SEQPACKET socketpair: one JSON object a packet, file descriptors beside it.

    {"op": "sandbox", "id": N, "hostname": H}            -> {"id": N} with the net, uts and ipc namespaces
    {"op": "start", "id": N, "program": P, "root": R}    -> {"id": N, "pid": P}  (with container.Streams)
    {"op": "exec", "id": N, "program": P, "pid": P}      -> {"id": N, "pid": P}  (the same)
    {"op": "kill", "pid": P, "signal": S}                -> nothing
    a failure                                            -> {"id": N, "error": "one line"}
    unasked, when a child ended                          -> {"exited": P, "status": wait status}
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack

from . import container, linux, packets
from .packets import Packet

_POD_KINDS = {"net": linux.CLONE_NEWNET, "uts": linux.CLONE_NEWUTS, "ipc": linux.CLONE_NEWIPC}

Request = Packet


def serve(channel: socket.socket) -> None:
    """Answer requests until the other end of the channel is closed."""
    gc.freeze()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    reader = _child_signals()
    Zygote(channel).run(reader)


def _child_signals() -> int:
    """A descriptor that becomes readable when a child ends."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


class Zygote:
    """The request loop and the children not yet reaped."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._children: set[int] = set()
        self._operations: dict[str, Callable[[Request, list[int]], tuple[Request, list[int]]]] = {
            "sandbox": self._sandbox,
            "start": self._start,
            "exec": self._exec,
        }

    def run(self, signals: int) -> None:
        """Serve until the channel closes."""
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        poller.register(signals, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll()}
            if signals in ready:
                os.read(signals, 4096)
                self._reap()
            if self._channel.fileno() in ready and not self._serve_one():
                return

    def _serve_one(self) -> bool:
        received = packets.receive(self._channel)
        if received is None:
            return False
        request, fds = received
        with ExitStack() as stack:
            for fd in fds:
                stack.callback(os.close, fd)
            self._answer(request, fds)
        return True

    def _answer(self, request: Request, fds: list[int]) -> None:
        if request["op"] == "kill":
            self._kill(request)
            return
        out: list[int] = []
        try:
            answer, out = self._operations[request["op"]](request, fds)
        except OSError as error:
            answer = {"error": str(error)}
        self._send({"id": request["id"], **answer}, out)
        for fd in out:
            os.close(fd)

    def _send(self, answer: Request, fds: list[int]) -> None:
        packets.send(self._channel, packets.encode(answer), fds)

    def _sandbox(self, request: Request, _fds: list[int]) -> tuple[Request, list[int]]:
        """New pod namespaces: enter, keep a descriptor of each, come back."""
        own = {kind: os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in _POD_KINDS}
        try:
            linux.unshare(linux.CLONE_NEWNET | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC)
            socket.sethostname(request["hostname"])
            return {}, [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in _POD_KINDS]
        finally:
            for kind, flag in _POD_KINDS.items():
                linux.setns(own[kind], flag)
                os.close(own[kind])

    def _start(self, request: Request, fds: list[int]) -> tuple[Request, list[int]]:
        program, root = container.Program(**request["program"]), container.Root.of(request["root"])
        streams = container.Streams(*fds)
        linux.unshare(linux.CLONE_NEWPID)
        return self._fork(lambda: container.become(program, root, streams))

    def _exec(self, request: Request, fds: list[int]) -> tuple[Request, list[int]]:
        program, streams = container.Program(**request["program"]), container.Streams(*fds)
        if request["pid"] not in self._children:
            raise ProcessLookupError(3, "the container is not running")
        mounts, processes = (os.open(f"/proc/{request['pid']}/ns/{kind}", os.O_RDONLY) for kind in ("mnt", "pid"))
        try:
            linux.setns(processes, linux.CLONE_NEWPID)
            return self._fork(lambda: container.enter(program, mounts, streams))
        finally:
            os.close(mounts)
            os.close(processes)

    def _fork(self, child: Callable[[], None]) -> tuple[Request, list[int]]:
        """Fork into the process namespace that was set for children, then set it back to our own."""
        own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        try:
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                child()
        finally:
            linux.setns(own, linux.CLONE_NEWPID)
            os.close(own)
        self._children.add(pid)
        return {"pid": pid}, []

    def _kill(self, request: Request) -> None:
        """Only a child that was not reaped: its number cannot have passed to another process."""
        if request["pid"] in self._children:
            os.kill(request["pid"], request["signal"])

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._children.discard(pid)
            self._send({"exited": pid, "status": status}, [])
