"""What a forked child does to become a container: its own root and process namespace, then the program.

Runs between fork and exec in a child of the zygote. A failure is written to the request's error pipe as one
line; the pipe closes silently when the program has started.
"""

from __future__ import annotations

import fcntl
import os
import signal
import termios
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from . import linux

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
# What a container runtime keeps from the root of a container, see "masked paths" of the OCI runtime.
_READ_ONLY_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_MASKED_PROC = ("kcore", "keys", "timer_list", "latency_stats", "sched_debug")


@dataclass(frozen=True)
class Bind:
    """A file or directory of the node that the container sees at target."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class Root:
    """The container's file system: a tmpfs with these binds, links, files and directories."""

    staging: str
    binds: list[Bind]
    links: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Root:
        """The root as dataclasses.asdict wrote it."""
        return cls(data["staging"], [Bind(**bind) for bind in data["binds"]], data["links"], data["files"])


@dataclass(frozen=True)
class Program:
    """What is run: argv, the whole environment, working directory, capabilities, terminal or not."""

    argv: list[str]
    environment: dict[str, str]
    directory: str
    capabilities: list[int]
    terminal: bool = False


@dataclass(frozen=True)
class Streams:
    """The file descriptors of a start: standard streams, the error pipe, the pod's namespaces."""

    stdin: int
    stdout: int
    stderr: int
    error: int
    net: int
    uts: int
    ipc: int


def become(program: Program, root: Root, streams: Streams) -> NoReturn:
    """Turn this process, first of its process namespace, into the container."""

    def run() -> None:
        _join_pod(streams)
        _build(root)
        _start(program, streams)

    _guarded(streams, run)


def enter(program: Program, mount_namespace: int, streams: Streams) -> NoReturn:
    """Turn this process, already in the container's process namespace, into a program inside it."""

    def run() -> None:
        _join_pod(streams)
        linux.setns(mount_namespace, linux.CLONE_NEWNS)
        _start(program, streams)

    _guarded(streams, run)


def _guarded(streams: Streams, action: Callable[[], None]) -> NoReturn:
    try:
        action()
    except OSError as error:
        os.write(streams.error, f"{error.errno or 0} {error.strerror}: {error.filename or ''}".encode())
    except BaseException as error:
        os.write(streams.error, f"0 {error!r}".encode())
    os._exit(127)


def _join_pod(streams: Streams) -> None:
    linux.setns(streams.net, linux.CLONE_NEWNET)
    linux.setns(streams.uts, linux.CLONE_NEWUTS)
    linux.setns(streams.ipc, linux.CLONE_NEWIPC)


def _build(root: Root) -> None:
    linux.unshare(linux.CLONE_NEWNS)
    base = root.staging
    linux.mount("tmpfs", base, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755")
    for name in ("etc", "dev", "proc", "tmp", "root", "run", "var/run", "var/tmp", "opt", "sys"):
        os.makedirs(f"{base}/{name}", exist_ok=True)  # noqa: PTH103 (half the time of pathlib's)
    for name in ("tmp", "var/tmp"):
        os.chmod(f"{base}/{name}", 0o1777)  # noqa: PTH101, S103 (as every /tmp)
    for path, target in root.links.items():
        _parent(base + path)
        os.symlink(target, base + path)  # noqa: PTH211
    for path, text in root.files.items():
        Path(base + path).write_text(text)
    _mount_proc(base)
    _make_devices(base)
    for bind in root.binds:
        _bind(bind, base)
    linux.pivot_root(base)


def _parent(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120


def _bind(bind: Bind, base: str) -> None:
    target = base + bind.target
    if os.path.isdir(bind.source):  # noqa: PTH112
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    elif not os.path.lexists(target):
        _parent(target)
        Path(target).touch()
    linux.bind(bind.source, target, read_only=bind.read_only)


def _mount_proc(base: str) -> None:
    proc = f"{base}/proc"
    linux.mount("proc", proc, "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    for name in _READ_ONLY_PROC:
        if os.path.exists(f"{proc}/{name}"):  # noqa: PTH110
            linux.bind(f"{proc}/{name}", f"{proc}/{name}", read_only=True)
    for name in _MASKED_PROC:
        if os.path.exists(f"{proc}/{name}"):  # noqa: PTH110
            linux.bind("/dev/null", f"{proc}/{name}")


def _make_devices(base: str) -> None:
    for name in _DEVICES:
        Path(f"{base}/dev/{name}").touch()
        linux.bind(f"/dev/{name}", f"{base}/dev/{name}")
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"{base}/dev/{name}")  # noqa: PTH211
    os.mkdir(f"{base}/dev/pts")  # noqa: PTH102
    linux.mount("devpts", f"{base}/dev/pts", "devpts", linux.MS_NOSUID, "newinstance,ptmxmode=0666")


def _start(program: Program, streams: Streams) -> None:
    os.setsid()
    for number, fd in enumerate((streams.stdin, streams.stdout, streams.stderr)):
        os.dup2(fd, number)
    if program.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    _forget_signals()
    os.umask(0o022)
    _change_directory(program.directory)
    linux.limit_capabilities(frozenset(program.capabilities))
    _execute(program)


def _forget_signals() -> None:
    """Python ignores SIGPIPE; an ignored signal would stay ignored in the program."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _change_directory(path: str) -> None:
    """A container runtime makes a working directory that the image lacks."""
    os.makedirs(path, exist_ok=True)  # noqa: PTH103
    os.chdir(path)


def _execute(program: Program) -> None:
    name = program.argv[0]
    if "/" in name:
        os.execve(name, program.argv, program.environment)  # noqa: S606 (exec is the point)
    for directory in program.environment.get("PATH", "").split(":"):
        candidate = f"{directory}/{name}"
        if os.access(candidate, os.X_OK):
            os.execve(candidate, program.argv, program.environment)  # noqa: S606
    raise FileNotFoundError(2, "executable file not found in $PATH", name)
