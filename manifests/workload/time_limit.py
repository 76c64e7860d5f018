"""A time limit for a block of code: asyncio.timeout needs Python 3.11."""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType


class Within:
    """Raises TimeoutError in its block after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._expired = seconds, False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._expire)

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.cancel()
        if self._expired and kind is asyncio.CancelledError:
            if sys.version_info >= (3, 11):  # noqa: UP036 (the program runs on 3.9)
                self._task.uncancel()
            raise TimeoutError from None
