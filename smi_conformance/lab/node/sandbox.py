"""The lab's sandbox: a process in namespaces of its own that ends, with all in it, when its owner ends."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from . import linux, packets, preflight, zygote

RUN = "run"
_ENDED = (0, -signal.SIGKILL)


def run(state: Path, life: int | None, inside: Callable[[socket.socket], None]) -> int:
    """Run `inside` as process 1 of a sandbox and return its exit code.

    Ends the sandbox when the other end of the pipe `life` closes or on SIGTERM, and removes `state` at the
    end, unless process 1 failed: then its log stays. `inside` gets the channel to the zygote; STATE/run is a
    tmpfs that only it sees.
    Raises PreflightError.
    """
    user = preflight.needs_user_namespace()
    stopped = _stop_signals()
    owner = os.pidfd_open(os.getppid()) if life is not None else None
    (state / RUN).mkdir()
    if user:
        preflight.enter_user_namespace()
    # The mounts are the child's own: this process removes the state directory from the host's view.
    linux.unshare(preflight.SANDBOX_NAMESPACES & ~linux.CLONE_NEWNS)
    child = os.fork()
    if child == 0:
        _first_process(state, life, inside)
    code = _guard(child, [fd for fd in (life, owner, stopped) if fd is not None])
    if code in _ENDED:
        shutil.rmtree(state, ignore_errors=True)
    return code


def _stop_signals() -> int:
    """A descriptor that becomes readable on SIGTERM or SIGINT."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(writer)
    return reader


def _guard(child: int, ends: list[int]) -> int:
    """Wait for the child; kill it as soon as one of the descriptors tells that it is time."""
    pidfd = os.pidfd_open(child)
    poller = select.poll()
    for fd in (pidfd, *ends):
        poller.register(fd, select.POLLIN)
    poller.poll()
    os.kill(child, signal.SIGKILL)  # not reaped yet, so it is still ours
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _first_process(state: Path, life: int | None, inside: Callable[[socket.socket], None]) -> NoReturn:
    """Process 1 of the sandbox; every process of the lab ends with it."""
    code = 1
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        linux.unshare(linux.CLONE_NEWNS)
        linux.make_private()
        linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
        linux.mount("tmpfs", str(state / RUN), "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=700")
        socket.sethostname("lab-node")
        channel = _start_zygote(life)
        if life is not None:
            threading.Thread(target=_end_with, args=(life,), daemon=True).start()
        inside(channel)
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


def _start_zygote(life: int | None) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, packets.MAX_PACKET)
    if os.fork() == 0:
        ours.close()
        if life is not None:
            os.close(life)
        with suppress(KeyboardInterrupt):
            zygote.serve(theirs)
        os._exit(0)
    theirs.close()
    return ours


def _end_with(life: int) -> None:
    """The guard outside does the same; this one also works when the guard itself was killed."""
    os.read(life, 1)
    os._exit(0)
