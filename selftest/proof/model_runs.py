"""Runs against the model, one fault each: a warm process forks a child per fault.

    python -m selftest.proof.model_runs [--whole-suite] [--seed 1] [--jobs 2] [--out FOLDER [--resume]] [PATTERN ...]

judges every fault whose address fits a pattern (default: all of requirements that have a scenario), by the scenarios
of its requirement or by the whole suite. FOLDER gets a file for each fault as soon as it is judged; with `--resume`
faults that have one are not judged again.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import shutil
import sys
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import pytest

from smi_conformance.cluster.facts import cluster_facts
from smi_conformance.cluster.journal import Unrecorded
from smi_conformance.cluster.model.backend import ModelBackend
from smi_conformance.cluster.model.switchboard import faults, versions_of
from smi_conformance.locations import CONFORMANCE, REGISTER, SUITE
from smi_conformance.meshes.install import install
from smi_conformance.meshes.profile import load
from smi_conformance.model.register import Requirement, load_register
from smi_conformance.model.versions import BASELINE
from smi_conformance.plugin import hooks
from smi_conformance.plugin.eventlog import EventLog
from smi_conformance.plugin.runner import collect_less_garbage

fork = get_context("fork")
CERTIFY = re.compile(r"one-percent")  # a leak of 1 % is seen for certain only with the attempts of the highest rigor


@dataclass(frozen=True)
class Job:
    """One run: with a fault or without, over the scenarios of some requirements or over all.

    `before` is called in the process of the run.
    """

    fault: str = ""
    requirements: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    seed: int = 1
    before: Callable[[], None] | None = None

    @classmethod
    def of(cls, fault: str, *, whole: bool = False, wide: bool = False, seed: int = 1) -> Job:
        """The run that has to catch a fault: in the posture of its requirement, at a version where it can be seen.

        `wide`: at every version.
        """
        entry = load_register(REGISTER).get(fault.partition("/")[0])
        posture = "permissive" if entry.posture == "permissive" else "deny"
        versions = entry.versions if wide else _versions(entry, fault)
        only_one = entry.group == "metrics"  # and so not to be chosen
        options = (f"--posture={posture}", *([] if only_one else [f"--api={entry.group}={','.join(versions)}"]))
        return cls(fault, () if whole else (entry.id,), options, seed)

    @property
    def rigor(self) -> str:
        """What it takes to see the fault."""
        return "certify" if CERTIFY.search(self.fault) else "standard"

    def arguments(self, folder: Path) -> list[str]:
        """The command line of plain pytest."""
        files = _files(self.requirements) if self.requirements else [str(CONFORMANCE)]
        argv = [*files, f"--rootdir={SUITE}", f"--confcutdir={SUITE}", "-o", "addopts=", "-o", "filterwarnings="]
        argv += [
            "--assert=plain",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:terminal",
            "-p",
            "no:unraisableexception",
            "--cluster=model",
            f"--report={folder}",
            f"--seed={self.seed}",
        ]
        argv += [f"--rigor={self.rigor}", *(f"--requirement={name}" for name in self.requirements)]
        return argv + ([f"--fault={self.fault}"] if self.fault else []) + [*self.options]


@dataclass(frozen=True)
class Result:
    """What came of one run: exit code, and the worst verdict of each requirement with its reason."""

    fault: str
    code: int
    seconds: float = 0.0
    verdicts: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> list[str]:
        """The requirements that did not pass."""
        return sorted(name for name, verdict in self.verdicts.items() if verdict not in PASSED)


def _versions(entry: Requirement, fault: str) -> Sequence[str]:
    """The stable version, unless the fault is one of others."""
    limited = [version for version in entry.versions if version in versions_of(fault)]
    return limited or [BASELINE[entry.group] if BASELINE[entry.group] in entry.versions else entry.versions[-1]]


PASSED = ("pass", "tentative-pass", "unsupported", "skipped")
ORDER = ("error", "fail", "blocked", "tentative-fail", "skipped", "unsupported", "tentative-pass", "pass")


def judged() -> set[str]:
    """Requirements that a scenario judges, as the scenarios' files say it."""
    text = "\n".join(path.read_text() for path in CONFORMANCE.rglob("test_*.py"))
    return {name for call in re.findall(r"@requirement\(([^)]*)\)", text) for name in re.findall(r"[A-Z]+-\d{3}", call)}


def wanted(patterns: Sequence[str] = ()) -> list[str]:
    """The switches of judged requirements that fit any of the patterns: the first of each, then the second ones."""
    rounds, ids = defaultdict[str, int](int), judged()
    found = []
    for name in faults():
        own = name.split("/")[0]
        if own in ids and (not patterns or any(fnmatch.fnmatch(name, one) for one in patterns)):
            found.append((rounds[own], name))
            rounds[own] += 1
    return [name for _, name in sorted(found)]


def _files(requirements: Iterable[str]) -> list[str]:
    """The files whose scenarios judge a requirement: collecting the others takes longer than running these."""
    names = set(requirements)
    found = [path for path in sorted(CONFORMANCE.rglob("test_*.py")) if any(n in path.read_text() for n in names)]
    return [str(path) for path in found]


def run(jobs: deque[Job], at_once: int = 2) -> Iterator[Result]:
    """The results, in the order in which they come. Each run is a forked child of this process.

    Jobs that are appended while the results are looked at are run too.
    """
    warm_up()
    with tempfile.TemporaryDirectory() as folders:
        running = dict[int, tuple[Job, Path, ForkProcess]]()
        while jobs or running:
            while jobs and len(running) < at_once:
                job, folder = jobs.popleft(), Path(tempfile.mkdtemp(dir=folders))
                process = fork.Process(target=_in_child, args=(job, folder))
                process.start()
                running[process.sentinel] = job, folder, process
            for sentinel in wait(running):  # of these children alone: the process may have others
                assert isinstance(sentinel, int)
                job, folder, process = running.pop(sentinel)
                process.join()
                assert process.exitcode is not None
                yield _result(job, process.exitcode, folder)
                shutil.rmtree(folder)


def prove(faults_to_try: Sequence[str], *, whole: bool = False, at_once: int = 2, seed: int = 1) -> Iterator[Result]:
    """The results of faults: what is not seen at one version is looked for at all of them."""
    jobs = deque(Job.of(fault, whole=whole, seed=seed) for fault in faults_to_try)
    everywhere = set()
    for result in run(jobs, at_once):
        if verdict_of(result) in PASSED and result.fault not in everywhere:
            everywhere.add(result.fault)
            jobs.appendleft(Job.of(result.fault, whole=whole, wide=True, seed=seed))
        else:
            yield result


def warm_up() -> None:
    """Import and read what every run needs: most of what a short run would spend its time on."""
    assert hooks
    load_register(REGISTER)
    profile = load("model")
    backend = ModelBackend(profile.onboarding, "deny")
    install(backend.cluster(Unrecorded()), profile, lambda _: None)
    cluster_facts(backend.api(), "model")
    backend.close()


def _in_child(job: Job, folder: Path) -> None:
    code = 70
    try:
        output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = sys.stderr = os.fdopen(1, "w")
        collect_less_garbage()
        if job.before:
            job.before()
        EventLog.publish = _unpublished  # type: ignore[method-assign, assignment]
        code = int(pytest.main(job.arguments(folder), plugins=[_Terse()]))
    finally:
        sys.stdout.flush()
        os._exit(code)


class _Terse:
    """Nobody reads the tracebacks of failures either: telling them takes a fifth of the time of a run."""

    @staticmethod
    def pytest_configure(config: pytest.Config) -> None:
        config.option.tbstyle = "native"


def _unpublished(log: EventLog) -> None:
    """Nobody reads the report of a fault."""


def _result(job: Job, code: int, folder: Path) -> Result:
    verdicts: dict[str, str] = {}
    reasons: dict[str, str] = {}
    seconds = 0.0
    for event in _events(folder / "events.jsonl"):
        for row in event.get("requirements", ()) if event["event"] == "scenario-finished" else ():
            if ORDER.index(row["verdict"]) < ORDER.index(verdicts.get(row["id"], "pass")) or row["id"] not in verdicts:
                verdicts[row["id"]] = row["verdict"]
                reasons[row["id"]] = " ".join(str(row["reason"] or event.get("details") or "").split())[:300]
        seconds = event.get("seconds", seconds) if event["event"] == "run-finished" else seconds
    if not verdicts:
        output = folder / "output"
        reasons["run"] = output.read_text(errors="replace")[-1500:] if output.exists() else "no output"
    return Result(job.fault, code, seconds, verdicts, reasons)


def _events(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text().splitlines():
            yield json.loads(line)


def verdict_of(result: Result) -> str:
    """Whether the fault's own requirement failed by assertion: `caught`, or what happened instead."""
    verdict = result.verdicts.get(result.fault.split("/")[0], "not judged")
    return "caught" if verdict in ("fail", "tentative-fail") else verdict


def keep(result: Result, folder: Path) -> None:
    """Write one result to a file of its own, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (result.fault.replace("/", "--") + ".json")
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(asdict(result), indent=1) + "\n")
    unfinished.replace(path)


def kept(folder: Path) -> list[Result]:
    """The results that stand in a folder."""
    return [Result(**json.loads(path.read_text())) for path in sorted(folder.glob("*--*.json"))]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line above; the exit code is 1 when a fault is not caught."""
    parser = argparse.ArgumentParser(prog="python -m selftest.proof.model_runs", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="faults, such as 'TA-05*' or SP-010/decoy-leak")
    parser.add_argument("--whole-suite", action="store_true", help="judge everything, not the fault's requirement only")
    parser.add_argument("--seed", type=int, default=1, help="decides all that is random")
    parser.add_argument("--jobs", type=int, default=2, help="children at once")
    parser.add_argument("--out", type=Path, default=None, help="folder of the results, a file for each fault")
    parser.add_argument("--resume", action="store_true", help="leave out what has its file in FOLDER")
    given = parser.parse_args(argv)
    patterns = [one if "/" in one else f"{one}/*" for one in given.patterns]
    done = {result.fault for result in kept(given.out)} if given.out and given.resume else set()
    results = []
    todo = [name for name in wanted(patterns) if name not in done]
    for result in prove(todo, whole=given.whole_suite, at_once=given.jobs, seed=given.seed):
        results.append(result)
        if given.out and result.code in (0, 1, 3):  # the run came to its end
            keep(result, given.out)
        told = verdict_of(result)
        own = result.fault.split("/")[0]
        reason = "" if told == "caught" else f"  {result.reasons.get(own) or result.reasons.get('run', '')}"
        sys.stdout.write(f"{told:10} {result.seconds:6.2f} s  {result.fault}{reason}\n")
        sys.stdout.flush()
    missed = [result.fault for result in results if verdict_of(result) != "caught"]
    sys.stdout.write(f"{len(results)} faults, {len(missed)} not caught\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
