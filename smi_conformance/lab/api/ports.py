"""What the API server needs from a node: run a command in a container, read its logs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class ExecProcess(Protocol):
    """One command running in a container."""

    async def write(self, data: bytes) -> None:
        """Write to the command's standard input."""

    async def close_stdin(self) -> None:
        """End the command's standard input."""

    async def read(self) -> tuple[int, bytes] | None:
        """The next output as (1 stdout | 2 stderr, bytes); None when both are drained."""

    async def wait(self) -> int:
        """The exit code, once the command has ended."""
        ...

    async def kill(self) -> None:
        """End the command now."""


class NodeAccess(Protocol):
    """The node's side of the pod subresources `exec` and `log`."""

    async def exec(
        self, namespace: str, pod: str, container: str, command: list[str], *, stdin: bool, tty: bool
    ) -> ExecProcess:
        """Start a command. Raises ApiError 404 or 400 when the container is not there or does not run."""
        ...

    def logs(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail: int | None, previous: bool
    ) -> AsyncIterator[bytes]:
        """Output of the container, the last `tail` lines of it if given. Raises ApiError 404 or 400."""
        ...
