"""Datagrams on the wire: many may be on their way through one socket, and each echo is told by its id."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from itertools import islice
from typing import TYPE_CHECKING, Any

from requests_on_wire import Attempt, Channel, LocalError, judge_line, line_of, outcome_of, parsed
from time_limit import Within

if TYPE_CHECKING:
    from traffic_agent import Step

LOWEST, PORTS = 32768, 28232  # what Linux gives to sockets that ask for no port
TRIES = 100


class Sources:
    """Source ports in turn. A flow is known by its ports alone and outlives its socket in the tables of proxies and
    kernels: one that comes again within minutes would go where the earlier one went.
    """

    def __init__(self) -> None:
        self._next = random.randrange(PORTS)  # noqa: S311  # no secret

    def __iter__(self) -> Sources:
        return self

    def __next__(self) -> int:
        self._next = (self._next + 1) % PORTS
        return LOWEST + self._next


SOURCES = Sources()


class UdpChannel(Channel):
    """What lanes send datagrams over: a socket for each datagram, or one for all of them, which is one flow."""

    def __init__(self, address: Any | None) -> None:
        super().__init__(address)
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._past: set[str] = set()

    async def carry(self, attempt: Attempt, step: Step) -> None:
        """Send one datagram and note its outcome. Raises LocalError."""
        if self._address is None:
            attempt.ended("unresolved")
            return
        try:
            opened = self._socket = self._socket or self._open()
            attempt.connection = self._opened
            with Within(step.timeout):
                judge_line(attempt, await self._ask(opened, attempt.id, line_of(attempt.id, step.padding)), step)
        except TimeoutError:
            attempt.ended("timeout")
        except OSError as error:
            attempt.ended(outcome_of(error))
        finally:
            if step.connection == "new":
                self.close()

    def close(self) -> None:
        """Close the socket."""
        if self._socket:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        self._socket = None

    def _open(self) -> socket.socket:
        assert self._address is not None
        family, address = self._address
        try:
            opened = socket.socket(family, socket.SOCK_DGRAM)
        except OSError as error:
            raise LocalError(f"no socket: {error}") from error
        opened.setblocking(False)
        try:
            _bind(opened)
            opened.connect(address)  # only so is it told of a refusal
        except (OSError, LocalError):
            opened.close()
            raise
        self._opened += 1
        self._loop.add_reader(opened, self._readable, opened)
        return opened

    async def _ask(self, through: socket.socket, name: str, data: bytes) -> bytes:
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[name] = answer
        try:
            await self._send(through, data)
            return await answer
        finally:
            del self._waiting[name]
            self._past.add(name)

    async def _send(self, through: socket.socket, data: bytes) -> None:
        """A refusal that sending is told of was that of an earlier datagram: this one has not left yet."""
        try:
            await self._loop.sock_sendall(through, data)
        except ConnectionRefusedError as error:
            self._failed(error)
            await self._loop.sock_sendall(through, data)

    def _readable(self, through: socket.socket) -> None:
        try:
            self._heard(through.recv(1 << 16))
        except BlockingIOError:
            pass
        except OSError as error:
            self._failed(error)

    def _heard(self, data: bytes) -> None:
        """An echo goes to whom it is due; what is neither due nor late, to whoever has waited longest."""
        echo = parsed(data)
        name = str(echo.get("id")) if isinstance(echo, dict) else ""
        waiting = [name] if name in self._waiting else [] if name in self._past else list(self._waiting)
        for one in waiting[:1]:
            self._settle(one, data)

    def _settle(self, name: str, outcome: bytes | OSError) -> None:
        answer = self._waiting[name]
        if not answer.done():
            if isinstance(outcome, OSError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

    def _failed(self, error: OSError) -> None:
        """A refusal does not say of which datagram: all that wait have gone the same way."""
        for name in self._waiting:
            self._settle(name, error)


def _bind(opened: socket.socket) -> None:
    """Take the next source port that is free. Raises LocalError."""
    for port in islice(SOURCES, TRIES):
        try:
            opened.bind(("", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    raise LocalError(f"{TRIES} source ports in a row are taken")
