"""The streaming subresources of pods: exec over a websocket, and logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from aiohttp import WSMsgType, web
from multidict import MultiMapping

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.ports import ExecProcess, NodeAccess
from smi_conformance.lab.api.requests import Path, is_true, whole
from smi_conformance.lab.api.store import Store

_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _ERROR, _CLOSE = 0, 3, 255
_FRAME = 32 * 1024
_FIRST_OUTPUT = 0.05


class PodStreams:
    """Hands streams of a client on to the node."""

    def __init__(self, store: Store, node: NodeAccess) -> None:
        self._store, self._node = store, node

    async def exec(self, request: web.BaseRequest, path: Path) -> web.WebSocketResponse:
        """Run a command. Raises ApiError 400 or 404 before the websocket is opened."""
        query = request.query
        container = self._container(path, query)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise ApiError.bad_request("unable to upgrade: exec is served over websockets only")
        process = await self._node.exec(
            path.namespace,
            path.name,
            container,
            query.getall("command", []),
            stdin=is_true(query, "stdin"),
            tty=is_true(query, "tty"),
        )
        socket = web.WebSocketResponse(protocols=_PROTOCOLS, compress=False, max_msg_size=0)
        try:
            await socket.prepare(request)
            await _run(socket, process)
        finally:
            await process.kill()
        return socket

    async def log(self, request: web.BaseRequest, path: Path) -> web.StreamResponse:
        """The container's output. Raises ApiError 400 or 404."""
        query = request.query
        chunks = self._node.logs(
            path.namespace,
            path.name,
            self._container(path, query),
            follow=is_true(query, "follow"),
            tail=whole(query, "tailLines"),
            previous=is_true(query, "previous"),
        )
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        pending = asyncio.ensure_future(anext(aiter(chunks), None))
        # An error must come before the headers, and the headers must not wait for output that is to come.
        await asyncio.wait({pending}, timeout=_FIRST_OUTPUT)
        if pending.done():
            pending.result()
        await response.prepare(request)
        await _copy_log(response, pending, chunks)
        return response

    def _container(self, path: Path, query: MultiMapping[str]) -> str:
        pod = self._store.stored("pods", path.name, path.namespace)
        spec = pod["spec"]
        names = [c["name"] for c in spec["containers"]]
        chosen = query.get("container", "") or (names[0] if len(names) == 1 else "")
        if not chosen:
            listed = " ".join(names)
            raise ApiError.bad_request(
                f"a container name must be specified for pod {path.name}, choose one of: [{listed}]"
            )
        if chosen not in [*names, *(c["name"] for c in spec.get("initContainers") or ())]:
            raise ApiError.bad_request(f"container {chosen} is not valid for pod {path.name}")
        return str(chosen)


async def _copy_log(
    response: web.StreamResponse, pending: asyncio.Future[bytes | None], chunks: AsyncIterator[bytes]
) -> None:
    try:
        chunk = await pending
        while chunk is not None:
            await response.write(chunk)
            chunk = await anext(aiter(chunks), None)
        await response.write_eof()
    finally:
        pending.cancel()


async def _run(socket: web.WebSocketResponse, process: ExecProcess) -> None:
    """Copy both ways until the command has ended or the client is gone."""
    feeding = asyncio.create_task(_feed(socket, process))
    draining = asyncio.create_task(_drain(socket, process))
    try:
        await asyncio.wait({feeding, draining}, return_when=asyncio.FIRST_COMPLETED)
        if draining.done():
            await socket.send_bytes(bytes([_ERROR]) + json.dumps(_outcome(draining.result())).encode())
            await socket.close()
    except ConnectionError:
        pass
    finally:
        feeding.cancel()
        draining.cancel()
        await asyncio.gather(feeding, draining, return_exceptions=True)


async def _feed(socket: web.WebSocketResponse, process: ExecProcess) -> None:
    """Standard input. Returns when the client has gone."""
    async for message in socket:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            continue
        data: bytes = message.data.encode() if isinstance(message.data, str) else message.data
        if data[:1] == bytes([_STDIN]) and len(data) > 1:
            await process.write(data[1:])
        elif data == bytes([_CLOSE, _STDIN]):
            await process.close_stdin()


async def _drain(socket: web.WebSocketResponse, process: ExecProcess) -> int:
    """Output. The exit code."""
    while (output := await process.read()) is not None:
        channel, data = output
        for start in range(0, len(data), _FRAME):
            await socket.send_bytes(bytes([channel]) + data[start : start + _FRAME])
    return await process.wait()


def _outcome(code: int) -> Object:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
