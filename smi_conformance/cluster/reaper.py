"""The reaper: removes a run's namespaces and restores nothing else when the run dies without a word.

A run on a cluster that it does not own starts this program with a pipe on standard input. The line `done`
means that the run cleaned up by itself; end of file without it means that it was killed, and everything
that carries the run's label goes. It survives the run's terminal and its signals.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from kubernetes import client

from smi_conformance.cluster.backends import connect

LABEL = "smi-conformance/run"


class Reaper:
    """Handle on the reaper of one run."""

    def __init__(self, kubeconfig: Path | None, context: str | None, run: str, folder: Path | None = None) -> None:
        """`folder` holds private files of the run, and goes with it."""
        argv = [sys.executable, "-m", __name__, str(kubeconfig or ""), context or "", run, str(folder or "")]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)

    def dismiss(self) -> None:
        """The run has cleaned up: end the reaper without effect."""
        self._process.communicate(b"done\n", timeout=30)


def remove(api: client.ApiClient, run: str) -> list[str]:
    """Delete every namespace of the run; returns their names. Idempotent."""
    core = client.CoreV1Api(api)
    found = core.list_namespace(label_selector=f"{LABEL}={run}", _request_timeout=30).items
    names = [str(namespace.metadata.name) for namespace in found]
    for name in names:
        _delete(core, name)
    return names


def _delete(core: client.CoreV1Api, name: str) -> None:
    try:
        core.delete_collection_namespaced_pod(name, grace_period_seconds=0, _request_timeout=30)
        core.delete_namespace(name, _request_timeout=30)
    except client.ApiException as error:
        if error.status != 404:  # an earlier deletion has ended between the list and this
            raise


def main(kubeconfig: str, context: str, run: str, folder: str = "") -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        if sys.stdin.readline().strip() != "done":
            remove(connect(Path(kubeconfig) if kubeconfig else None, context or None), run)
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:5])
