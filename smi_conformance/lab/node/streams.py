"""Standard streams of commands run in containers, and the log files of containers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator
from typing import BinaryIO

from .runtime import Process

_CHUNK = 1 << 16
_BUFFERED = 64  # chunks held for a slow reader before the command has to wait
_FOLLOW_INTERVAL = 0.05  # seconds between looks at a followed log
STDOUT, STDERR = 1, 2


class Output:
    """What comes out of pipes or a terminal, in order, with back pressure."""

    def __init__(self, sources: dict[int, int]) -> None:
        """Sources: descriptor to stream number (1 stdout, 2 stderr); closed here at their end."""
        self._loop = asyncio.get_running_loop()
        self._open = dict(sources)
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._news = asyncio.Event()
        self._paused = False
        for fd in sources:
            os.set_blocking(fd, False)
        self._resume()

    def _resume(self) -> None:
        self._paused = False
        for fd, stream in self._open.items():
            self._loop.add_reader(fd, self._readable, fd, stream)

    def _readable(self, fd: int, stream: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last user of a terminal is gone
            data = b""
        if data:
            self._chunks.append((stream, data))
        else:
            self._end(fd)
        if len(self._chunks) >= _BUFFERED and not self._paused:
            self._pause()
        self._news.set()

    def _pause(self) -> None:
        self._paused = True
        for fd in self._open:
            self._loop.remove_reader(fd)

    def _end(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        del self._open[fd]
        os.close(fd)

    async def read(self) -> tuple[int, bytes] | None:
        """The next chunk with its stream; None at the end of all."""
        while not self._chunks:
            if not self._open:
                return None
            self._news.clear()
            await self._news.wait()
        chunk = self._chunks.popleft()
        if self._paused and len(self._chunks) < _BUFFERED // 2:
            self._resume()
        return chunk

    def close(self) -> None:
        """Give up what has not come yet."""
        for fd in list(self._open):
            self._end(fd)
        self._news.set()


class Input:
    """The writing end of a command's standard input."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd

    async def write(self, data: bytes) -> None:
        """Write it all; dropped if the command no longer reads."""
        view = memoryview(data)
        while view and self._fd is not None:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                await self._writable(self._fd)
            except OSError:
                return

    async def _writable(self, fd: int) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(fd, _resolve, ready)
        try:
            await ready
        finally:
            loop.remove_writer(fd)

    def close(self) -> None:
        """The command sees the end of its input."""
        if self._fd is not None:
            asyncio.get_running_loop().remove_writer(self._fd)
            os.close(self._fd)
            self._fd = None


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Plumbing:
    """The pipes or the terminal of a command about to start."""

    def __init__(self, *, stdin: bool, terminal: bool) -> None:
        self._terminal = terminal
        self._stdin: int | None
        if terminal:
            master, slave = os.openpty()
            self._stdin, self._sources = os.dup(master) if stdin else None, {master: STDOUT}
            self.child: tuple[int, int, int] = (slave, slave, slave)
        else:
            self._make_pipes(stdin)

    def _make_pipes(self, stdin: bool) -> None:
        out, child_out = os.pipe2(os.O_CLOEXEC)
        err, child_err = os.pipe2(os.O_CLOEXEC)
        if stdin:
            child_in, self._stdin = os.pipe2(os.O_CLOEXEC)
        else:
            child_in, self._stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), None
        self._sources = {out: STDOUT, err: STDERR}
        self.child = (child_in, child_out, child_err)

    def _close_child(self) -> None:
        for fd in set(self.child):
            os.close(fd)

    def abandon(self) -> None:
        """The command did not start: close everything."""
        self._close_child()
        for fd in (*self._sources, *([] if self._stdin is None else [self._stdin])):
            os.close(fd)

    def command(self, process: Process) -> Command:
        """The started command, with our ends."""
        self._close_child()
        stdin = None if self._stdin is None else Input(self._stdin)
        return Command(process, stdin, Output(self._sources), terminal=self._terminal)


class Command:
    """A command in a container with its streams; what the API server's exec subresource drives."""

    def __init__(self, process: Process, stdin: Input | None, output: Output, *, terminal: bool) -> None:
        self._process, self._stdin, self._output, self._terminal = process, stdin, output, terminal

    async def write(self, data: bytes) -> None:
        """Write to standard input."""
        if self._stdin is not None:
            await self._stdin.write(data)

    async def close_stdin(self) -> None:
        """End standard input; a terminal is told by its end-of-file character."""
        if self._stdin is None:
            return
        if self._terminal:
            await self._stdin.write(b"\x04")
        self._stdin.close()

    async def read(self) -> tuple[int, bytes] | None:
        """The next output; None when all is drained."""
        return await self._output.read()

    async def wait(self) -> int:
        """The exit code."""
        return await self._process.wait()

    async def kill(self) -> None:
        """End the command and forget its streams."""
        self._process.signal(signal.SIGKILL)
        if self._stdin is not None:
            self._stdin.close()
        self._output.close()


def _last_lines(data: bytes, count: int | None) -> bytes:
    """The last `count` lines; None: all."""
    if count is None:
        return data
    lines = data.splitlines(keepends=True)
    return b"".join(lines[max(0, len(lines) - count) :])


async def follow(log: BinaryIO, tail: int | None, process: Process | None) -> AsyncIterator[bytes]:
    """The log file, then what is added to it while the process runs; no process: the file only.

    The file is open all the time: a pod's files may be removed as soon as its last process has ended.
    """
    with log:
        data = _last_lines(log.read(), tail)
        if data:
            yield data
        ended = process is None
        while not ended:
            await asyncio.sleep(_FOLLOW_INTERVAL)
            ended = process is None or not process.running
            data = log.read()
            if data:
                yield data
