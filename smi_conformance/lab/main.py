"""The program of the lab: enters the sandbox and runs API server, controllers, node and DNS in one loop.

    python -m smi_conformance.lab.main --state DIR [--life FD] [--ready FD]

DIR exists and is empty; it is removed at the end. The lab ends when the other end of the pipe LIFE closes;
without LIFE, on SIGTERM. One line of JSON is written to READY: {"ready": true} or {"error": "one line"}.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from pathlib import Path

from smi_conformance.lab.node import sandbox
from smi_conformance.lab.node.preflight import PreflightError


class _Ready:
    """Tells whoever started the lab, once."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    def tell(self, **message: object) -> None:
        if self._fd is not None:
            os.write(self._fd, json.dumps(message).encode() + b"\n")
            os.close(self._fd)
            self._fd = None


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="smi_conformance.lab.main")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--life", type=int)
    parser.add_argument("--ready", type=int)
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run a lab; the exit code."""
    options = _arguments(argv)
    for fd in (options.life, options.ready):
        if fd is not None:
            os.set_inheritable(fd, False)  # containers must not hold them
    ready = _Ready(options.ready)
    # Made before the sandbox has its own network: this is the only way in, and only from this machine.
    host_socket = socket.create_server(("127.0.0.1", 0))

    def inside(channel: socket.socket) -> None:
        # Imported here: the zygote, forked before, stays small and starts containers faster.
        from smi_conformance.lab import control_plane  # noqa: PLC0415

        control_plane.run(options.state, channel, host_socket, lambda: ready.tell(ready=True))

    try:
        return sandbox.run(options.state, options.life, inside)
    except (PreflightError, OSError) as error:
        ready.tell(error=str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
