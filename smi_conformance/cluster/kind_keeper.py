"""The keeper of a kind cluster: the cluster lives as long as a pipe to this program is open.

It creates the cluster, says how that went in one line, and waits. The line `keep` leaves the cluster alone; the end of
the pipe, however the other side came to its end, deletes it, also while it is still being created. It survives the
run's terminal and its signals, and what it could not delete it tells. The other side is `kind.Keeper`.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from smi_conformance.cluster.programs import LONG, ProgramError, complaint, output

READY, DELETED, KEPT, ABANDONED = "ready", "deleted", "kept", "abandoned"
TAKEN = "already exist"  # as kind says it: then the cluster is somebody else's
DELETION = 120.0  # seconds for kind to delete its nodes
SETTLING = 2.0  # seconds in which the engine ends what a kind that was killed had asked of it: a node may still appear


def main(kind: str, name: str, folder: str, *create: str) -> int:
    """Create, wait, delete; returns 0 when nothing stays that should not."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    told = _create([kind, "create", "cluster", "--name", name, *create])
    _say(told)
    if TAKEN in told:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    if told == READY and sys.stdin.readline().strip() == "keep":
        _say(KEPT)
        return 0
    if told == ABANDONED:
        _remove(kind, name)
        time.sleep(SETTLING)
    return _delete(kind, name, folder)


def _create(argv: Sequence[str]) -> str:
    """READY, ABANDONED when nobody waits any more, or why there is no cluster."""
    try:
        made = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        return f"{argv[0]}: {error.strerror}"
    with made:
        try:
            said, waited_for = _attended(made, time.monotonic() + LONG)
        finally:
            if made.poll() is None:
                os.killpg(made.pid, signal.SIGKILL)  # an orphan would go on and make what has just been deleted
    if not waited_for:
        return ABANDONED
    if made.returncode:
        return complaint(said) or f"exit code {made.returncode}"
    return READY


def _attended(made: subprocess.Popen[bytes], deadline: float) -> tuple[str, bool]:
    """What the program says until its end, and whether somebody waited for it until then."""
    assert made.stdout
    said = b""
    with selectors.DefaultSelector() as ready:
        ready.register(made.stdout, selectors.EVENT_READ)
        ready.register(sys.stdin, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in ready.select(left):
                if key.fileobj is sys.stdin:
                    return "", False
                more = made.stdout.read1(1 << 16)  # type: ignore[attr-defined]
                said += more
                if not more:
                    made.wait(max(0.1, left))
                    return said.decode(errors="replace"), True
    return f"ERROR: no end after {LONG:.0f} s", True


def _delete(kind: str, name: str, folder: str) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    told = _remove(kind, name)
    _say(told)
    return int(told != DELETED)


def _remove(kind: str, name: str) -> str:
    """DELETED, or why not."""
    try:
        output([kind, "delete", "cluster", "--name", name], timeout=DELETION)
    except ProgramError as error:
        return str(error)
    return DELETED


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody has to listen
        print(" ".join(text.split()), flush=True)  # noqa: T201  # the pipe to the run


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
