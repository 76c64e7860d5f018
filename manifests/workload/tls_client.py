"""HTTP/1.1 over TLS on the wire: what a server answers whoever it takes the client for, and whoever it is itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from requests_on_wire import Attempt, Channel, http_request, number, outcome_of
from time_limit import Within
from wire_format import HEAD_LIMIT, WireError, take_head

if TYPE_CHECKING:
    from traffic_agent import Step


class TlsChannel(Channel):
    """A connection per request. The outcome is `status` when an answer came; its body is not read."""

    def __init__(self, address: Any | None) -> None:
        super().__init__(address)
        self._writer: asyncio.StreamWriter | None = None

    async def carry(self, attempt: Attempt, step: Step) -> None:
        """Send one request and note its outcome. Raises LocalError."""
        if self._address is None:
            attempt.ended("unresolved")
            return
        try:
            with Within(step.timeout):
                attempt.status = await self._status(attempt, step)
            attempt.ended("status")
        except TimeoutError:
            attempt.ended("timeout")
        except (EOFError, ValueError):
            attempt.ended("closed")
        except WireError:
            attempt.ended("altered")
        except OSError as error:  # a handshake that the server broke off has no number of its own
            attempt.ended("reset" if error.errno is None or error.errno < 100 else outcome_of(error))
        finally:
            self.close()

    async def _status(self, attempt: Attempt, step: Step) -> int:
        import ssl  # noqa: PLC0415  # seldom needed, and slow to load

        assert self._address is not None
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self._opened += 1
        attempt.connection = self._opened
        host, port = self._address[1][:2]
        reader, self._writer = await asyncio.open_connection(host, port, ssl=trusting, server_hostname=step.host)
        self._writer.write(http_request(attempt.id, step, b""))
        buffer = bytearray()
        while (head := take_head(buffer)) is None:
            data = await reader.read(HEAD_LIMIT)
            if not data:
                raise EOFError
            buffer += data
        if (status := number(head.start[1])) is None:
            raise WireError(f"not a response: {head.start}")
        return status

    def close(self) -> None:
        """Give up what is open."""
        if self._writer:
            self._writer.transport.abort()
        self._writer = None
