"""The reaper: tells that a run goes on, and removes its namespaces when the run dies without a word.

A run on a cluster that it does not own starts this program with a pipe on standard input. The line `done`
means that the run cleaned up by itself; end of file without it means that it was killed, and everything
that carries the run's label goes. It survives the run's terminal and its signals. As long as the run lives it
marks the run's namespaces from time to time, by which others see that they are no leftovers.
"""

from __future__ import annotations

import contextlib
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from smi_conformance.cluster.backends import connect

LABEL = "smi-conformance/run"
ALPHABET = "bcdfghjklmnpqrstvwxz0123456789"  # of the names of runs: no vowels, so no words
ALIVE = "smi-conformance/alive"
BEAT = 20.0  # seconds between two marks
PATIENCE = 600.0  # seconds that a cluster may be out of reach until what is left there is left to somebody else
UNREACHABLE = (ApiException, HTTPError, OSError)


def new_run() -> str:
    """A name that no other run has: its namespaces are found by it."""
    return "".join(random.SystemRandom().choices(ALPHABET, k=5))


class Reaper:
    """Handle on the reaper of one run."""

    def __init__(self, kubeconfig: Path | None, context: str | None, run: str, folder: Path | None = None) -> None:
        """`folder` holds private files of the run, and goes with it."""
        argv = [sys.executable, "-m", __name__, str(kubeconfig or ""), context or "", run, str(folder or "")]
        # It may outlive the run: nobody who reads what the run prints has to wait for it.
        null = subprocess.DEVNULL
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True)

    def dismiss(self) -> None:
        """The run has cleaned up: end the reaper without effect."""
        self._process.communicate(b"done\n", timeout=30)


def remove(api: client.ApiClient, run: str) -> list[str]:
    """Delete every namespace of the run; returns their names. Idempotent."""
    core = client.CoreV1Api(api)
    names = [str(namespace.metadata.name) for namespace in _namespaces(core, run).items]
    for name in names:
        _delete(core, name)
    return names


def by_hand(run: str) -> str:
    """The command that removes what a run left."""
    return f"kubectl delete namespace -l {LABEL}={run}"


def _namespaces(core: client.CoreV1Api, run: str) -> client.V1NamespaceList:
    return core.list_namespace(label_selector=f"{LABEL}={run}", _request_timeout=30)


def _delete(core: client.CoreV1Api, name: str) -> None:
    try:
        core.delete_collection_namespaced_pod(name, grace_period_seconds=0, _request_timeout=30)
        core.delete_namespace(name, _request_timeout=30)
    except client.ApiException as error:
        if error.status != 404:  # an earlier deletion has ended between the list and this
            raise


def mark(api: client.ApiClient, run: str) -> None:
    """Write the API server's time on the run's namespaces. Raises ApiException, HTTPError, OSError."""
    core = client.CoreV1Api(api)
    found, _, headers = core.list_namespace_with_http_info(label_selector=f"{LABEL}={run}", _request_timeout=30)
    now = parsedate_to_datetime(headers["Date"]).isoformat()
    for namespace in found.items:
        core.patch_namespace(namespace.metadata.name, {"metadata": {"annotations": {ALIVE: now}}}, _request_timeout=30)


def _watch_over(api: client.ApiClient, run: str) -> bool:
    """Mark the run's namespaces until it ends; returns whether it has cleaned up."""
    while not select.select([sys.stdin], [], [], BEAT)[0]:
        with contextlib.suppress(*UNREACHABLE, KeyError):  # the run itself says what is wrong with the cluster
            mark(api, run)
    return sys.stdin.readline().strip() == "done"


def _reap(api: client.ApiClient, run: str) -> None:
    """Remove what is left, when the cluster is there again."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            remove(api, run)
        except UNREACHABLE:
            if time.monotonic() > end:
                raise
            time.sleep(5)  # nothing tells when a cluster comes back
        else:
            return


def main(kubeconfig: str, context: str, run: str, folder: str = "") -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        api = connect(Path(kubeconfig) if kubeconfig else None, context or None)
        if not _watch_over(api, run):
            _reap(api, run)
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:5])
