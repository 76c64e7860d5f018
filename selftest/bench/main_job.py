"""Time and memory of the main job: `python selftest/bench/main_job.py [RUNS]`.

Runs `smi-conformance run` so many times in a row (default 3) and prints, per run, wall time, the peak of the memory
of all its processes (PSS, so that shared pages count once), and whether a verdict changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

MIB = 1024
EVERY = 2.0  # seconds between two looks at the memory


@dataclass(frozen=True)
class Measured:
    """One run."""

    code: int
    seconds: float
    mebibytes: float
    verdicts: dict[str, str]


def descendants(root: int) -> set[int]:
    """The process and everything below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def memory(pids: set[int]) -> float:
    """Proportional set size of the processes, in MiB."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / MIB


def measure() -> Measured:
    """Run the main job once."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-m", "smi_conformance.cli", "run", "--report", folder]
        began = time.monotonic()
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=os.environ)
        peak = 0.0
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(EVERY):
                peak = max(peak, memory(descendants(process.pid)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        seconds = time.monotonic() - began
        done.set()
        watcher.join()
        report = json.loads((Path(folder) / "report.json").read_text())
        verdicts = {f"{row['requirement']}@{row['version']}": row["verdict"] for row in report["rows"]}
        return Measured(code, seconds, peak, verdicts)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    first: dict[str, str] | None = None
    changed = 0
    for number in range(1, runs + 1):
        one = measure()
        first = first or one.verdicts
        changed += one.verdicts != first
        print(f"run {number}: exit {one.code}, {one.seconds:.1f} s, {one.mebibytes:.0f} MiB", flush=True)  # noqa: T201
    print(f"{runs} runs, {changed} with a changed verdict")  # noqa: T201


if __name__ == "__main__":
    main()
