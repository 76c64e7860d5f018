"""What probes and lifecycle hooks do: run a command, make a request, open a connection."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

from smi_conformance.lab.api.store import Object

Exec = Callable[[list[str]], Awaitable[tuple[int, str]]]
"""Runs a command in the container: exit code and the beginning of its output."""

_MAX_MESSAGE = 1024


class HandlerError(Exception):
    """The handler did not succeed; the message says why."""


def port_number(container: Object, port: int | str) -> int:
    """The number of a port given by number or by name. Raises HandlerError."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for entry in container.get("ports") or ():
        if entry.get("name") == port:
            return int(entry["containerPort"])
    raise HandlerError(f"couldn't find port: {port}")


async def handle(handler: Object, container: Object, pod_ip: str, run: Exec) -> None:
    """Carry out the handler once; no time limit. Raises HandlerError."""
    if "exec" in handler:
        code, output = await run(handler["exec"]["command"])
        if code:
            raise HandlerError(output.strip() or f"command exited with code {code}")
    elif "httpGet" in handler:
        await _get(handler["httpGet"], container, pod_ip)
    elif "tcpSocket" in handler:
        await _connect(handler["tcpSocket"], container, pod_ip)
    elif "sleep" in handler:
        await asyncio.sleep(handler["sleep"]["seconds"])
    else:
        raise HandlerError("the lab knows exec, httpGet, tcpSocket and sleep only")


async def _open(host: str, port: int, *, tls: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(host, port, ssl=_unverified() if tls else None)
    except OSError as error:
        raise HandlerError(f"dial tcp {host}:{port}: {_why(error)}") from error


def _why(error: OSError) -> str:
    """The plain reason: asyncio puts the address into strerror."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _unverified() -> ssl.SSLContext:
    """As the kubelet: an HTTPS probe does not check the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _connect(action: Object, container: Object, pod_ip: str) -> None:
    _, writer = await _open(action.get("host") or pod_ip, port_number(container, action["port"]))
    await _close(writer)


async def _get(action: Object, container: Object, pod_ip: str) -> None:
    port = port_number(container, action["port"])
    host = action.get("host") or pod_ip
    reader, writer = await _open(host, port, tls=action.get("scheme", "HTTP") == "HTTPS")
    headers = {header["name"]: header["value"] for header in action.get("httpHeaders") or ()}
    fields = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/lab", "Accept": "*/*"} | headers
    lines = [f"GET {action.get('path') or '/'} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items())]
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
    try:
        status = await reader.readline()
    except OSError as error:
        raise HandlerError(f"Get http://{host}:{port}: {error}") from error
    finally:
        await _close(writer)
    code = status.split()[1:2]
    if not code or not code[0].isdigit():
        raise HandlerError(f"Get http://{host}:{port}: no HTTP response")
    if not 200 <= int(code[0]) < 400:
        raise HandlerError(f"HTTP probe failed with statuscode: {int(code[0])}")


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def within(seconds: float, action: Awaitable[None]) -> None:
    """The action under a time limit. Raises HandlerError."""
    try:
        await asyncio.wait_for(action, seconds)
    except TimeoutError:
        raise HandlerError(f"timed out after {seconds:g} s") from None


def shorten(message: str) -> str:
    """A message fit for an Event."""
    return message[:_MAX_MESSAGE]
