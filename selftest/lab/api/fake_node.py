"""A node without containers: just enough to test the API server on a plain loopback socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from smi_conformance.lab.api.errors import ApiError, Object
from smi_conformance.lab.api.store import Store


class FakeProcess:
    """`echo ARGS`, `cat`, `exit CODE`, `complain TEXT`, `sleep` and `flood BYTES`."""

    def __init__(self, command: list[str]) -> None:
        self._name, self._arguments = command[0], command[1:]
        self._output: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self.killed = False
        text = " ".join(self._arguments).encode()
        if self._name == "flood":
            text = b"x" * int(self._arguments[0])
        if self._name in ("echo", "flood", "complain"):
            self._output.put_nowait((2 if self._name == "complain" else 1, text))
        if self._name not in ("cat", "sleep"):
            self._output.put_nowait(None)

    async def write(self, data: bytes) -> None:
        self._output.put_nowait((1, data))
        if data.endswith(b"bye\n"):
            await self.close_stdin()

    async def close_stdin(self) -> None:
        self._output.put_nowait(None)

    async def read(self) -> tuple[int, bytes] | None:
        return await self._output.get()

    async def wait(self) -> int:
        return int(self._arguments[0]) if self._name == "exit" else 0

    async def kill(self) -> None:
        self.killed = True


class FakeNode:
    """Runs every bound pod at once, and ends it as soon as it is asked to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.processes: list[FakeProcess] = []
        self.unready: set[str] = set()

    async def exec(
        self, namespace: str, pod: str, container: str, command: list[str], *, stdin: bool, tty: bool
    ) -> FakeProcess:
        if command[0] == "missing":
            raise ApiError.bad_request(f"container {container} of {namespace}/{pod} does not run")
        self.processes.append(FakeProcess(command))
        return self.processes[-1]

    async def logs(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail: int | None, previous: bool
    ) -> AsyncIterator[bytes]:
        if previous:
            raise ApiError.bad_request(f'previous terminated container "{container}" in pod "{pod}" not found')
        lines = [b"one\n", b"two\n", b"three\n"]
        for line in lines[-tail if tail else 0 :]:
            yield line
        while follow:
            yield b"more\n"
            await asyncio.sleep(0.01)

    async def run(self) -> None:
        address = 1
        async for kind, pod in self._store.watch("pods"):
            meta = pod["metadata"]
            if kind == "DELETED" or not pod["spec"].get("nodeName"):
                continue
            if "deletionTimestamp" in meta:
                self._store.delete("pods", meta["name"], meta["namespace"], grace=0)
            elif pod.get("status", {}).get("phase", "Pending") == "Pending":
                address += 1
                self._start(pod, f"10.244.0.{address}")

    def _start(self, pod: Object, address: str) -> None:
        meta = pod["metadata"]
        ready = "False" if meta["name"] in self.unready else "True"
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": kind, "status": ready} for kind in ("Ready", "ContainersReady")],
        }
        self._store.merge("pods", meta["name"], {"status": status}, meta["namespace"], subresource="status")
